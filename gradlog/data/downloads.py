"""Files with a known content: find or download them, and check them in both cases."""

import hashlib
import math
import os
import tempfile
import urllib.request
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
    """Return the checked file at `path`, or if that is '' in the folder, downloaded if necessary.

    Raises:
      DataError: the file is missing and cannot be downloaded, or its content is another.
    """
    file = Path(os.path.expanduser(path)) if path else folder / download.name
    if not path and not file.exists():
        _fetch(download, file)
    try:
        with file.open("rb") as stream:
            size, sha256 = file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
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


def _fetch(download: Download, file: Path) -> None:
    """Download to a scratch folder beside the file, then move it there in one step."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        total = math.ceil(download.size / MEGABYTE)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=file.parent) as scratch,
            urllib.request.urlopen(download.url, timeout=TIMEOUT_SECONDS) as response,
        ):
            partial = Path(scratch) / download.name
            with (
                partial.open("wb") as stream,
                terminal.progress(download.name, 0, total, "", unit="MB") as update,
            ):
                while chunk := response.read(CHUNK_BYTES):
                    stream.write(chunk)
                    update(math.ceil(stream.tell() / MEGABYTE), "")
            os.replace(partial, file)
    # An interrupted transfer raises HTTPException (IncompleteRead), everything else OSError.
    except (OSError, HTTPException) as error:
        raise DataError(
            f"cannot download {download.url} ({error}); put {download.name} into {file.parent}, "
            "or set config.data.path to its place"
        ) from error
