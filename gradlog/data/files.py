"""The user's own arrays, from .npy and .npz files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from gradlog.data.array_files import Arrays, check_fits, open_arrays
from gradlog.data.classes import describe_classes, index_labels
from gradlog.data.continuous import check_density
from gradlog.data.dataset import (
    DataError,
    Dataset,
    describe_overlap,
    from_arrays,
    split_indices,
)
from gradlog.data.sets import (
    TEST,
    TRAIN,
    VALIDATION,
    choose_sets,
    list_names,
    role_of,
    roles_in,
    words_of_sets,
)

EXAMPLE_NAMES = ("images", "x")
SPLIT_WORDS = ("split", "fold", "partition", "subset", "istrain", "istest")
LABEL_NAMES = ("labels", "label", "y", "target")
LARGEST_LABEL = 2**63 - 1
AXES = ("NHWC", "NCHW")
MAX_CHANNELS = 4  # of images, for what is not said: gray, color, and either with transparency
MAX_LEVELS = 65_536
NOT_GIVEN = -1
UNLIKE = 8  # ratio of the standard deviations of two sets that can't have one scale


def load_files(
    *,
    path: str = "",
    test_path: str = "",
    levels: int = NOT_GIVEN,
    axes: str = "",
    test_fraction: float = 0.1,
    seed: int = 0,
    read_labels: bool = False,
) -> Dataset:
    """Load images (N, H, W, C) or (N, H, W), or vectors (N, d), from one file or two.

    Integer arrays hold levels 0..levels-1, and you must set `levels`: a likelihood in bits depends
    on it, and 8-bit files with fewer levels are common. Float arrays are continuous.

    An .npz file with arrays named 'train' and 'test', or 'x_train' and 'x_val', holds both sets;
    `data.sets` has all names that are known. Otherwise the array 'images' or 'x' is used, or the
    only array, or the only one of more than one dimension that is not named as labels. Labels are
    whole numbers or texts, in the array 'train_labels', 'y_train', 'labels', 'label', 'y' or
    'target' ('test_labels', 'y_test', ... of the test set), and the classes are those that occur.

    Raises:
      DataError: a missing, damaged or pickled file, an array of a wrong shape or type, levels that
        do not fit, or missing labels.
    """
    if not path:
        raise DataError("config.data.path is empty; set it to an .npy or .npz file")
    if axes not in ("", *AXES):
        raise DataError(f"config.data.axes = {axes!r} is unknown; choose one of {AXES}, or ''")
    sets = read_sets(path, test_path)
    train = check_examples(order_axes(sets.train, path, axes), path, levels)
    one_set = sets.test is None or bool(test_path)  # in the file, so that 'labels' is of it
    labels, read = [], set()
    if read_labels:
        name, found = _read_labels(path, "train", sets.train_name, len(train), one_set=one_set)
        labels, read = [found], {name}
    if sets.test is None:
        parts = split_indices(len(train), test_fraction=test_fraction, seed=seed)
        labels = [array[rows] for array in labels for rows in parts]
        train, test = [train[rows] for rows in parts]
        how = f"split at random{f', from array {sets.train_name!r}' * bool(sets.unread)}"
    else:
        test_path = test_path or path
        if (sets.train.dtype.kind == "f") != (sets.test.dtype.kind == "f"):
            raise DataError(
                f"the training set of {path} holds {sets.train.dtype} and the test set of "
                f"{test_path} {sets.test.dtype}: save both as integers, or both as floats"
            )
        test = check_examples(order_axes(sets.test, test_path, axes), test_path, levels)
        if read_labels:
            name, found = _read_labels(
                test_path, "test", sets.test_name, len(test), one_set=one_set
            )
            labels.append(found)
            read.add(name)
        how = "from two files"
        if test_path == path:
            how = f"from arrays {sets.train_name!r} and {sets.test_name!r}"
    name = Path(path).name
    classes = index_labels(name, *labels) if labels else None
    account = [_account(train, test, how, sets, read, levels), describe_classes(classes)]
    account += _warnings(train, test, levels)
    return from_arrays(
        name,
        train,
        test,
        levels=levels if levels > 0 else None,
        account="; ".join(filter(None, account)),
        **(classes._asdict() if classes else {}),
    )


def _account(
    train: np.ndarray,
    test: np.ndarray,
    how: str,
    sets: "ArraySets",
    labels: set[str],
    levels: int,
) -> str:
    """Say in one line what is read, how it is understood, and what is left out."""
    shape = train.shape[1:]
    what = f"points of {shape[0]:,} numbers"
    if len(shape) == 3:
        what = "images of height {:,}, width {:,} and {:,} channel(s)".format(*shape)
    parts = [f"{len(train):,} {what} for training and {len(test):,} for testing, {how}"]
    if levels > 0:
        largest = max(train.max(), test.max())
        parts.append(f"integers as {levels:,} levels, of which {largest:,} is the largest in use")
    stored = {array.dtype for array in (sets.train, sets.test) if array is not None}
    rounded = sorted(str(dtype) for dtype in stored if not np.can_cast(dtype, np.float32))
    if train.dtype == np.float32 and rounded:
        parts.append(f"{' and '.join(rounded)} numbers rounded to float32")
    unread = [name for name in sets.unread if name not in labels]
    if unread:
        parts.append(f"left out: {len(unread):,} array(s), {list_names(unread)}")
    return "; ".join(parts)


def _warnings(train: np.ndarray, test: np.ndarray, levels: int) -> list[str]:
    """Return sentences about data that are read, but hardly meant."""
    found = []
    if levels <= 0:
        for name, array in (("training", train), ("test", test)):
            try:
                check_density(array, f"warning: the {name} set")
            except DataError as error:
                found.append(str(error))
    spreads = [float(array.std(dtype=np.float64)) for array in (train, test)]
    if min(spreads) * UNLIKE < max(spreads) and len(test) > 1:
        found.append(
            f"warning: the standard deviation of the training set is {spreads[0]:.3g}, that of the "
            f"test set {spreads[1]:.3g}: save both in one scale"
        )
    return [*found, describe_overlap(train, test)]


@dataclass(frozen=True)
class ArraySets:
    """The training and the test array of one file or of two, as stored."""

    train: np.ndarray
    test: np.ndarray | None
    train_name: str
    test_name: str
    unread: list[str]


def read_sets(path: str, test_path: str) -> ArraySets:
    """Read the training and the test arrays as stored.

    Raises:
      DataError: a file cannot be read, or does not say which of its arrays to use.
    """
    with open_arrays(path) as arrays:
        unread, names = list(arrays), None
        if test_path:
            train_name = choose_array(arrays, path, (TRAIN,))
        elif names := _choose_pair(arrays, path):
            train_name, test_name = names
        else:
            train_name = choose_array(arrays, path, (TRAIN, TEST, VALIDATION))
        train = arrays[train_name]
        unread.remove(train_name)
        if names:
            unread.remove(test_name)
            return ArraySets(train, arrays[test_name], train_name, test_name, unread)
    if not test_path:
        return ArraySets(train, None, train_name, "", unread)
    with open_arrays(test_path) as arrays:
        test_name = choose_array(arrays, test_path, (TEST, VALIDATION))
        if test_name == train_name and os.path.samefile(path, test_path):
            raise DataError(
                f"config.data.test_path = {test_path} is the training set itself; leave it out to "
                "split the data, or name another file"
            )
        unread += [name for name in arrays if name != test_name]
        return ArraySets(train, arrays[test_name], train_name, test_name, unread)


def _choose_pair(arrays: Arrays, path: str) -> tuple[str, str] | None:
    """Return the names of the training and of the test array; None if there is one set.

    An array without a known name that looks like a set, beside one that has one, is refused.
    """
    shape_of = {name: arrays.shape(name) for name in arrays}
    rows = {shape[:1] for shape in shape_of.values() if len(shape) > 1}
    for name in arrays:
        split = any(word in SPLIT_WORDS for word in re.split(r"[^a-z]+", name.casefold()))
        beside = roles_in(name) and not role_of(name) and not _is_label(name)
        if shape_of[name] in rows and (split or beside):
            raise DataError(
                f"{path} holds {name!r}, which may say which examples are test data: save the two "
                "sets as two arrays 'train' and 'test', or leave it out to split at random"
            )
    known = dict.fromkeys(filter(role_of, arrays))
    shapes = {shape_of[name][1:] for name in known}
    unknown = [
        name
        for name in arrays
        if known and name not in known and not _is_label(name)
        if len(shape_of[name]) > 1 and shape_of[name][1:] in shapes
    ]
    sets = choose_sets(path, [*known, *unknown])
    return (sets.train, sets.test) if sets else None


def choose_array(arrays: Arrays, path: str, roles: tuple[str, ...]) -> str:
    """Return the name of the array that holds the examples, of one of these roles if there is."""
    for role in roles:
        if len(named := [name for name in arrays if role_of(name) == role]) == 1:
            return named[0]
    for name in EXAMPLE_NAMES:
        if len(named := [other for other in arrays if other.casefold() == name]) == 1:
            return named[0]
    if len(arrays) == 1:
        return next(iter(arrays))
    large = [name for name in arrays if not _is_label(name) and len(arrays.shape(name)) > 1]
    if len(large) == 1:
        return large[0]
    raise DataError(
        f"{path} holds the arrays {list_names(sorted(arrays))}; rename the one with the examples "
        f"to one of {(*roles, *EXAMPLE_NAMES)}"
    )


def _is_label(name: str) -> bool:
    return any(word in LABEL_NAMES for word in name.casefold().split("_"))


def _read_labels(
    path: str, split: str, examples: str, count: int, *, one_set: bool
) -> tuple[str, Shaped[np.ndarray, " n"]]:
    """Read one label for each of `count` examples, which the array `examples` holds.

    Returns:
      The name of their array, and whole numbers as int64, or texts. An array 'labels' belongs to
      the examples only if the file holds one set.
    """
    words = [*words_of_sets(examples), split]
    forms = ("{}_labels", "labels_{}", "{}_label", "label_{}", "y_{}", "{}_y")
    wanted = [form.format(word) for word in words for form in forms]
    wanted += LABEL_NAMES if one_set else ()
    with open_arrays(path) as arrays:
        by_small = {name.casefold(): name for name in arrays}
        name = next((by_small[name] for name in wanted if name in by_small), None)
        if name is None:
            raise DataError(
                f"config.data.read_labels = True, but {path} holds only the arrays "
                f"{list_names(sorted(arrays))}; save examples and labels in one .npz file, the "
                f"labels as one of {wanted}"
            )
        labels = arrays[name]
    where = f"{path}, array {name!r},"
    if labels.shape != (count, *[1] * (labels.ndim - 1)) or labels.dtype.kind not in "uibUS":
        raise DataError(
            f"{where} has shape {labels.shape} and type {labels.dtype}; labels must be one whole "
            f"number of 0 or more, or one text, for each of {count} examples. Of one-hot rows save "
            "labels.argmax(1), of whole floats labels.astype(int)"
        )
    labels = labels.reshape(count)
    if labels.dtype.kind == "U":
        return name, labels
    if labels.dtype.kind == "S":
        return name, np.char.decode(labels, "utf-8", "backslashreplace")
    low, high = int(labels.min()), int(labels.max())  # before the cast, which would wrap
    if low < 0 or high > LARGEST_LABEL:
        raise DataError(
            f"{where} holds labels from {low} to {high}; 0 to {LARGEST_LABEL} are "
            "possible: leave out the examples without a class, whose label often is -1"
        )
    return name, labels.astype(np.int64)


def order_axes(array: np.ndarray, path: str, axes: str) -> np.ndarray:
    """Return arrays of four axes as (N, H, W, C), and others as they are.

    Raises:
      DataError: `axes` is '', and the shape does not tell where the channels are.
    """
    if array.ndim != 4:
        return array
    if axes == "":
        if not _channels_are_last(array.shape):
            _, first, second, third = array.shape
            raise DataError(
                f"{path} has shape {array.shape}, which may mean {first} channels of {second} x "
                f"{third} pixels, or {third} channels of {first} x {second} pixels; say "
                "--config.data.axes=NCHW for the first, and NHWC for the second"
            )
    elif axes == "NCHW":
        array = np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array


def guess_axes(array: np.ndarray) -> str:
    """Return the axes that are likely for an array, to choose a network for it."""
    if array.ndim == 4 and not _channels_are_last(array.shape) and array.shape[1] <= MAX_CHANNELS:
        return "NCHW"
    return "NHWC"


def _channels_are_last(shape: tuple[int, ...]) -> bool:
    """Return whether a shape (N, ...) of four axes can only mean (N, H, W, C) in practice."""
    _, first, _, last = shape
    if last in (1, 3):
        return last == 1 or first not in (1, 3)
    return last <= MAX_CHANNELS < first


def check_examples(array: np.ndarray, path: str, levels: int) -> Shaped[np.ndarray, "n *shape"]:
    """Return examples as uint8, uint16 or float32, shaped (N, H, W, C) or (N, d).

    Raises:
      DataError: the type, the shape or the values of the array do not fit.
    """
    if array.dtype.kind not in "uibf":
        raise DataError(f"{path} holds {array.dtype}; integers or real numbers are needed")
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise DataError(
            f"{path} has shape {array.shape}; (N, H, W, C), (N, H, W) or (N, d) is needed"
        )
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype.kind == "f":
        return _check_continuous(array, path, levels)
    if levels == NOT_GIVEN:
        raise DataError(
            f"{path} holds integers; set config.data.levels to their number of levels (256 for "
            "8-bit images), or to 0 to use them as continuous numbers"
        )
    if levels == 0:
        check_fits(array.size * np.float32().itemsize, f"{path} as float32")
        return array.astype(np.float32)
    if not 2 <= levels <= MAX_LEVELS:
        raise DataError(f"config.data.levels = {levels}; choose 2 to {MAX_LEVELS}, or 0")
    low, high = array.min(), array.max()
    if low < 0 or high >= levels:
        raise DataError(
            f"{path} holds values from {low} to {high}; config.data.levels = {levels} means "
            f"0 to {levels - 1}"
        )
    return array.astype(np.uint8 if levels <= 256 else np.uint16)


def _check_continuous(array: np.ndarray, path: str, levels: int) -> Float32[np.ndarray, "n *shape"]:
    if levels not in (NOT_GIVEN, 0):
        raise DataError(
            f"{path} holds {array.dtype} numbers, which are continuous, but config.data.levels = "
            f"{levels}; leave it out, or save the levels as integers"
        )
    check_fits(array.size * np.float32().itemsize, f"{path} as float32")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{path} holds NaN or infinite numbers (as float32) in {np.sum(~finite)} of "
            f"{len(array)} examples, the first at index {int(np.argmin(finite))}; remove them"
        )
    return array
