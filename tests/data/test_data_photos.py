import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from gradlog.data import photos
from gradlog.data.dataset import DataError
from gradlog.data.photos import load_photos


@pytest.mark.parametrize(("size", "num_test"), [(0, 384), (16, 384), (32, 96)])
def test_sizes_and_types(size, num_test):
    found = load_photos(image_size=size)
    side = size or 16
    assert found.shape == (side, side, 3)
    assert found.train.shape == (4000, side, side, 3)
    assert found.test.shape == (num_test, side, side, 3)
    assert found.train.dtype == found.test.dtype == np.uint8
    assert (found.levels, found.train_labels, found.num_classes) == (256, None, None)


@pytest.mark.parametrize("size", [16, 32])
def test_training_and_test_patches_share_no_pixel(size, monkeypatch):
    """Replace every pixel by its number, so that the patches show which pixels they contain."""
    count = 2 * 427 * 640
    numbers = np.arange(count, dtype=np.int64).reshape(2, 427, 640, 1)
    monkeypatch.setattr(photos, "_photographs", lambda: numbers)
    found = load_photos(image_size=size)
    train = np.unique(found.train[np.arange(4000)])
    test = found.test[np.arange(len(found.test))].ravel()
    assert len(np.intersect1d(train, test)) == 0
    assert len(np.unique(test)) == len(test)  # test patches do not overlap
    # Both photographs, all around: the sets are not just two corners.
    assert all(np.isin([0, 1], np.unique(part // (427 * 640))).all() for part in (train, test))
    assert len(train) > 0.4 * count
    assert len(test) > 0.17 * count


def test_patches_are_cut_from_the_photographs():
    found = load_photos(image_size=16, num_train=3, num_test=3)
    pictures = np.stack(load_sample_images().images)
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (16, 16), axis=(1, 2))
    corners = np.moveaxis(windows, 3, 5)[..., 0, 0, :]
    for patch in np.concatenate([found.train, found.test]):
        candidates = np.argwhere((corners == patch[0, 0]).all(-1))
        cuts = (pictures[p, i : i + 16, j : j + 16] for p, i, j in candidates)
        assert any(np.array_equal(cut, patch) for cut in cuts)


def test_the_seed_determines_the_patches():
    first = load_photos(num_train=50, num_test=20)
    assert first.train.shape[0] == 50
    assert first.test.shape[0] == 20
    assert first.fingerprint == load_photos(num_train=50, num_test=20).fingerprint
    other = load_photos(num_train=50, num_test=20, seed=1)
    assert not np.array_equal(first.train, other.train)
    assert len(np.unique(first.train.reshape(50, -1), axis=0)) > 45


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 8}, "image_size = 8"),
        ({"num_test": 385}, "num_test = 385: there are 1 to 384"),
        ({"num_train": 10**7}, "num_train = 10000000"),
        ({"num_train": -1}, "num_train = -1"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        load_photos(**arguments)
