import json

import numpy as np
import pytest

from gradlog.storage import read_sealed, write_npz, write_sealed

CONTENTS = {"mean": np.float64(0.1), "error": float("nan"), "account": [{"term": "σ", "n": 3}]}
_DAMAGED = "."  # JSON has words of its own for what is none
READ = {"mean": 0.1, "error": None, "account": [{"term": "σ", "n": 3}]}


@pytest.fixture
def path(tmp_path):
    write_npz(tmp_path / "per_image.npz", {"x": np.arange(3)})
    write_sealed(tmp_path / "result.json", CONTENTS, ["per_image.npz"])
    return tmp_path / "result.json"


def test_what_was_written_is_read(path):
    assert read_sealed(path) == READ
    assert json.loads(path.read_text()).items() >= READ.items()


def test_no_bit_can_be_another(path):
    whole = path.read_bytes()
    for index in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[index // 8] ^= 1 << index % 8
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=_DAMAGED) as caught:
            read_sealed(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    assert read_sealed(path) == READ


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3", "null", "\x00", "[" * 100_000),
        *('{"mean": 1}', '{"sha256": 1}', '{"files": {}, "mean": 0.1}'),
        *('{"sha256": "", "files": []}', '{"sha256": "", "files": {"a": NaN}}'),
    ],
)
def test_whatever_else_is_in_the_file_is_one_line(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match=_DAMAGED) as caught:
        read_sealed(path)
    assert "\n" not in str(caught.value)


def test_a_file_beside_it_must_be_as_it_was(path):
    beside = path.with_name("per_image.npz")
    write_npz(beside, {"x": np.arange(1, 4)})
    with pytest.raises(ValueError, match=r"per_image\.npz is not as it was written"):
        read_sealed(path)
    beside.unlink()
    with pytest.raises(FileNotFoundError):
        read_sealed(path)


def test_the_same_is_not_written_again(path):
    before = path.stat()
    write_sealed(path, CONTENTS, ["per_image.npz"])
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    write_sealed(path, CONTENTS)
    assert path.stat().st_ino != before.st_ino
