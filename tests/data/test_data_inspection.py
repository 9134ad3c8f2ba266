"""Inspecting data before they are loaded agrees with loading them."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from gradlog.data import DATASETS, DataError, inspect_data
from gradlog.data.dataset import split_indices

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(200, 3))


@pytest.fixture
def save(tmp_path):
    def save_arrays(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return str(tmp_path / "data.npz")

    return save_arrays


def _levels(*shape, top):
    array = RANDOM.integers(0, top, shape)
    array.flat[0] = top - 1
    return array.astype(np.uint8)


def _loaded(found):
    arguments = {"path": found.path}
    arguments |= {"levels": found.levels} if found.loader == "files" and found.levels else {}
    return DATASETS[found.loader](**arguments)


@pytest.mark.parametrize(
    ("array", "levels"),
    [
        (_levels(20, 4, 4, 3, top=256), 256),
        (_levels(20, 4, 4, top=129), 256),
        (_levels(20, 4, 4, top=128), 128),
        (_levels(20, 4, 4, 1, top=17), 17),
        (_levels(20, 5, top=2).astype(bool), 2),
        (_levels(20, 5, top=3).astype(np.int64) * 1000, 2001),
        (np.zeros((20, 5), np.uint8), 2),
        (POINTS, None),
        (RANDOM.normal(size=(20, 4, 4)).astype(np.float32), None),
    ],
)
def test_inspecting_a_file_agrees_with_loading_it(save, array, levels):
    found = inspect_data(save(anything=array, labels=np.arange(len(array))))
    loaded = _loaded(found)
    assert (found.shape, found.levels) == (loaded.shape, loaded.levels)
    assert (found.levels, found.num_train, found.same_shape) == (levels, len(array), True)


def test_channels_that_seem_to_come_first_are_shown_last(save):
    """Loading the file asks for the axes; the network is chosen for the likely ones."""
    assert inspect_data(save(x=_levels(20, 3, 12, 16, top=256))).shape == (12, 16, 3)


def test_std_is_that_of_continuous_data(save):
    assert inspect_data(save(x=3 * POINTS)).std == pytest.approx((3 * POINTS).std(), rel=1e-5)
    assert inspect_data(save(x=_levels(20, 5, top=9))).std == 0.0


def test_large_half_precision_is_refused_without_a_warning_of_numpy(save):
    path = save(x=(POINTS * 1e4).astype(np.float16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="standard deviations"):
            inspect_data(path)


def test_levels_cover_both_sets(save):
    found = inspect_data(save(x_train=_levels(20, 4, top=9), x_test=_levels(5, 4, top=17)))
    assert (found.levels, found.num_train) == (17, 20)
    assert len(_loaded(found).test) == 5


@pytest.mark.parametrize("order", ["train first", "test first"])
def test_the_names_of_keras_are_known(save, order):
    pair = {"x_train": _levels(20, 4, 4, top=9), "x_test": _levels(5, 4, 4, top=9)}
    pair = pair if order == "train first" else dict(reversed(pair.items()))
    found = _loaded(inspect_data(save(**pair, y_train=np.arange(20), y_test=np.arange(5))))
    np.testing.assert_array_equal(found.train[..., 0], pair["x_train"])
    np.testing.assert_array_equal(found.test[..., 0], pair["x_test"])


@pytest.mark.parametrize(
    "array",
    [
        _levels(50, 4, 4, top=256) / 255,
        (_levels(50, 4, 4, top=256) / 127.5 - 1).astype(np.float32),
        _levels(50, 4, top=17).astype(float),
        np.zeros((50, 4)),
        (_levels(1500, 2, 2, 3, top=256) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        (_levels(4, 128, 128, top=256) * 16.0 + _levels(4, 128, 128, top=16)) / 4095,
    ],
)
def test_levels_stored_as_floats_are_refused(save, array):
    with pytest.raises(DataError, match=r"levels, whose density is infinite: save the levels"):
        inspect_data(save(x=array))


def _normalized(dtype):
    return ((_levels(1500, 2, 2, 3, top=256) / 255 - [0.485, 0.456, 0.406]) / 0.225).astype(dtype)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.c_[POINTS, RANDOM.integers(0, 2, 200)], "only 2 different values in column 3"),
        (np.c_[np.round(POINTS[:, 0], 1), POINTS], "different values in column 0"),
        (_normalized(np.float16), "different values in channel [012]"),
    ],
)
def test_levels_in_one_column_or_channel_are_refused(save, array, message):
    with pytest.raises(DataError, match=message):
        inspect_data(save(x=array))


def test_numbers_of_half_precision_are_continuous(save):
    numbers = RANDOM.normal(size=(400, 16, 16)).astype(np.float16)
    assert len(np.unique(numbers)) < numbers.size // 4
    for dtype in (np.float16, np.float32):
        assert inspect_data(save(x=numbers.astype(dtype))).levels is None


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(-40, 40).reshape(20, 4), "integers from -40 to 39"),
        (np.arange(80).reshape(20, 4) * 1000, "integers from 0 to 79000"),
    ],
)
def test_integers_outside_the_levels_are_refused(save, array, message):
    """The message names no key, because the file is read before the keys of the command."""
    with pytest.raises(DataError, match=f"{message}.*save x - x.min.*or x as floats") as caught:
        inspect_data(save(x=array))
    assert "config" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (POINTS * [1, 100, 1], "from 0.9.* to 9"),
        (POINTS * [1, 1e-3, 1], "from 0.0009"),
        (POINTS + np.array([0, 0, 50]), "means up to (49|50)"),
        (RANDOM.normal(size=(20, 4, 4)) * 500, "holds numbers with means"),
    ],
)
def test_numbers_far_from_unit_size_are_refused(save, array, message):
    with pytest.raises(DataError, match=message):
        inspect_data(save(x=array))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.concatenate([POINTS, np.full((200, 1), 0.1)], axis=1),
            r"columns \[3\].*leave out 1 of 4",
        ),
        (
            np.concatenate([np.zeros((200, 4, 4, 1)), RANDOM.normal(size=(200, 4, 4, 2))], -1),
            r"s \[0\]",
        ),
    ],
)
def test_a_constant_column_is_named_to_be_left_out(save, array, message):
    with pytest.raises(DataError, match=message):
        inspect_data(save(x=array))
    rest = array[..., np.ptp(array.reshape(-1, array.shape[-1]), axis=0) > 0]
    assert inspect_data(save(x=rest)).levels is None  # the advice of the message works


@pytest.mark.parametrize("scaled", [lambda x: x / 255, lambda x: x / 127.5 - 1, lambda x: x / 1.0])
def test_floats_that_are_nearly_levels_are_refused(save, scaled):
    levels = RANDOM.integers(0, 256, (50, 8, 8)) + RANDOM.uniform(-0.01, 0.01, (50, 8, 8))
    with pytest.raises(DataError, match="nearly levels"):
        inspect_data(save(x=scaled(levels)))


def test_a_changed_file_is_inspected_again(save):
    path = save(x=_levels(20, 4, top=17))
    assert inspect_data(path).levels == 17
    save(x=_levels(20, 4, top=9))
    os.utime(path, (1, 1))
    assert inspect_data(path).levels == 9


def _save_image(place, name, height, width, mode="RGB"):
    place.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height)).save(place / name)


def test_a_folder_of_images_of_one_shape(tmp_path):
    for number in range(4):
        _save_image(tmp_path / "deep", f"{number}.png", 6, 8)
    found = inspect_data(str(tmp_path))
    assert (found.loader, found.shape, found.same_shape, found.levels) == (
        "folder",
        (6, 8, 3),
        True,
        256,
    )
    assert found.shape == _loaded(found).shape


def test_different_images_have_the_shape_of_the_smallest_sides(tmp_path):
    _save_image(tmp_path, "1.png", 6, 20, "L")
    _save_image(tmp_path, "2.jpg", 30, 9, "L")
    _save_image(tmp_path, "3.png", 40, 40, "LA")
    found = inspect_data(str(tmp_path))
    assert (found.shape, found.same_shape, found.num_train) == ((6, 9, 1), False, 3)
    _save_image(tmp_path, "4.gif", 40, 40, "P")
    assert inspect_data(str(tmp_path)).shape == (6, 9, 3)


def test_one_different_image_among_many_is_found(tmp_path):
    for number in range(401):
        _save_image(tmp_path, f"{number:03}.png", 4, 4, "RGB" if number == 3 else "L")
    assert inspect_data(str(tmp_path)).shape == (4, 4, 3)
    _save_image(tmp_path, "003.png", 3, 4, "L")
    os.utime(tmp_path / "003.png", (2**32, 2**32))
    found = inspect_data(str(tmp_path))
    assert (found.shape, found.same_shape) == ((3, 4, 1), False)


def test_a_folder_with_both_sets_is_inspected_by_its_training_set(tmp_path):
    _save_image(tmp_path / "train", "1.png", 6, 6)
    _save_image(tmp_path / "test", "1.png", 4, 4)
    found = inspect_data(str(tmp_path))
    assert (found.shape, found.num_train) == ((6, 6, 3), 1)


def test_paths_become_absolute(tmp_path, monkeypatch, save):
    save(x=POINTS)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert inspect_data("~/data.npz").path == str(tmp_path / "data.npz")
    monkeypatch.chdir(tmp_path)
    assert inspect_data("data.npz").path == str(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: None, "no folder and no file"),
        (lambda place: place.mkdir(), "holds no images"),
        (lambda place: place.write_text("text"), "cannot be read"),
        (lambda place: _save_image(place, "1.png", 4, 4, "I;16"), "more than 8 bits a channel"),
        (lambda place: (place.mkdir(), (place / "1.png").write_text("no")), "as an image"),
    ],
)
def test_unusable_data_are_refused(tmp_path, make, message):
    make(tmp_path / "it")
    with pytest.raises(DataError, match=message) as caught:
        inspect_data(str(tmp_path / "it"))
    assert "\n" not in str(caught.value)


def test_a_text_is_sent_to_its_own_experiment(tmp_path):
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(DataError, match=r"configs/discrete/text\.py"):
        inspect_data(str(tmp_path / "x.txt"))
    (tmp_path / "x.csv").write_text("0.5,1.5\n2.5,3.5\n")
    with pytest.raises(DataError, match=r"\.npy"):  # it may be a table
        inspect_data(str(tmp_path / "x.csv"))


def test_the_inspected_file_is_split_as_usual(save):
    array = _levels(50, 4, top=17)
    found = _loaded(inspect_data(save(images=array)))
    train, _ = split_indices(50, test_fraction=0.1, seed=0)
    np.testing.assert_array_equal(found.train, array[train])
