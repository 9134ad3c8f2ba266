"""JSON that tells whether it is as it was written, and so are the files beside it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradlog.storage.files import finite, write_text

_OWN, _FILES = "sha256", "files"


def write_sealed(path: Path, contents: dict[str, Any], beside: Sequence[str] = ()) -> None:
    """Writes an object of JSON with the SHA-256 of what it says and of files in its folder.

    Where the file says just that, nothing is written: a folder that is read-only will do.
    """
    plain = json.loads(json.dumps(finite(contents), allow_nan=False))
    text = _render(plain, {name: _digest_of(path.parent / name) for name in beside})
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_text(path, text)


def read_sealed(path: Path) -> dict[str, Any]:
    """What ``write_sealed`` was given, as JSON has it.

    Raises:
      ValueError: it is not as it was written, or a file beside it is not; a few words, to be said
        of a path that they do not name.
      OSError: one of them is not there, or cannot be read.
    """
    text = path.read_bytes()
    contents, files = _parsed(text)
    for name, digest in files.items():
        if _digest_of(path.parent / name) != digest:
            raise ValueError(f"{name} is not as it was written")
    return contents


def _parsed(text: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """What it says, and the digests of the files beside it."""
    try:
        contents = json.loads(text)
        del contents[_OWN]
        files = contents.pop(_FILES)
        as_written = _render(contents, files).encode() == text
    except (LookupError, TypeError, AttributeError):
        raise ValueError("it has no digest of its own: something else wrote it") from None
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not as_written:
        raise ValueError("it is not as it was written")
    return contents, files


def _render(contents: dict[str, Any], files: dict[str, str]) -> str:
    """The one text that says this: whatever else is in the file, was not written."""
    told = {**contents, _FILES: files}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return json.dumps({**told, _OWN: digest}, indent=2, allow_nan=False) + "\n"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
