"""Array files are read as plain data, and refused if they are damaged or too large."""

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from gradlog.data import array_files
from gradlog.data.array_files import machine_bytes, open_arrays
from gradlog.data.dataset import DataError
from gradlog.data.files import read_sets

X = np.arange(24.0).reshape(4, 6)


def _only(path):
    with open_arrays(path) as arrays:
        (array,) = arrays.values()
        return array


def _refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        _only(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def _claiming(shape):
    """An .npy file whose header claims another shape."""
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + X.tobytes()


@pytest.mark.parametrize(
    "array", [X, X.T, X.astype(">f4"), X.astype(np.uint8), X[:0], X[0, 0], X > 3, X[:, ::2]]
)
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_saved(tmp_path, array, save):
    with (tmp_path / "file").open("wb") as file:
        save(file, array)
    found = _only(tmp_path / "file")
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.flags.writeable


def test_only_the_accessed_array_is_read(tmp_path):
    np.savez(tmp_path / "x.npz", whole=X, pickled=np.array([None]))
    with open_arrays(tmp_path / "x.npz") as arrays:
        assert set(arrays) == {"whole", "pickled"}
        np.testing.assert_array_equal(arrays["whole"], X)
    with pytest.raises(DataError, match="pickled objects"), open_arrays(tmp_path / "x.npz") as all_:
        _ = all_["pickled"]


def test_asking_for_a_name_reads_nothing(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([None]))
    with open_arrays(tmp_path / "x.npz") as arrays:
        assert "x" in arrays
        assert "y" not in arrays


@pytest.mark.parametrize("name", ["a", "train"])
def test_an_archive_of_many_arrays_takes_linear_time(tmp_path, monkeypatch, name):
    """A header is read at most twice for each member, and a message names a few."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for number in range(300):
            archive.writestr(f"{name}{number}.npy", _claiming((4, 6)))
    opened, shape = [], array_files.Arrays.shape
    monkeypatch.setattr(array_files.Arrays, "shape", lambda *a: opened.append(a) or shape(*a))
    with pytest.raises(DataError, match="and 290 more") as caught:
        read_sets(str(tmp_path / "x.npz"), "")
    assert len(opened) <= 600
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("shape", [(10**15,), (10**9, 10**9), (5, 6), (2**63, 2)])
def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path, shape):
    content = _claiming(shape)
    (tmp_path / "x.npy").write_bytes(content)
    _refused(tmp_path / "x.npy", "claims to hold")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    _refused(tmp_path / "x.npz", "claims to hold")


@pytest.mark.parametrize("shape", [(-1, 2), (2.0,), (None,), "x", (True, 20)])
def test_a_header_with_an_invalid_shape_is_refused(tmp_path, shape):
    (tmp_path / "x.npy").write_bytes(_claiming(shape))
    _refused(tmp_path / "x.npy", "cannot be read")


def test_a_second_array_in_a_file_and_two_of_one_name_are_refused(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, np.zeros(3))
        np.save(file, np.zeros(3))
    _refused(tmp_path / "x.npy", "claims to hold")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("x", "x.npy"):
            archive.writestr(name, (tmp_path / "x.npy").read_bytes()[:152])
    _refused(tmp_path / "x.npz", "one name")


def test_a_long_header_that_takes_no_room_in_a_zip_file_is_refused(tmp_path):
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**25) + b" " * 2**25
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header)
    del header
    tracemalloc.start()
    _refused(tmp_path / "x.npz", "header")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: 10**6)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(10**6))
    assert (tmp_path / "bomb.npz").stat().st_size < 10**4
    _refused(tmp_path / "bomb.npz", "would take 0.008 GB; this machine has 0.001 GB")


def test_arrays_that_fit_one_by_one_but_not_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: 10**6)
    np.savez_compressed(tmp_path / "x.npz", train=np.zeros(10**5), test=np.zeros(10**5))
    with open_arrays(tmp_path / "x.npz") as arrays:
        assert len(arrays["train"]) == 10**5
    with pytest.raises(DataError, match="test"), open_arrays(tmp_path / "x.npz") as arrays:
        dict(arrays)


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    _refused(tmp_path / "pipe.npy", "not a regular file")


def test_names_in_an_archive_are_not_used_as_paths(tmp_path):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "x.npz", "w") as archive:
        archive.writestr("../outside.npy", _claiming((4, 6)))
    np.testing.assert_array_equal(_only(tmp_path / "in" / "x.npz"), X)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "x.npz"]


@pytest.mark.parametrize("where", [0, 70, -30, -5])
def test_a_damaged_archive_is_refused(tmp_path, where):
    np.savez_compressed(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=99))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[where : where + 5 or None] = b"\xff" * 5
    (tmp_path / "x.npz").write_bytes(content)
    _refused(tmp_path / "x.npz", "cannot be read")


def test_the_memory_of_this_machine_is_found():
    assert 2**28 < machine_bytes() < 2**50


@pytest.mark.parametrize(("text", "expected"), [("1000\n", 1000), ("max\n", None), ("", None)])
def test_the_limit_of_a_container_is_respected(tmp_path, monkeypatch, text, expected):
    (tmp_path / "limit").write_text(text)
    paths = (str(tmp_path / "limit"), str(tmp_path / "none"))
    monkeypatch.setattr(array_files, "MEMORY_LIMITS", paths)
    found = machine_bytes.__wrapped__()
    assert found == expected if expected else found > 2**28
