"""scikit-learn's handwritten digits: real, tiny, and there without a download."""

import numpy as np

from gradlog.data.dataset import Dataset, from_arrays, permutation
from gradlog.data.prepare import data_root, prepare
from gradlog.data.records import read_all

NUM_TRAIN = 1_500
SPLIT_SEED = 0


def load_digits(*, data_dir: str = "") -> Dataset:
    """1,797 images (8, 8, 1) with 17 levels (0..16) and labels 0..9.

    The split is fixed: with `order = permutation(1797, seed=0)` of `data.dataset`, the first
    1,500 of that order train and the last 297 test. (The original order groups the writers.)

    Written once as tensorflow-datasets records to data_dir/digits/1.0.0, then read from there.
    Source: UCI "Optical Recognition of Handwritten Digits", test part, in scikit-learn.

    Args:
      data_dir: '' means ~/.cache/gradlog.

    Raises:
      DataError: the records can neither be written nor read.
    """
    folder = prepare("Digits", data_root(data_dir), _make_splits)
    train, train_labels = read_all(folder, "train")
    test, test_labels = read_all(folder, "test")
    return from_arrays(
        "digits",
        train,
        test,
        levels=17,
        num_classes=10,
        train_labels=train_labels,
        test_labels=test_labels,
    )


def _make_splits():
    from sklearn.datasets import load_digits as load_from_sklearn

    images, labels = load_from_sklearn(return_X_y=True)
    images = images.astype(np.uint8).reshape(-1, 8, 8, 1)
    order = permutation(len(images), SPLIT_SEED)
    parts = {"train": order[:NUM_TRAIN], "test": order[NUM_TRAIN:]}
    return {
        name: lambda part=part: zip(images[part], labels[part], strict=True)
        for name, part in parts.items()
    }
