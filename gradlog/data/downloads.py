"""Files with a known content: found, or downloaded, and in both cases checked."""

import contextlib
import hashlib
import math
import os
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from gradlog import terminal
from gradlog.data.dataset import DataError

TIMEOUT_SECONDS = 10.0
CHUNK_BYTES = 1 << 20
MEGABYTE = 10**6


@dataclass(frozen=True)
class Download:
    """A file with a known content: its address, its size in bytes and its SHA-256."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def find_or_fetch(download: Download, *, folder: Path, path: str) -> Path:
    """The checked file: at `path` if that is given, else in the folder, else downloaded to it.

    Raises:
      DataError: not there and not to be had, or its content is another.
    """
    if path:
        return _checked(Path(os.path.expanduser(path)), download)
    place = folder / download.name
    if not place.exists():
        _fetch(download, place)
    return _checked(place, download)


def _checked(file: Path, download: Download) -> Path:
    try:
        size, sha256 = file.stat().st_size, _sha256(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{file} cannot be read ({reason}); it should be {download.name}"
        ) from error
    if (size, sha256) != (download.size, download.sha256):
        raise DataError(
            f"{file} is not {download.url}: {size} bytes with SHA-256 {sha256[:16]}..., expected "
            f"{download.size} with {download.sha256[:16]}...; delete it and get it again"
        )
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _progress(download: Download) -> Iterator[Callable[[int], None]]:
    total = math.ceil(download.size / MEGABYTE)
    with terminal.progress(download.name, 0, total, "", unit="MB") as update:
        yield lambda got: update(math.ceil(got / MEGABYTE), "")


def _fetch(download: Download, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as scratch,
            urllib.request.urlopen(download.url, timeout=TIMEOUT_SECONDS) as response,
        ):
            partial = Path(scratch) / download.name
            with partial.open("wb") as stream, _progress(download) as update:
                while chunk := response.read(CHUNK_BYTES):
                    stream.write(chunk)
                    update(stream.tell())
            os.replace(partial, place)
    # An interrupted transfer is an HTTPException (IncompleteRead), the rest are OSErrors.
    except (OSError, HTTPException) as error:
        raise DataError(
            f"cannot download {download.url} ({error}); put {download.name} into "
            f"{place.parent}, or say where it is with config.data.path"
        ) from error
