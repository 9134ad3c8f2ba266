"""Atomic files, sealed JSON, and arrays from the user's own files."""

import errno
import json
import os
import stat
import zipfile

import numpy as np
import pytest

from gradlog.data import DataError, read_array
from gradlog.storage import (
    DamagedFileError,
    WorkdirError,
    own_path,
    read_json,
    read_sealed,
    write_json,
    write_npz,
    write_sealed,
    write_text,
)
from gradlog.storage.files import atomic, find_free_name


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
def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path, monkeypatch, function):
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


def test_json_has_null_for_nan_and_plain_numbers_for_numpy(tmp_path):
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


# --- sealed JSON ----------------------------------------------------------------------------

CONTENTS = {"mean": np.float64(0.1), "error": float("nan"), "account": [{"term": "σ", "n": 3}]}
BESIDE = ["per_image.npz"]
_DAMAGED = "."  # any message
READ = {"mean": 0.1, "error": None, "account": [{"term": "σ", "n": 3}]}


@pytest.fixture
def sealed(tmp_path):
    write_npz(tmp_path / "per_image.npz", {"x": np.arange(3)})
    write_sealed(tmp_path / "result.json", CONTENTS, BESIDE)
    return tmp_path / "result.json"


def test_sealed_contents_come_back(sealed):
    assert read_sealed(sealed, BESIDE) == READ
    assert json.loads(sealed.read_text()).items() >= READ.items()


def test_every_flipped_bit_is_found(sealed):
    whole = sealed.read_bytes()
    for index in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[index // 8] ^= 1 << index % 8
        sealed.write_bytes(changed)
        with pytest.raises(ValueError, match=_DAMAGED) as caught:
            read_sealed(sealed, BESIDE)
        assert "\n" not in str(caught.value)
    sealed.write_bytes(whole)
    assert read_sealed(sealed, BESIDE) == READ


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3", "null", "\x00", "[" * 100_000),
        *('{"mean": 1}', '{"sha256": 1}', '{"files": {}, "mean": 0.1}'),
        *('{"sha256": "", "files": []}', '{"sha256": "", "files": {"a": NaN}}'),
    ],
)
def test_other_contents_are_one_line(sealed, text):
    sealed.write_text(text)
    with pytest.raises(ValueError, match=_DAMAGED) as caught:
        read_sealed(sealed, BESIDE)
    assert "\n" not in str(caught.value)


def test_a_changed_file_beside_it_is_found(sealed):
    beside = sealed.with_name("per_image.npz")
    write_npz(beside, {"x": np.arange(1, 4)})
    with pytest.raises(ValueError, match=r"per_image\.npz is not as it was written"):
        read_sealed(sealed, BESIDE)
    beside.unlink()
    with pytest.raises(FileNotFoundError):
        read_sealed(sealed, BESIDE)


@pytest.mark.parametrize("others", [[], ["settings.json"], [*BESIDE, "settings.json"]])
def test_a_table_that_lacks_a_file_or_has_another_one_is_found(sealed, others):
    """The digest of such a table may be right: it proves nothing about the file that it lacks."""
    sealed.with_name("settings.json").write_text("{}")
    write_sealed(sealed, CONTENTS, others)
    with pytest.raises(ValueError, match=r"digests of .*per_image\.npz"):
        read_sealed(sealed, BESIDE)


def test_equal_contents_are_not_written_again(sealed):
    before = sealed.stat()
    write_sealed(sealed, CONTENTS, BESIDE)
    assert sealed.stat().st_mtime_ns == before.st_mtime_ns
    assert sealed.stat().st_ino == before.st_ino
    write_sealed(sealed, CONTENTS)
    assert sealed.stat().st_ino != before.st_ino


# --- arrays from the user's own files -------------------------------------------------------

X = np.arange(6.0).reshape(2, 3)


def test_the_contents_of_an_array_file_decide_and_not_its_name(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez_compressed(tmp_path / "one.npz", x=X)
    np.savez(tmp_path / "two.npz", first=X, wanted=X + 1)
    (tmp_path / "one.npz").rename(tmp_path / "renamed.npy")
    np.testing.assert_array_equal(read_array(str(tmp_path / "x.npy")), X)
    np.testing.assert_array_equal(read_array(str(tmp_path / "renamed.npy")), X)
    found = read_array(str(tmp_path / "two.npz"), ("best", "wanted", "first"))
    np.testing.assert_array_equal(found, X + 1)


def _broken(path):
    """Write an archive whose compressed bytes are damaged."""
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
    "cannot be read: it is neither an .npy nor": lambda path: path.write_text("a"),
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
    with pytest.raises(DataError) as caught:
        read_array(str(tmp_path / "x.npy"))
    assert f"{tmp_path / 'x.npy'} {message}" in str(caught.value) or (
        str(caught.value) == f"{message} {tmp_path / 'x.npy'}"
    )
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1


# --- links ----------------------------------------------------------------------------------


def _link(path, target):
    path.symlink_to(target)


@pytest.mark.parametrize("make", [_link, lambda path, _: os.mkfifo(path)])
def test_what_is_neither_a_file_nor_a_folder_is_never_replaced(tmp_path, make):
    target, path = tmp_path / "thesis", tmp_path / "result.json"
    target.write_text("of the user")
    make(path, target)
    with pytest.raises(WorkdirError, match=r"result\.json"):
        write_json(path, {})
    assert target.read_text() == "of the user"
    assert path.is_symlink() or path.is_fifo()


def test_a_path_inside_a_folder_leads_through_no_link_below_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real" / "samples").symlink_to(tmp_path)
    assert own_path(tmp_path / "root", "eval", "20") == tmp_path / "root" / "eval" / "20"
    with pytest.raises(WorkdirError, match="root/samples"):
        own_path(tmp_path / "root", "samples", "20")


def test_a_free_name_is_no_dangling_link(tmp_path):
    (tmp_path / "kept.json").symlink_to(tmp_path / "nowhere")
    assert find_free_name(tmp_path / "kept.json") == tmp_path / "kept-1.json"


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(DamagedFileError, match=r"config\.json"):
        read_json(tmp_path / "config.json")


def test_text_without_an_encoding_is_written_as_its_escape(tmp_path):
    write_text(tmp_path / "page", "a \udcff é")
    assert (tmp_path / "page").read_bytes() == b"a \\udcff \xc3\xa9"
