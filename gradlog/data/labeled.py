"""Examples together with their classes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from gradlog.data.dataset import DataError, Dataset, Source


class Labeled(NamedTuple):
    """Examples with their classes, or one example with its own."""

    x: Any
    label: Any


@dataclass(frozen=True)
class LabeledSource:
    """A source whose examples come with their classes, as `Labeled`."""

    source: Source
    labels: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: Int[np.ndarray, " n"], /) -> Any:
        return Labeled(self.source[indices], self.labels[indices].astype(np.int32))


def split_label(datum):
    """``(x, label)`` of an example with or without its class; the label is None without."""
    return datum if isinstance(datum, Labeled) else (datum, None)


def labeled_train(dataset: Dataset) -> LabeledSource:
    """The training examples with their classes.

    Raises:
      DataError: the data have none.
    """
    return LabeledSource(dataset.train, _labels(dataset, dataset.train_labels))


def labeled_test(dataset: Dataset) -> LabeledSource:
    """The test examples with their classes.

    Raises:
      DataError: the data have none.
    """
    return LabeledSource(dataset.test, _labels(dataset, dataset.test_labels))


def class_frequencies(dataset: Dataset) -> np.ndarray:
    """How often each class is found among the training examples, as a share of them.

    Raises:
      DataError: the data have no classes.
    """
    labels = _labels(dataset, dataset.train_labels)
    return np.bincount(labels, minlength=dataset.num_classes or 0) / len(labels)


def _labels(dataset: Dataset, labels: np.ndarray | None) -> np.ndarray:
    if labels is None or dataset.num_classes is None:
        raise DataError(
            f"{dataset.name} has no labels; where the data have them to be read, say "
            "config.data.read_labels = True, or choose data with classes, such as 'digits'"
        )
    return labels
