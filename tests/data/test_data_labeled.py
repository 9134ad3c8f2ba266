"""Examples are returned together with their labels."""

import numpy as np
import pytest

from gradlog.data import (
    BatchStream,
    DataError,
    Labeled,
    class_frequencies,
    labeled_test,
    labeled_train,
)
from gradlog.data.dataset import from_arrays
from gradlog.data.labeled import split_label

X = np.arange(10, dtype=np.uint8).reshape(5, 2)
LABELS = np.array([2, 0, 2, 2, 1])
DATA = from_arrays(
    "five", X, X[:3], levels=16, num_classes=4, train_labels=LABELS, test_labels=LABELS[:3]
)
UNLABELED = from_arrays("unlabeled", X, X, levels=16)


def test_labels_belong_to_their_examples():
    source = labeled_train(DATA)
    assert len(source) == 5
    x, labels = source[np.array([3, 1])]
    np.testing.assert_array_equal(x, X[[3, 1]])
    assert labels.tolist() == [2, 0]
    assert labels.dtype == np.int32
    assert labeled_test(DATA)[np.arange(3)].label.tolist() == [2, 0, 2]


def test_a_stream_returns_the_same_examples_with_and_without_labels():
    for step in range(4):
        x, labels = BatchStream(labeled_train(DATA), 3, seed=1)[step]
        np.testing.assert_array_equal(x, BatchStream(X, 3, seed=1)[step])
        np.testing.assert_array_equal(labels, LABELS[x[:, 0] // 2])


def test_class_frequencies_are_those_of_the_training_set():
    np.testing.assert_allclose(class_frequencies(DATA), [0.2, 0.2, 0.6, 0.0])


def test_split_label_accepts_examples_with_and_without_a_label():
    x, label = split_label(X[0])
    assert (x.tolist(), label) == ([0, 1], None)
    x, label = split_label(Labeled(X[0], LABELS[0]))
    assert (x.tolist(), label) == ([0, 1], 2)


@pytest.mark.parametrize("wanted", [labeled_train, labeled_test, class_frequencies])
def test_data_without_labels_are_refused(wanted):
    with pytest.raises(DataError, match=r"unlabeled .*config\.data\.read_labels"):
        wanted(UNLABELED)
