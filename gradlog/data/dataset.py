"""The type that every loader returns, and the functions that all loaders share."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Int, Shaped

from gradlog.config_error import UserError

if TYPE_CHECKING:
    from gradlog.distributions import Distribution

BITS_PER_DIM = "bits/dim"
UNKNOWN = "unknown"  # the fingerprint of data that have not been read


class DataError(UserError, ValueError):
    """A mistake in the user's data or in ``config.data``, in one line that says what to do."""


class Source(Protocol):
    """Random access to examples. A NumPy array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Int[np.ndarray, " n"], /) -> Shaped[np.ndarray, "n *shape"]: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples, and the facts about them that a likelihood depends on.

    Attributes:
      name: the key in ``DATASETS``, or the name of the file, folder or builder behind it.
      train: examples, as integer levels 0..levels-1 (uint8 or uint16) or continuous float32.
      test: examples of the same type and shape.
      shape: shape of one example, (H, W, C) for images and (d,) for vectors.
      levels: number of quantization levels; None for continuous data.
      fingerprint: 16 hexadecimal digits that change with the contents, the shape, the levels or
        the labels. See `fingerprint_of_arrays`, and ``data.records`` for large record files.
        UNKNOWN for data that are not available: see ``data.dataset_spec``.
      num_classes: labels are 0..num_classes-1; None without labels.
      classes: the names of the classes, each with its number of training examples; None if the
        names are these numbers and every class has examples. See ``data.classes``.
      train_labels: int64 (len(train),), or None.
      test_labels: int64 (len(test),), or None.
      law: the distribution that the examples were drawn from, if it is known.
      account: one line about files of a user's own: what was read, left out, changed or guessed.
      alphabet: the characters that the levels of a text stand for; one more level stands for all
        others. None for bytes, and for all that is no text.
      unit: what bits for each dimension are called.
    """

    name: str
    train: Source
    test: Source
    shape: tuple[int, ...]
    levels: int | None
    fingerprint: str
    num_classes: int | None = None
    classes: dict[str, int] | None = None
    train_labels: Int[np.ndarray, " n"] | None = None
    test_labels: Int[np.ndarray, " n"] | None = None
    law: "Distribution | None" = None
    account: str = ""
    alphabet: str | None = None
    unit: str = BITS_PER_DIM


def from_arrays(
    name: str,
    train: Shaped[np.ndarray, "n *shape"],
    test: Shaped[np.ndarray, "m *shape"],
    *,
    levels: int | None,
    num_classes: int | None = None,
    classes: dict[str, int] | None = None,
    train_labels: np.ndarray | None = None,
    test_labels: np.ndarray | None = None,
    account: str = "",
    alphabet: str | None = None,
    unit: str = BITS_PER_DIM,
) -> Dataset:
    """Return a data set in memory, with a fingerprint of all its contents.

    Raises:
      DataError: a set is empty, or the two sets differ in shape or type.
    """
    for split, array in (("training", train), ("test", test)):
        if len(array) == 0:
            raise DataError(f"{name}: the {split} set is empty; at least one example is needed")
    if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
        raise DataError(
            f"{name}: training examples are {train.dtype} {train.shape[1:]} and test examples "
            f"{test.dtype} {test.shape[1:]}; both sets need one type and one shape"
        )
    labels = (train_labels, test_labels, *encode_names(classes))
    return Dataset(
        name=name,
        train=train,
        test=test,
        shape=train.shape[1:],
        levels=levels,
        fingerprint=fingerprint_of_arrays(levels, train, test, *labels),
        alphabet=alphabet,
        unit=unit,
        num_classes=num_classes,
        classes=classes,
        train_labels=train_labels,
        test_labels=test_labels,
        account=account,
    )


def encode_names(classes: dict[str, int] | None) -> list[np.ndarray]:
    """Return the names of classes for a fingerprint; [] if they are numbers from 0."""
    names = list(classes or ())
    if names == [str(number) for number in range(len(names))]:
        return []
    return [np.frombuffer("\n".join(names).encode(), np.uint8)]


def fingerprint_of_arrays(levels: int | None, *arrays: np.ndarray | None) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the levels and of all arrays.

    Each array counts with its type, its shape and its bytes. The byte order does not matter.
    """
    digest = hashlib.sha256(f"levels {levels}".encode())
    for array in arrays:
        if array is None:
            digest.update(b"|none")
            continue
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"|{little_endian.dtype.str} {array.shape}|".encode())
        digest.update(little_endian.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def permutation(length: int, seed: int, *address: int) -> Int[np.ndarray, " length"]:
    """Return a permutation of 0..length-1 that depends on the arguments alone.

    Each `address` selects one of many independent permutations under the same seed. The
    permutation sorts raw Philox words, because NumPy guarantees their values between releases.
    It does not guarantee those of `Generator.permutation`, and another order would break resumed
    runs and fixed splits.

    Raises:
      DataError: the seed is negative.
    """
    if seed < 0:
        raise DataError(f"seed = {seed} is negative; choose 0 or more")
    words = np.random.Philox(np.random.SeedSequence(seed, spawn_key=address)).random_raw(length)
    return np.argsort(words, kind="stable")


def describe_overlap(train: np.ndarray, test: np.ndarray) -> str:
    """Return a warning if test examples are also training examples; '' if none is."""
    seen = {hash(row.tobytes()) for row in train}
    both = sum(hash(row.tobytes()) in seen for row in test)
    if not both:
        return ""
    return f"warning: {both:,} of {len(test):,} test examples are also training examples"


def split_indices(
    length: int, *, test_fraction: float, seed: int
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Return the indices of the training and of the test examples of a fixed random split.

    Both are ascending. The test set has `round(test_fraction * length)` examples, and each set
    has at least one.

    Raises:
      DataError: fewer than two examples, or a fraction outside (0, 1).
    """
    if not 0.0 < test_fraction < 1.0:
        raise DataError(f"config.data.test_fraction = {test_fraction} must lie between 0 and 1")
    if length < 2:
        raise DataError(f"{length} example(s) cannot be split into a training and a test set")
    num_test = min(max(round(test_fraction * length), 1), length - 1)
    order = permutation(length, seed, 0, 0)
    return np.sort(order[num_test:]), np.sort(order[:num_test])
