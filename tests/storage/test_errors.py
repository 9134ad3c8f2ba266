"""Reasons of errors: one line, and only what a reader can use."""

import errno
import os

import pytest

from gradlog.storage.errors import describe_error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), os.strerror(errno.EIO)),
        (ValueError("one\ntwo"), "one"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_reason_is_one_line(error, reason):
    assert describe_error(error) == reason
