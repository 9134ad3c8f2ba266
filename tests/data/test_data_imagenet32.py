import zipfile

import numpy as np
import pytest

from gradlog.data import imagenet32
from gradlog.data.dataset import DataError
from gradlog.data.imagenet32 import COUNTS, MEMBERS, ZIPS, load_from_npz, load_imagenet32

SMALL = {"train": 30, "test": 5}


def _arrays(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(1, 1001, count)


def _write_npz(folder, split, per_file):
    """The official format: `data` (N, 3072), red plane first; `labels` from 1 to 1000."""
    for number, member in enumerate(MEMBERS[split]):
        images, labels = _arrays(per_file, seed=number + 100 * (split == "test"))
        data = images.transpose(0, 3, 1, 2).reshape(per_file, 3072)
        np.savez(folder / member, data=data, labels=labels, mean=data.mean(axis=0))


def _zip(source, target, prefix=""):
    with zipfile.ZipFile(target, "w") as zipped:
        for file in sorted(source.glob("*.npz")):
            zipped.write(file, prefix + file.name)


@pytest.fixture
def npz_folder(tmp_path):
    folder = tmp_path / "npz"
    folder.mkdir()
    _write_npz(folder, "train", 3)
    _write_npz(folder, "test", 5)
    return folder


def _expected(split, per_file):
    parts = [_arrays(per_file, n + 100 * (split == "test")) for n in range(len(MEMBERS[split]))]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _assert_is_the_small_one(found):
    for source, split, per_file in ((found.train, "train", 3), (found.test, "test", 5)):
        images, _ = _expected(split, per_file)
        assert len(source) == len(images)
        np.testing.assert_array_equal(source[np.arange(len(images))], images)
    assert (found.name, found.shape, found.levels) == ("imagenet32", (32, 32, 3), 256)
    assert found.num_classes == 1000


def test_npz_files_are_read(tmp_path, npz_folder):
    found = load_from_npz(tmp_path / "root", str(npz_folder), SMALL, read_labels=True)
    _assert_is_the_small_one(found)
    np.testing.assert_array_equal(found.train_labels, _expected("train", 3)[1] - 1)
    np.testing.assert_array_equal(found.test_labels, _expected("test", 5)[1] - 1)
    without = load_from_npz(tmp_path / "root", "", SMALL)
    assert without.train_labels is None
    assert without.fingerprint == found.fingerprint


@pytest.mark.parametrize("prefix", ["", "Imagenet32_train/"])
def test_zip_files_in_the_downloads_folder_are_read(tmp_path, prefix):
    place = tmp_path / "root" / "downloads"
    place.mkdir(parents=True)
    for split, per_file in (("train", 3), ("test", 5)):
        folder = tmp_path / split
        folder.mkdir()
        _write_npz(folder, split, per_file)
        _zip(folder, place / ZIPS[split], prefix)
    _assert_is_the_small_one(load_from_npz(tmp_path / "root", "", SMALL))


def test_images_are_read_at_random(tmp_path, npz_folder):
    found = load_from_npz(tmp_path / "root", str(npz_folder), SMALL)
    indices = np.array([17, 3, 3, 29])
    np.testing.assert_array_equal(found.train[indices], _expected("train", 3)[0][indices])
    assert found.train[np.arange(0)].shape == (0, 32, 32, 3)
    with pytest.raises(DataError, match="cannot be read"):
        found.train[np.array([30])]


def test_other_counts_than_the_official_ones_are_refused(tmp_path, npz_folder):
    assert COUNTS == {"train": 1_281_167, "test": 50_000}
    with pytest.raises(DataError, match="hold 30 images, expected 1281167"):
        load_imagenet32(data_dir=str(tmp_path / "root"), path=str(npz_folder))
    assert not list((tmp_path / "root").rglob("*array_record*"))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        DataError, match=r"Imagenet32_train_npz\.zip is missing.*config\.data\.path"
    ):
        load_imagenet32(data_dir=str(tmp_path))
    (tmp_path / ZIPS["train"]).write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"Imagenet32_train_npz\.zip is not the official zip"):
        load_imagenet32(data_dir=str(tmp_path), path=str(tmp_path))
    with zipfile.ZipFile(tmp_path / ZIPS["train"], "w") as zipped:
        zipped.writestr("train_data_batch_1.npz", b"")
    with pytest.raises(DataError, match="not the official zip"):
        load_imagenet32(data_dir=str(tmp_path), path=str(tmp_path))


def _damage(folder, **arrays):
    good = dict(np.load(folder / "val_data.npz"))
    np.savez(folder / "val_data.npz", **{k: v for k, v in (good | arrays).items() if v is not None})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.arange(5)}, "labels must be 1 to 1000"),
        ({"labels": np.full(5, 1001)}, "labels must be 1 to 1000"),
        ({"labels": np.ones(4, int)}, r"labels are int64 \(4,\), expected whole numbers \(5,\)"),
        ({"labels": np.ones((5, 2), int)}, r"labels are int64 \(5, 2\)"),
        ({"labels": np.ones(5)}, "labels are float64"),
        ({"data": np.zeros((5, 3072), np.int64)}, "data is int64"),
        ({"data": None}, "not an ImageNet32 npz file"),
        ({"data": np.array([{}] * 5, object)}, "holds pickled objects"),
        ({"data": np.uint8(3)}, r"data is uint8 \(\)"),
    ],
)
def test_damaged_npz_files_are_refused(tmp_path, npz_folder, arrays, message):
    _damage(npz_folder, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_from_npz(tmp_path / "root", str(npz_folder), SMALL)
    assert "val_data.npz" in str(caught.value)


def test_the_old_version_is_another_data_set(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(imagenet32, "load_tfds", lambda **arguments: calls.append(arguments))
    load_imagenet32(version="old", data_dir="/some")
    assert calls == [
        {
            "tfds_name": "downsampled_imagenet/32x32",
            "data_dir": "/some",
            "test_split": "validation",
        }
    ]
    with pytest.raises(DataError, match="'newer' is unknown; choose 'new' or 'old'"):
        load_imagenet32(version="newer")


def test_a_zip_file_is_unpacked_in_memory_only_if_it_fits(tmp_path, monkeypatch):
    place = tmp_path / "root" / "downloads"
    place.mkdir(parents=True)
    for split in MEMBERS:
        with zipfile.ZipFile(place / ZIPS[split], "w", zipfile.ZIP_DEFLATED) as archive:
            for member in MEMBERS[split]:
                archive.writestr(f"../{member}", b"\0" * 10**6)
    with pytest.raises(DataError, match=r"neither an \.npy nor an \.npz file"):
        load_from_npz(tmp_path / "root", "", SMALL)
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: 10**5)
    with pytest.raises(DataError, match=r"train_data_batch_1.npz\) would take 0.001 GB"):
        load_from_npz(tmp_path / "root", "", SMALL)
    assert not list(tmp_path.rglob("*batch*"))
