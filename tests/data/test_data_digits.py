import concurrent.futures
import fcntl
import multiprocessing
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits as load_from_sklearn

from gradlog.data import digits as digits_module, prepare as prepare_module
from gradlog.data.dataset import DataError, permutation
from gradlog.data.digits import load_digits
from gradlog.data.prepare import data_root, is_complete


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits")
    return root, load_digits(data_dir=str(root))


@pytest.fixture
def copied(prepared, tmp_path):
    shutil.copytree(prepared[0] / "digits", tmp_path / "digits")
    return tmp_path


def test_the_images_are_scikit_learns_in_the_stated_split(prepared):
    _, digits = prepared
    images, labels = load_from_sklearn(return_X_y=True)
    order = permutation(1797, 0)
    assert (digits.name, digits.shape, digits.levels) == ("digits", (8, 8, 1), 17)
    assert (digits.train.shape, digits.test.shape) == ((1500, 8, 8, 1), (297, 8, 8, 1))
    assert digits.train.dtype == digits.test.dtype == np.uint8
    np.testing.assert_array_equal(
        np.concatenate([digits.train, digits.test])[..., 0], images[order].reshape(-1, 8, 8)
    )
    found = np.concatenate([digits.train_labels, digits.test_labels])
    np.testing.assert_array_equal(found, labels[order])
    assert digits.num_classes == 10
    assert (digits.train.min(), digits.train.max()) == (0, 16)
    # The permutation mixes the writers: every class is in the test set about equally.
    assert np.bincount(digits.test_labels).min() >= 20


def test_the_fingerprint_is_pinned(prepared):
    # Workdirs of version 0.1 are identified by it.
    assert prepared[1].fingerprint == "66fd4e058e8d12b4"


def test_records_are_written_once_and_then_read(prepared, monkeypatch):
    root, digits = prepared

    def fail(*args):
        raise AssertionError("written twice")

    monkeypatch.setattr(prepare_module, "_write", fail)
    again = load_digits(data_dir=str(root))
    np.testing.assert_array_equal(again.train, digits.train)
    assert again.fingerprint == digits.fingerprint
    assert [p.name for p in (root / "digits").iterdir() if p.is_dir()] == ["1.0.0"]
    assert list(root.rglob("*.array_record-*"))


@pytest.mark.parametrize("damage", ["missing", "truncated", "no sizes", "empty folder"])
def test_a_damaged_folder_is_written_again(copied, prepared, damage):
    folder = copied / "digits" / "1.0.0"
    shard = next(folder.glob("*train*"))
    if damage == "missing":
        shard.unlink()
    elif damage == "truncated":
        shard.write_bytes(shard.read_bytes()[:-1000])
    elif damage == "no sizes":
        (folder / prepare_module.SIZES_FILE).unlink()
    else:
        shutil.rmtree(folder)
        folder.mkdir()
    assert not is_complete(folder)
    assert load_digits(data_dir=str(copied)).fingerprint == prepared[1].fingerprint
    assert is_complete(folder)


def test_a_flipped_bit_is_an_error(copied):
    shard = next((copied / "digits" / "1.0.0").glob("*train*"))
    content = bytearray(shard.read_bytes())
    place = next(i for i in range(200_000, len(content)) if content[i])
    content[place] ^= 16
    shard.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_digits(data_dir=str(copied))


def _interrupted():
    yield np.zeros((8, 8, 1), np.uint8), 0
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_no_records(tmp_path, monkeypatch, prepared):
    with monkeypatch.context() as patch:
        patch.setattr(digits_module, "_make_splits", lambda: {"train": _interrupted})
        with pytest.raises(KeyboardInterrupt):
            load_digits(data_dir=str(tmp_path))
    assert [p.name for p in (tmp_path / "digits").iterdir()] == [".lock"]
    left = tmp_path / "digits" / ".preparing-killed" / "digits"
    left.mkdir(parents=True)
    assert load_digits(data_dir=str(tmp_path)).fingerprint == prepared[1].fingerprint
    assert not left.exists()


def _fingerprint(root):
    return load_digits(data_dir=root).fingerprint


def test_two_processes_may_prepare_at_once(tmp_path, prepared):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        found = list(pool.map(_fingerprint, [str(tmp_path)] * 4))
    assert found == [prepared[1].fingerprint] * 4
    assert sorted(p.name for p in (tmp_path / "digits").iterdir()) == [".lock", "1.0.0"]


def test_a_second_process_waits_for_the_first(tmp_path, prepared):
    (tmp_path / "digits").mkdir()
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        (tmp_path / "digits" / ".lock").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the first one does
        waiting = pool.submit(_fingerprint, str(tmp_path))
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(timeout=1.0)
        assert not list(tmp_path.rglob("*array_record*"))
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert waiting.result(timeout=20.0) == prepared[1].fingerprint


def test_nothing_is_printed(tmp_path, capfd):
    load_digits(data_dir=str(tmp_path))
    assert capfd.readouterr() == ("", "")


def test_an_unusable_data_dir_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot prepare .*set config\.data\.data_dir") as caught:
        load_digits(data_dir=str(tmp_path / "file"))
    assert "\n" not in str(caught.value)


def test_the_default_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root("") == tmp_path / ".cache" / "gradlog"
    assert data_root("~/x") == tmp_path / "x"


def test_a_folder_whose_name_has_no_encoding_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"config\.data\.data_dir"):
        load_digits(data_dir=f"{tmp_path}/\udcff")
