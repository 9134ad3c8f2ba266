"""Arrays of the user's own files: read whatever the file is called, or one line."""

import zipfile

import numpy as np
import pytest

from gradlog.storage import ArrayFileError, read_array

X = np.arange(6.0).reshape(2, 3)


def test_what_a_file_holds_counts_and_not_its_name(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez_compressed(tmp_path / "one.npz", x=X)
    np.savez(tmp_path / "two.npz", first=X, wanted=X + 1)
    (tmp_path / "one.npz").rename(tmp_path / "renamed.npy")
    np.testing.assert_array_equal(read_array(str(tmp_path / "x.npy")), X)
    np.testing.assert_array_equal(read_array(str(tmp_path / "renamed.npy")), X)
    found = read_array(str(tmp_path / "two.npz"), ("best", "wanted", "first"))
    np.testing.assert_array_equal(found, X + 1)


def _broken(path):
    """An archive whose compressed bytes are not what was packed."""
    np.savez_compressed(path.open("wb"), x=np.zeros(9999))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)


def _of_text(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("read.me", "text")


def _saved(array):
    return lambda path: np.save(path.open("wb"), array)


BAD = {
    "there is no file": lambda path: None,
    "cannot be read: it is neither": lambda path: path.write_bytes(b""),
    "cannot be read: it is neither;": lambda path: path.write_text("a"),
    "cannot be read: File is not a zip": lambda path: path.write_bytes(b"PK\3\4"),
    "cannot be read: it is not a regular file": lambda path: path.mkdir(),
    "cannot be read: Error -3": _broken,
    "cannot be read: it holds pickled objects": _saved(np.array([None])),
    "cannot be read: EOF: reading magic string": _of_text,
    "holds <U1, not numbers": _saved(np.array(["a"])),
    "holds the arrays ['a', 'b']; one is expected": lambda path: np.savez(
        path.open("wb"), a=X, b=X
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_a_file_without_the_array_is_one_line(tmp_path, message):
    BAD[message](tmp_path / "x.npy")
    with pytest.raises(ArrayFileError) as caught:
        read_array(str(tmp_path / "x.npy"))
    assert f"{tmp_path / 'x.npy'} {message}" in str(caught.value) or (
        str(caught.value) == f"{message} {tmp_path / 'x.npy'}"
    )
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1
