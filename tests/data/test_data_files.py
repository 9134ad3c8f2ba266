from pathlib import Path

import numpy as np
import pytest

from gradlog.data.dataset import DataError, split_indices
from gradlog.data.files import load_files


def _levels(n=20, shape=(4, 3, 1), top=17, seed=0):
    return np.random.default_rng(seed).integers(0, top, (n, *shape), dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    def save_one(array, name="data.npy"):
        np.save(tmp_path / name, array)
        return str(tmp_path / name)

    return save_one


@pytest.fixture
def savez(tmp_path):
    def save_some(name="data.npz", **arrays):
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return save_some


def _fails(message, **arguments):
    with pytest.raises(DataError, match=message) as caught:
        load_files(**arguments)
    assert "\n" not in str(caught.value)


def test_one_file_is_split_at_random(save):
    images = _levels()
    path = save(images)
    found = load_files(path=path, levels=17, test_fraction=0.25, seed=3)
    train, test = split_indices(20, test_fraction=0.25, seed=3)
    np.testing.assert_array_equal(found.train, images[train])
    np.testing.assert_array_equal(found.test, images[test])
    assert (found.name, found.shape, found.levels) == ("data.npy", (4, 3, 1), 17)
    assert found.train.dtype == np.uint8
    assert found.train_labels is None
    default = load_files(path=path, levels=17)
    assert (len(default.train), len(default.test)) == (18, 2)


def test_two_files_are_the_two_sets(save):
    train, test = _levels(), _levels(5, seed=1)
    found = load_files(path=save(train, "a.npy"), test_path=save(test, "b.npy"), levels=256)
    np.testing.assert_array_equal(found.train, train)
    np.testing.assert_array_equal(found.test, test)
    assert found.levels == 256


def test_an_npz_file_may_hold_both_sets(savez):
    train, test = _levels(), _levels(5, seed=1)
    found = load_files(path=savez(train=train, test=test, labels=np.arange(20)), levels=17)
    np.testing.assert_array_equal(found.train, train)
    np.testing.assert_array_equal(found.test, test)


@pytest.mark.parametrize("key", ["train", "images", "x", "anything"])
def test_an_npz_file_may_hold_one_set(savez, key):
    images = _levels()
    others = {} if key == "anything" else {"labels": np.arange(20)}
    found = load_files(path=savez(**{key: images}, **others), levels=17)
    both = np.concatenate([found.train, found.test])
    assert sorted(image.tobytes() for image in both) == sorted(i.tobytes() for i in images)


def test_npz_files_may_hold_one_set_each(savez):
    train, test = _levels(), _levels(5, seed=1)
    path, test_path = savez(train=train, y=np.arange(3)), savez("t.npz", test=test, y=np.arange(3))
    found = load_files(path=path, test_path=test_path, levels=17)
    np.testing.assert_array_equal(found.train, train)
    np.testing.assert_array_equal(found.test, test)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        *(("train", "val"), ("Train", "TEST"), ("x_train", "x_valid"), ("X_train", "X_test")),
        *(("train_images", "test_images"), ("training", "dev"), ("train_x", "validation_x")),
    ],
)
def test_other_names_of_the_two_arrays_are_known(savez, train, test):
    arrays = {train: _levels(), test: _levels(5, seed=1)}
    found = load_files(
        path=savez(**arrays, y_train=np.zeros((20, 1)), mean=np.zeros((3, 4))), levels=17
    )
    np.testing.assert_array_equal(found.train, arrays[train])
    np.testing.assert_array_equal(found.test, arrays[test])


@pytest.mark.parametrize(
    "names",
    [("train", "other"), ("train", "images"), ("test", "val"), ("train", "Train"), ("x", "test")],
)
def test_an_unknown_array_beside_a_known_one_is_refused(savez, names):
    _fails(f"{names[0]}", path=savez(**{name: _levels() for name in names}), levels=17)


def test_arrays_that_are_not_read_are_said(savez):
    sets = {"train": _levels(), "val": _levels(5), "test": _levels(4, seed=1)}
    found = load_files(path=savez(**sets, mean=np.zeros((4, 3))), levels=17)
    np.testing.assert_array_equal(found.test, sets["test"])
    assert "left out: 2 array(s), ['val', 'mean']" in found.account
    assert "20 images of height 4, width 3 and 1 channel(s)" in found.account


def test_labels_of_a_validation_set_are_its_own(savez):
    arrays = {"x_train": _levels(), "x_val": _levels(5), "y_val": np.arange(5)}
    found = load_files(
        path=savez(**arrays, y_train=np.arange(20), y=np.zeros(5, int)), levels=17, read_labels=True
    )
    np.testing.assert_array_equal(found.test_labels, np.arange(5))


def test_rounding_to_float32_is_said(savez):
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert "float64 numbers rounded" in load_files(path=savez(x=points)).account
    assert "rounded" not in load_files(path=savez(x=points.astype(np.float16))).account


def test_the_number_of_levels_is_said(save):
    """It may be a guess by the largest value."""
    path = save(_levels(top=13))
    assert "17 levels, of which 12 is" in load_files(path=path, levels=17).account
    assert "levels" not in load_files(path=path, levels=0).account.partition("; warning")[0]


SURE = [(7, 9, 3), (12, 16, 1), (2, 2, 3), (4, 12, 3), (3, 5, 1), (8, 8, 4), (9, 7, 2)]
UNSURE = [(3, 12, 16), (1, 12, 16), (4, 8, 8), (3, 8, 8), (1, 8, 8), (16, 8, 8), (3, 5, 3)]


@pytest.mark.parametrize("shape", [*SURE, *UNSURE, (1, 1, 3), (2, 8, 2), (7, 9, 16)])
def test_axes_are_guessed_only_without_doubt(save, shape):
    images = _levels(shape=shape)
    path = save(images)
    if shape in SURE:
        assert load_files(path=path, levels=17).shape == shape
    else:
        _fails("--config.data.axes=NCHW", path=path, levels=17)
    found = load_files(path=path, levels=17, axes="NHWC")
    train, _ = split_indices(20, test_fraction=0.1, seed=0)
    np.testing.assert_array_equal(found.train, images[train])
    turned = load_files(path=path, levels=17, axes="NCHW")
    assert turned.shape == (*shape[1:], shape[0])
    for row, column, channel in np.ndindex(turned.shape):
        np.testing.assert_array_equal(
            turned.train[:, row, column, channel], images[train, channel, row, column]
        )


def test_the_training_set_is_no_test_set(save):
    path = save(_levels())
    _fails("config.data.test_path", path=path, test_path=path, levels=17)


def test_unknown_axes_are_refused(save):
    _fails("config.data.axes = 'HWC'", path=save(_levels()), levels=17, axes="HWC")


def test_an_npz_file_without_a_known_name_is_refused(savez):
    path = savez(a=_levels(), b=_levels())
    _fails(r"holds the arrays \['a', 'b'\]", path=path, levels=17)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.int8, ">u2"])
def test_integers_are_levels(save, dtype):
    images = _levels().astype(dtype)
    found = load_files(path=save(images), levels=17)
    assert found.train.dtype == np.uint8
    np.testing.assert_array_equal(
        np.sort(np.concatenate([found.train, found.test]), 0), np.sort(images, 0)
    )


@pytest.mark.parametrize(("levels", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_the_narrowest_type_holds_the_levels(save, levels, dtype):
    images = np.arange(levels, dtype=np.int64).reshape(-1, 1)
    found = load_files(path=save(images), levels=levels)
    assert found.train.dtype == dtype
    both = np.concatenate([found.train, found.test])
    assert sorted(both[:, 0]) == list(range(levels))


def test_booleans_have_two_levels(save):
    found = load_files(path=save(_levels(top=2).astype(bool)), levels=2)
    assert (found.levels, found.train.dtype, found.train.max()) == (2, np.uint8, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("given", [{}, {"levels": 0}])
def test_floats_are_continuous(save, dtype, given):
    points = np.random.default_rng(0).normal(size=(20, 2)).astype(dtype)
    found = load_files(path=save(points), **given)
    assert (found.levels, found.shape, found.train.dtype) == (None, (2,), np.float32)
    both = np.concatenate([found.train, found.test])
    np.testing.assert_array_equal(np.sort(both, 0), np.sort(points.astype(np.float32), 0))


def test_integers_may_be_used_as_continuous_numbers(save):
    found = load_files(path=save(_levels()), levels=0)
    assert (found.levels, found.train.dtype) == (None, np.float32)
    assert found.train.max() == 16.0


def test_images_without_channels_get_one(save):
    images = _levels(shape=(4, 3))
    found = load_files(path=save(images), levels=17)
    assert found.shape == (4, 3, 1)
    assert found.train.shape == (18, 4, 3, 1)


def test_the_same_contents_have_the_same_fingerprint(save, savez):
    train, test = _levels(), _levels(5, seed=1)
    two = load_files(path=save(train, "a.npy"), test_path=save(test, "b.npy"), levels=17)
    one = load_files(path=savez(train=train, test=test), levels=17)
    assert two.fingerprint == one.fingerprint
    assert load_files(path=savez(train=train, test=test), levels=18).fingerprint != one.fingerprint


def test_levels_must_be_set_and_must_fit(save):
    path = save(_levels())
    _fails(r"holds integers; .*config\.data\.levels", path=path)
    _fails("values from 0 to 16; config.data.levels = 16 means 0 to 15", path=path, levels=16)
    _fails("config.data.levels = 1;", path=path, levels=1)
    _fails("config.data.levels = -3;", path=path, levels=-3)
    _fails("config.data.levels = 65537;", path=path, levels=65537)
    _fails("values from -1 to", path=save(_levels().astype(int) - 1), levels=256)
    points = save(np.zeros((20, 2)))
    _fails(r"float64 numbers.*config\.data\.levels = 256", path=points, levels=256)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_must_be_finite(save, value):
    points = np.zeros((20, 2))
    points[7, 1] = points[9, 0] = value
    _fails("in 2 of 20 examples, the first at index 7", path=save(points))


def test_an_error_names_the_test_file(save):
    train, test = save(_levels(), "a.npy"), save(_levels(top=200), "b.npy")
    _fails(r"b\.npy holds values", path=train, test_path=test, levels=17)
    other = save(_levels(shape=(3, 4, 1)), "c.npy")
    _fails(r"\(4, 3, 1\).*\(3, 4, 1\)", path=train, test_path=other, levels=17)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4, 3, 1), np.uint8), r"shape \(0, 4, 3, 1\)"),
        (np.zeros((4, 0), np.uint8), r"shape \(4, 0\)"),
        (np.zeros(7, np.uint8), r"shape \(7,\)"),
        (np.uint8(3), r"shape \(\)"),
        (np.zeros((2, 2, 2, 2, 2), np.uint8), r"shape \(2, 2, 2, 2, 2\)"),
        (np.zeros((1, 4, 3, 1), np.uint8), r"1 example\(s\) cannot be split"),
        (np.zeros((9, 2), complex), "complex128"),
        (np.full((9, 2), "text"), "<U4"),
    ],
)
def test_unsuitable_arrays_are_refused(save, array, message):
    _fails(message, path=save(array), levels=256)


def test_unreadable_files_are_refused(tmp_path, save):
    _fails(r"config\.data\.path is empty", path="", levels=256)
    _fails("there is no file", path=str(tmp_path / "none.npy"), levels=256)
    _fails("cannot be read", path=str(tmp_path), levels=256)
    whole = Path(save(_levels()))
    for name, content in (
        ("empty.npy", b""),
        ("text.npy", b"some text"),
        ("cut.npy", whole.read_bytes()[:-5]),
        ("header.npy", whole.read_bytes()[:20]),
        ("cut.npz", b"PK\x03\x04 not a zip file"),
    ):
        (tmp_path / name).write_bytes(content)
        _fails(f"{name} cannot be read", path=str(tmp_path / name), levels=256)


def test_pickles_are_not_loaded(tmp_path, savez):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "objects.npy", np.array([Trap()], object), allow_pickle=True)
    _fails("pickled objects", path=str(tmp_path / "objects.npy"), levels=256)
    path = savez(train=np.array([Trap()], object))
    _fails("pickled objects", path=path, levels=256)
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_npz_file_is_refused(tmp_path, savez):
    path = savez(train=_levels(200))
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "flipped.npz").write_bytes(content)
    _fails(r"flipped\.npz cannot be read", path=str(tmp_path / "flipped.npz"), levels=256)


@pytest.mark.parametrize("key", ["labels", "y", "y_train", "target"])
def test_labels_belong_to_their_examples_after_the_split(savez, key):
    images, labels = _levels(), np.arange(20) % 7
    images[:, 0, 0, 0] = labels
    path = savez(images=images, **{key: labels[:, None]})
    assert load_files(path=path, levels=17).train_labels is None
    found = load_files(path=path, levels=17, read_labels=True)
    assert found.num_classes == 7
    np.testing.assert_array_equal(found.train_labels, found.train[:, 0, 0, 0])
    np.testing.assert_array_equal(found.test_labels, found.test[:, 0, 0, 0])
    assert found.fingerprint != load_files(path=path, levels=17).fingerprint


def test_labels_of_both_sets_are_read(savez):
    sets = {"x_train": _levels(), "x_test": _levels(5, seed=1)}
    labels = {"y_train": np.arange(20) % 3, "y_test": np.arange(5)}
    found = load_files(path=savez(**sets, **labels), levels=17, read_labels=True)
    assert found.num_classes == 5
    np.testing.assert_array_equal(found.train_labels, labels["y_train"])
    np.testing.assert_array_equal(found.test_labels, labels["y_test"])
    train = savez("a.npz", x=sets["x_train"], y=labels["y_train"])
    test = savez("b.npz", x=sets["x_test"], y=labels["y_test"])
    two = load_files(path=train, test_path=test, levels=17, read_labels=True)
    assert two.fingerprint == found.fingerprint


def test_missing_and_unsuitable_labels_are_refused(savez, save):
    images = _levels()
    _fails(r"read_labels = True, but .*\['x'\]", path=save(images), levels=17, read_labels=True)
    nan = np.full(20, np.nan)
    for labels in (np.arange(19), np.arange(20.0), nan, np.zeros((20, 2), int), np.eye(20)):
        path = savez(x=images, labels=labels)
        _fails("array 'labels', has shape", path=path, levels=17, read_labels=True)
    for label in (np.int8(-1), np.uint64(2**64 - 1)):  # a cast makes the first of the second
        path = savez(x=images, labels=np.append(np.zeros(19, label.dtype), label))
        _fails(rf"array 'labels', .* {label}\b", path=path, levels=17, read_labels=True)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(20) % 3 + 1, ["1", "2", "3"]),
        (np.arange(20) % 2 * 7, ["0", "7"]),
        (np.array([b"cat", b"dog"])[np.arange(20) % 2], ["cat", "dog"]),
        (np.array(["cat", "dog\x1b[2J"])[np.arange(20) % 2], ["cat", "dog\\x1b[2J"]),
        (np.arange(20) % 2 == 1, None),
        (np.arange(20, dtype=np.uint64) % 2 * (2**63 - 1), ["0", f"{2**63 - 1}"]),
    ],
)
def test_the_classes_are_the_labels_that_occur(savez, labels, classes):
    images = _levels()
    numbers = np.unique(labels, return_inverse=True)[1]
    images[:, 0, 0, 0] = numbers
    found = load_files(path=savez(x=images, labels=labels), levels=17, read_labels=True)
    assert found.num_classes == numbers.max() + 1
    np.testing.assert_array_equal(found.train_labels, found.train[:, 0, 0, 0])
    np.testing.assert_array_equal(found.test_labels, found.test[:, 0, 0, 0])
    counts = np.bincount(found.train_labels).tolist()
    assert found.classes == (classes and dict(zip(classes, counts, strict=True)))
    assert all(f"{name} (" in found.account for name in classes or ())
    assert "\x1b" not in found.account


@pytest.mark.parametrize("name", ["labels", "y"])
def test_labels_of_no_set_are_not_those_of_two(savez, name):
    path = savez(train=_levels(4), test=_levels(4), **{name: np.arange(4)})
    with pytest.raises(DataError, match="read_labels"):
        load_files(path=path, levels=17, read_labels=True)


@pytest.mark.parametrize("name", ["split", "train_mask", "test_idx", "is_train"])
def test_an_array_that_says_what_is_test_data_is_not_passed_over(savez, name):
    path = savez(images=_levels(6), **{name: np.arange(6)})
    with pytest.raises(DataError, match=name):
        load_files(path=path, levels=17)


def test_sets_of_unlike_scales_and_continuous_levels_are_said(savez):
    numbers = np.random.default_rng(0).normal(size=(80, 3))
    found = load_files(path=savez(train=numbers[:40], test=100 * numbers[40:]), levels=0)
    assert "standard deviation" in found.account
    found = load_files(path=savez(train=numbers[:40], test=np.rint(numbers[40:])), levels=0)
    assert "the test set holds floats with only" in found.account


def test_sets_of_two_kinds_are_refused(savez):
    path = savez(train=_levels(4), test=_levels(4).astype(np.float32))
    with pytest.raises(DataError, match="float32"):
        load_files(path=path, levels=17)


def test_a_gap_among_the_labels_and_a_class_of_the_test_set_alone_are_said(savez):
    sets = {"train": _levels(4), "test": _levels(4)}
    labels = {"train_labels": np.array([0, 1, 3, 3]), "test_labels": np.array([0, 1, 3, 5])}
    found = load_files(path=savez(**sets, **labels), levels=17, read_labels=True)
    assert found.classes == {"0": 1, "1": 1, "3": 2, "5": 0}
    assert "2 numbers between them are the label of no example, such as 2" in found.account
    assert "5 occur in the test set alone" in found.account


def test_the_names_of_classes_are_a_part_of_the_fingerprint(savez):
    found = [
        load_files(path=savez(x=_levels(), labels=labels), levels=17, read_labels=True).fingerprint
        for labels in (np.arange(20) % 2, np.arange(20) % 2 + 1, np.array(["a", "b"] * 10))
    ]
    assert len(set(found)) == 3


def test_numbers_and_texts_are_not_mixed(savez):
    sets = {"train": _levels(2), "test": _levels(2)}
    labels = {"train_labels": np.array([0, 1]), "test_labels": np.array(["0", "1"])}
    _fails("texts", path=savez(**sets, **labels), levels=17, read_labels=True)
