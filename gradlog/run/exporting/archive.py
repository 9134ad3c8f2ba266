"""The file of an export: a zip archive of the same bytes for the same contents and zlib."""

import hashlib
import importlib.metadata
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradlog.storage import finite
from gradlog.storage.files import atomic

LOADER = Path(__file__).with_name("load_exported.py")
_ABOUT = "about.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that such an archive can have


def write_archive(path: Path, parts: Mapping[str, bytes], about: Mapping[str, Any]) -> None:
    """Writes parts by name, ``about.json`` with their digests, and what is needed to load them."""
    parts = {**parts, LOADER.name: LOADER.read_bytes(), **dict(_flatbuffers())}
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    told = json.dumps(finite({**about, "sha256": digests}), indent=2, allow_nan=False) + "\n"
    with atomic(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, part in {_ABOUT: told.encode(), **parts}.items():
            deflate = name.endswith(".jax")  # parameters are noise to it
            how = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
            archive.writestr(_entry(name), part, how)


def check_archive(path: Path) -> None:
    """Finds that every part of a file is as it was written.

    Raises:
      ValueError: one is not; its name.
    """
    with zipfile.ZipFile(path) as archive:
        for name, digest in json.loads(archive.read(_ABOUT))["sha256"].items():
            if hashlib.sha256(archive.read(name)).hexdigest() != digest:
                raise ValueError(f"{name} in it is not as it was written")


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the contents of an .npz file, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            contents = io.BytesIO()
            np.lib.format.write_array(contents, np.asarray(array), allow_pickle=False)
            archive.writestr(_entry(f"{name}.npy"), contents.getvalue())
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.external_attr = 0o644 << 16
    return entry


def _flatbuffers() -> Iterator[tuple[str, bytes]]:
    """The package in which ``jax.export`` writes, and which does not come with JAX; its license.

    It is pure Python, a few small files, and Python imports from an archive.
    """
    for file in importlib.metadata.files("flatbuffers") or ():
        if file.parts[0] == "flatbuffers" and file.suffix == ".py":
            yield str(file), file.read_binary()
    # The package comes without the text of its license, Apache 2.0; JAX has the same one.
    (license,) = [f for f in importlib.metadata.files("jax") or () if f.name == "LICENSE"]
    yield "flatbuffers/LICENSE", license.read_binary()
