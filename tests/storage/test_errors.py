"""Reasons of errors: one line, and only what a reader can use."""

import errno
import os

import pytest

from gradlog.storage.errors import describe_error

OPENING = 'NOT_FOUND: Error opening "zarr3" driver: Metadata at "x/zarr.json" does not exist'


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError(OPENING + r""" [tensorstore_spec='{\"driver\":\"zarr3\"}']"""), OPENING),
        (ValueError(f"{OPENING} [source locations='a.cc:1'] [tensorstore_spec='{{}}']"), OPENING),
        (ValueError("writing [os_error_code='28']"), os.strerror(errno.ENOSPC)),
        (OSError(errno.EIO, os.strerror(errno.EIO)), os.strerror(errno.EIO)),
        (ValueError("one\ntwo"), "one"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_reason_is_one_line_without_details_of_a_library(error, reason):
    assert describe_error(error) == reason
