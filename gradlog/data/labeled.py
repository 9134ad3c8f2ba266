"""Examples together with their class labels."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gradlog.data.dataset import DataError, Dataset, Source


class Labeled(NamedTuple):
    """Examples with their labels, or one example with its label."""

    x: Any
    label: Any


@dataclass(frozen=True)
class LabeledSource:
    """A source that returns its examples with their labels, as `Labeled`."""

    source: Source
    labels: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: Int[np.ndarray, " n"], /) -> Any:
        return Labeled(self.source[indices], self.labels[indices].astype(np.int32))


def split_label(datum):
    """Return ``(x, label)`` of an example; the label is None if the example has none."""
    return datum if isinstance(datum, Labeled) else (datum, None)


def labeled_train(dataset: Dataset) -> LabeledSource:
    """Return the training examples with their labels.

    Raises:
      DataError: the data have no labels.
    """
    return LabeledSource(dataset.train, _require(dataset, dataset.train_labels))


def labeled_test(dataset: Dataset) -> LabeledSource:
    """Return the test examples with their labels.

    Raises:
      DataError: the data have no labels.
    """
    return LabeledSource(dataset.test, _require(dataset, dataset.test_labels))


def class_frequencies(dataset: Dataset) -> Float[np.ndarray, " num_classes"]:
    """Return the share of each class among the training examples.

    Raises:
      DataError: the data have no labels.
    """
    labels = _require(dataset, dataset.train_labels)
    return np.bincount(labels, minlength=dataset.num_classes or 0) / len(labels)


def explain_missing_labels(dataset: Dataset) -> str:
    """Return a sentence that says how to get labels, for an error message."""
    return (
        f"{dataset.name} has no labels: if there are any, set config.data.read_labels = True "
        "(config.data.name = 'files', 'folder', 'tfds' or 'imagenet32'); 'digits' and 'cifar10' "
        "always have them"
    )


def _require(dataset: Dataset, labels: np.ndarray | None) -> np.ndarray:
    if labels is None or dataset.num_classes is None:
        raise DataError(explain_missing_labels(dataset))
    return labels
