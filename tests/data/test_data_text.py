"""Text of the user's own: what is read, how it is cut, and that no test byte was trained on."""

import os
import threading
from functools import partial

import numpy as np
import pytest

from gradlog.data import DataError
from gradlog.data.text import decode_text, load_text


def number_text(count):
    """Return a text that holds each number once, in eight bytes."""
    return "".join(f"{number:07d} " for number in range(count))


def test_a_text_is_cut_into_all_of_its_bytes(tmp_path):
    text = number_text(400) + "rest"
    (tmp_path / "x.txt").write_text(text)
    found = load_text(path=str(tmp_path / "x.txt"), sequence_length=16)
    assert (found.shape, found.levels, found.train.dtype) == ((16,), 256, np.uint8)
    read = b"".join(np.sort(np.concatenate([found.train, found.test]).view("S16").ravel()))
    assert read == number_text(400).encode()
    assert "4 bytes at the end" in found.account


def test_blocks_are_held_out_whole(tmp_path):
    """Every run of test sequences begins and ends at a border of blocks of 16."""
    (tmp_path / "x.txt").write_text(number_text(1600))
    found = load_text(path=str(tmp_path / "x.txt"), sequence_length=8, test_fraction=0.2)
    numbers = np.sort(found.test.view("S8").ravel().astype(int))
    assert len(numbers) == 320
    assert (numbers.reshape(-1, 16) // 16 == numbers.reshape(-1, 16)[:, :1] // 16).all()
    assert not set(numbers) & set(found.train.view("S8").ravel().astype(int))


def test_a_folder_is_joined_in_the_order_of_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.md").write_text("world")
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "c.bin").write_bytes(b"\xff")
    (tmp_path / "test.txt").write_text("x" * 11)
    with pytest.raises(DataError, match=r"test\.txt is in config\.data\.path"):
        load_text(path=str(tmp_path), test_path=str(tmp_path / "test.txt"), sequence_length=11)
    test = (tmp_path / "test.txt").rename(tmp_path.parent / f"{tmp_path.name}.txt")
    found = load_text(path=str(tmp_path), test_path=str(test), sequence_length=11)
    assert found.train[0].tobytes() == b"hello\nworld"
    assert "1 .bin files" in found.account


def test_characters_are_numbered_by_those_of_the_training_text(tmp_path):
    (tmp_path / "x.txt").write_text("aé€b" * 4)
    (tmp_path / "test.txt").write_text("bxé€yy€a")
    paths = {"path": str(tmp_path / "x.txt"), "test_path": str(tmp_path / "test.txt")}
    found = load_text(**paths, tokens="characters", sequence_length=4)
    assert (found.alphabet, found.levels, found.unit) == ("abé€", 5, "bits/char")
    assert found.train.tolist() == [[0, 2, 3, 1]] * 4
    assert "3 characters of the test text" in found.account
    assert [decode_text(row, found.alphabet) for row in found.test] == ["b�é€", "��€a"]
    found = load_text(**paths, sequence_length=4)
    assert (found.alphabet, found.levels, found.unit) == (None, 256, "bits/byte")
    assert decode_text(found.train[0], found.alphabet) == "aé�"


def test_more_than_256_characters_need_wider_numbers(tmp_path):
    (tmp_path / "x.txt").write_text("".join(map(chr, range(1000, 2000))))
    found = load_text(path=str(tmp_path / "x.txt"), tokens="characters", sequence_length=10)
    assert found.train.dtype == np.uint16
    assert sorted(found.train.ravel()) == list(range(found.levels - 1))


@pytest.mark.parametrize(
    ("contents", "arguments", "named"),
    [
        (b"abc", {}, "one sequence needs 256"),
        (b"a" * 100, {"sequence_length": 10}, "test_path"),
        (b"a" * 100, {"sequence_length": 0}, "sequence_length"),
        (b"a" * 300, {"tokens": "words"}, "tokens"),
        (b"a" * 300 + b"\xff", {}, r"x\.txt is no text in UTF-8 \(byte 300\)"),
        (None, {}, "no file or folder"),
    ],
)
def test_what_is_no_text_is_refused(contents, arguments, named, tmp_path):
    if contents is not None:
        (tmp_path / "x.txt").write_bytes(contents)
    with pytest.raises(DataError, match=named):
        load_text(path=str(tmp_path / "x.txt"), **arguments)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    write = partial((tmp_path / "pipe").write_text, number_text(400))
    threading.Thread(target=write, daemon=True).start()  # it ends when somebody reads
    with pytest.raises(DataError, match="pipe"):
        load_text(path=str(tmp_path / "pipe"))


def test_zeros_which_no_text_has_are_counted(tmp_path):
    """UTF-16 of English is UTF-8 too, with a zero after each letter."""
    (tmp_path / "x.txt").write_bytes(number_text(400).encode("utf-16-le"))
    found = load_text(path=str(tmp_path / "x.txt"), sequence_length=16)
    zeros = len(number_text(400))
    assert f"warning: {zeros:,} bytes are 0" in found.account


def test_generated_folders_are_left_out_and_counted(tmp_path):
    """A page and its copy by Sphinx would be in both sets."""
    (tmp_path / "_build").mkdir()
    for name in ("page.md", "_build/page.md"):
        (tmp_path / name).write_text(number_text(400))
    found = load_text(path=str(tmp_path), sequence_length=16)
    assert len(found.train) + len(found.test) == 200
    assert "1 files in folders that begin with _" in found.account
