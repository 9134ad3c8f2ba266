import errno
import json
import stat

import numpy as np
import pytest

from gradlog.storage import read_json, write_json, write_npz, write_text
from gradlog.storage.files import atomic


class InterruptedWriteError(Exception):
    pass


def _interrupted_write(path):
    with atomic(path) as file:
        file.write(b"half of the n")
        raise InterruptedWriteError


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")
    with pytest.raises(InterruptedWriteError):
        _interrupted_write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_first_write_leaves_no_file(tmp_path):
    with pytest.raises(InterruptedWriteError):
        _interrupted_write(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")
    with atomic(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("function", ["tempfile.mkstemp", "os.replace"])
def test_an_error_names_the_file_that_was_meant(tmp_path, monkeypatch, function):
    """And not the temporary one, of which no one knows."""

    def refuse(*source, **where):
        path = source[0] if source else f"{where['dir']}/{where['prefix']}x8sj"
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(function, refuse)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        write_text(tmp_path / "result.json", "new")
    assert caught.value.filename == str(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_files_can_be_read_by_others(tmp_path):
    path = tmp_path / "eval" / "100" / "note.txt"
    write_text(path, "σ")
    assert path.read_bytes() == "σ".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_json_has_null_for_what_is_not_finite_and_plain_numbers_for_numpy(tmp_path):
    path = tmp_path / "a.json"
    value = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "nested": [{"x": (1.5, -np.inf)}, np.int64(3)],
        "flag": np.bool_(True),
        "text": "NaN",
    }
    write_json(path, value)
    expected = {
        "nan": None,
        "inf": None,
        "nested": [{"x": [1.5, None]}, 3],
        "flag": True,
        "text": "NaN",
    }
    assert read_json(path) == expected
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == expected


def test_arrays_come_back_bit_for_bit(tmp_path):
    arrays = {"x": np.array([np.nan, -0.0, 1e-45], np.float32), "ok": np.array([True, False])}
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as found:
        assert set(found.files) == set(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()
