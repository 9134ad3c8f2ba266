"""What data are, told before they are loaded, agrees with what loading them gives."""

import os

import numpy as np
import pytest
from PIL import Image

from gradlog.data import DATASETS, DataError, look_at
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


def _loaded(look):
    arguments = {"path": look.path}
    arguments |= {"levels": look.levels} if look.loader == "files" and look.levels else {}
    return DATASETS[look.loader](**arguments)


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
def test_a_look_at_a_file_is_what_loading_gives(save, array, levels):
    look = look_at(save(anything=array, labels=np.arange(len(array))))
    found = _loaded(look)
    assert (look.shape, look.levels) == (found.shape, found.levels)
    assert (look.levels, look.num_train, look.alike) == (levels, len(array), True)


def test_the_standard_deviation_is_that_of_continuous_numbers(save):
    assert look_at(save(x=3 * POINTS)).std == pytest.approx((3 * POINTS).std(), rel=1e-5)
    assert look_at(save(x=_levels(20, 5, top=9))).std == 0.0


def test_levels_are_of_both_sets(save):
    look = look_at(save(x_train=_levels(20, 4, top=9), x_test=_levels(5, 4, top=17)))
    assert (look.levels, look.num_train) == (17, 20)
    assert len(_loaded(look).test) == 5


@pytest.mark.parametrize("order", ["train first", "test first"])
def test_kerass_names_are_known(save, order):
    pair = {"x_train": _levels(20, 4, 4, top=9), "x_test": _levels(5, 4, 4, top=9)}
    pair = pair if order == "train first" else dict(reversed(pair.items()))
    found = _loaded(look_at(save(**pair, y_train=np.arange(20), y_test=np.arange(5))))
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
def test_levels_in_disguise_are_told(save, array):
    with pytest.raises(DataError, match=r"levels, whose density is infinite; save the levels"):
        look_at(save(x=array))


def _normalized(dtype):
    return ((_levels(1500, 2, 2, 3, top=256) / 255 - [0.485, 0.456, 0.406]) / 0.225).astype(dtype)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.c_[POINTS, RANDOM.integers(0, 2, 200)], "only 2 different values in column 3"),
        (np.c_[np.round(POINTS[:, 0], 1), POINTS], "different values in column 0"),
        (_normalized(np.float16), "different values in channel [012]: of levels"),
    ],
)
def test_levels_of_one_column_are_told(save, array, said):
    with pytest.raises(DataError, match=said):
        look_at(save(x=array))


def test_numbers_of_half_precision_are_no_levels(save):
    numbers = RANDOM.normal(size=(400, 16, 16)).astype(np.float16)
    assert len(np.unique(numbers)) < numbers.size // 4
    for dtype in (np.float16, np.float32):
        assert look_at(save(x=numbers.astype(dtype))).levels is None


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.arange(-40, 40).reshape(20, 4), "integers from -40 to 39"),
        (np.arange(80).reshape(20, 4) * 1000, "integers from 0 to 79000"),
    ],
)
def test_integers_that_are_no_levels_are_told_what_to_do_about_the_file(save, array, said):
    """No key is named: the file is looked at before a key of the command is known."""
    with pytest.raises(DataError, match=f"{said}.*save x - x.min.*or x as floats") as caught:
        look_at(save(x=array))
    assert "config" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (POINTS * [1, 100, 1], "from 0.9.* to 9"),
        (POINTS * [1, 1e-3, 1], "from 0.0009"),
        (POINTS + np.array([0, 0, 50]), "means up to (49|50)"),
        (RANDOM.normal(size=(20, 4, 4)) * 500, "holds numbers with means"),
    ],
)
def test_numbers_of_another_size_than_the_noise_are_told(save, array, said):
    with pytest.raises(DataError, match=said):
        look_at(save(x=array))


def test_a_column_that_is_constant_is_told(save):
    with pytest.raises(DataError, match="standard deviations from 0 to"):
        look_at(save(x=np.concatenate([POINTS, np.ones((200, 1))], axis=1)))


def test_a_file_that_changed_is_looked_at_again(save):
    path = save(x=_levels(20, 4, top=17))
    assert look_at(path).levels == 17
    save(x=_levels(20, 4, top=9))
    os.utime(path, (1, 1))
    assert look_at(path).levels == 9


def _save_image(place, name, height, width, mode="RGB"):
    place.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height)).save(place / name)


def test_a_folder_of_images_that_are_alike(tmp_path):
    for number in range(4):
        _save_image(tmp_path / "deep", f"{number}.png", 6, 8)
    look = look_at(str(tmp_path))
    assert (look.loader, look.shape, look.alike, look.levels) == ("folder", (6, 8, 3), True, 256)
    assert look.shape == _loaded(look).shape


def test_a_folder_of_images_that_differ_has_the_smallest_sides(tmp_path):
    _save_image(tmp_path, "1.png", 6, 20, "L")
    _save_image(tmp_path, "2.jpg", 30, 9, "L")
    _save_image(tmp_path, "3.png", 40, 40, "LA")
    look = look_at(str(tmp_path))
    assert (look.shape, look.alike, look.num_train) == ((6, 9, 1), False, 3)
    _save_image(tmp_path, "4.gif", 40, 40, "P")
    assert look_at(str(tmp_path)).shape == (6, 9, 3)


def test_one_image_among_many_that_differs_is_seen(tmp_path):
    for number in range(401):
        _save_image(tmp_path, f"{number:03}.png", 4, 4, "RGB" if number == 3 else "L")
    assert look_at(str(tmp_path)).shape == (4, 4, 3)
    _save_image(tmp_path, "003.png", 3, 4, "L")
    os.utime(tmp_path / "003.png", (2**32, 2**32))
    look = look_at(str(tmp_path))
    assert (look.shape, look.alike) == ((3, 4, 1), False)


def test_a_folder_with_both_sets_is_looked_at_where_training_is(tmp_path):
    _save_image(tmp_path / "train", "1.png", 6, 6)
    _save_image(tmp_path / "test", "1.png", 4, 4)
    look = look_at(str(tmp_path))
    assert (look.shape, look.num_train) == ((6, 6, 3), 1)


def test_paths_are_absolute_and_know_the_home_folder(tmp_path, monkeypatch, save):
    save(x=POINTS)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert look_at("~/data.npz").path == str(tmp_path / "data.npz")
    monkeypatch.chdir(tmp_path)
    assert look_at("data.npz").path == str(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: None, "there is no folder and no file"),
        (lambda place: place.mkdir(), "holds no images"),
        (lambda place: place.write_text("text"), "cannot be read"),
        (lambda place: _save_image(place, "1.png", 4, 4, "I;16"), "more than 8 bits a channel"),
        (lambda place: (place.mkdir(), (place / "1.png").write_text("no")), "as an image"),
    ],
)
def test_what_cannot_be_learned_from_is_told(tmp_path, make, said):
    make(tmp_path / "it")
    with pytest.raises(DataError, match=said) as caught:
        look_at(str(tmp_path / "it"))
    assert "\n" not in str(caught.value)


def test_a_look_and_a_loader_hold_out_the_same(save):
    array = _levels(50, 4, top=17)
    found = _loaded(look_at(save(images=array)))
    train, _ = split_indices(50, test_fraction=0.1, seed=0)
    np.testing.assert_array_equal(found.train, array[train])
