"""scikit-learn's handwritten digits: real, tiny, and without a download."""

import numpy as np

from gradlog.data.dataset import Dataset, permutation
from gradlog.data.prepare import Splits, data_root, prepare
from gradlog.data.records import load_records

NUM_TRAIN = 1_500
SPLIT_SEED = 0


def load_digits(*, data_dir: str = "") -> Dataset:
    """Load 1,797 images (8, 8, 1) with 17 levels (0..16) and labels 0..9.

    The split is fixed. With `order = permutation(1797, seed=0)` of ``data.dataset``, the first
    1,500 images of that order are for training and the last 297 for testing. (The original order
    groups the writers.)

    The images are written once as tensorflow-datasets records to data_dir/digits/1.0.0, and then
    read from there. Source: UCI "Optical Recognition of Handwritten Digits", test part, from
    scikit-learn.

    Raises:
      DataError: the records can be neither written nor read.
    """
    folder = prepare("digits", data_root(data_dir), _make_splits, shape=(8, 8, 1), num_classes=10)
    return load_records("digits", folder, levels=17, num_classes=10)


def _make_splits() -> Splits:
    from sklearn.datasets import load_digits as load_from_sklearn

    images, labels = load_from_sklearn(return_X_y=True)
    images = images.astype(np.uint8).reshape(-1, 8, 8, 1)
    order = permutation(len(images), SPLIT_SEED)
    parts = {"train": order[:NUM_TRAIN], "test": order[NUM_TRAIN:]}
    return {
        name: lambda part=part: zip(images[part], labels[part], strict=True)
        for name, part in parts.items()
    }
