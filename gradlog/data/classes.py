"""The classes of a user's data: which there are, what they are called, what the model calls them.

A model counts its classes from 0. Users have labels: names, or numbers that begin at 1 or have
gaps. The classes are those labels that occur, in their order, and they keep their names.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from gradlog.data.dataset import DataError, Dataset
from gradlog.terminal import printable

_MOST_SHOWN = 10  # classes in one line
_LONGEST_NUMBER = 20  # digits; longer names are no numbers


class IndexedLabels(NamedTuple):
    """The attributes of a `Dataset` that are about classes."""

    num_classes: int
    classes: dict[str, int] | None
    train_labels: Int[np.ndarray, " n"]
    test_labels: Int[np.ndarray, " m"]


def index_labels(
    name: str,
    train: Shaped[np.ndarray, " n"],
    test: Shaped[np.ndarray, " m"],
    *,
    names: Sequence[str] | None = None,
) -> IndexedLabels:
    """Number the classes of labels from 0.

    Args:
      name: of the data, for messages.
      train: labels of the training examples: whole numbers, or texts.
      test: labels of the test examples, likewise.
      names: of all classes, if the labels are numbers of these names; else the classes are the
        labels that occur.

    Raises:
      DataError: one set has numbers and the other one texts, or there is no such name.
    """
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise DataError(f"{name}: labels are numbers in one set and texts in the other")
    labels = np.concatenate([train, test])
    if names is None:
        values, labels = np.unique(labels, return_inverse=True)
        names = [str(value) for value in values.tolist()]
    elif len(wrong := np.flatnonzero((labels < 0) | (labels >= len(names)))):
        raise DataError(
            f"{name}: {len(wrong)} examples have labels outside of 0 .. {len(names) - 1}, such as "
            f"{labels[wrong[0]]}: take splits whose examples all have a class"
        )
    shown = [printable(each) for each in names]
    if len(set(shown)) < len(shown):
        shown = [f"{each} #{number}" for number, each in enumerate(shown)]
    counts = np.bincount(labels[: len(train)], minlength=len(names)).tolist()
    classes = dict(zip(shown, counts, strict=True))
    is_plain = all(counts) and shown == [str(number) for number in range(len(shown))]
    labels = labels.astype(np.int64)
    known = None if is_plain else classes
    return IndexedLabels(len(shown), known, labels[: len(train)], labels[len(train) :])


def describe_classes(found: IndexedLabels | None) -> str:
    """Return the classes with their training examples, and what is missing among them.

    The text is empty if there are none, or if they are 0, 1, ... and all have examples.
    """
    classes = found.classes if found else None
    if not classes:
        return ""
    listed = _list(f"{name} ({count})" for name, count in classes.items())
    text = f"{len(classes)} classes (training examples): {listed}"
    if all(name.isdecimal() and len(name) < _LONGEST_NUMBER for name in classes):
        numbers = sorted(map(int, classes))
        gaps = numbers[-1] - numbers[0] + 1 - len(set(numbers))
        if gaps:
            first = next(a + 1 for a, b in pairwise(numbers) if b > a + 1)
            text += f"; {gaps} numbers between them are the label of no example, such as {first}"
    if unseen := [name for name, count in classes.items() if not count]:
        text += (
            f"; {_list(unseen)} occur in the test set alone, and config.sampling.classes = 'all' "
            "leaves them out"
        )
    return text


def names_of_classes(dataset: Dataset, count: int) -> list[str]:
    """Return the names of so many classes; by default these are their numbers, 0, 1, ..."""
    return list(dataset.classes or map(str, range(count)))


def find_classes(wanted: Iterable[str], names: Sequence[str]) -> list[int]:
    """Return the numbers of the classes of these names.

    Classes can also be named by their numbers from 0, unless their names are numbers.

    Raises:
      DataError: there is no such class.
    """
    places = {name: number for number, name in enumerate(names)}
    if not any(name.isdecimal() for name in names):
        places = {str(number): number for number in range(len(names))} | places
    wanted = list(wanted)
    if missing := [name for name in wanted if name not in places]:
        raise DataError(f"there is no class {missing[0]!r}; the classes are {_list(names)}")
    return [places[name] for name in wanted]


def _list(names: Iterable[str]) -> str:
    """Return names in one line; of many the first ones and the number of the others."""
    names = list(names)
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
