"""What is known of data that are not there."""

import numpy as np
import pytest

from gradlog.configs import default
from gradlog.data import DATASETS, UNKNOWN, DataError, stand_in
from gradlog.data.stand_in import SHAPES

ARGUMENTS = default.get_config().data.to_dict()


@pytest.mark.parametrize("name", ["digits", "photos"])
def test_shape_and_levels_are_those_of_the_data(name):
    arguments = ARGUMENTS | {"image_size": 16}
    found = stand_in(name, arguments, "none")
    loaded = DATASETS[name](**{"image_size": 16} if name == "photos" else {})
    assert (found.shape, found.levels) == (loaded.shape, loaded.levels)
    assert found.fingerprint == UNKNOWN


def test_names_are_those_of_loaders():
    assert SHAPES.keys() <= DATASETS.keys()


@pytest.mark.parametrize("name", ["moons", "files", "tfds"])
def test_a_shape_that_is_not_known_is_not_made_up(name):
    assert stand_in(name, ARGUMENTS, "none") is None


def test_a_folder_needs_both_size_and_channels():
    assert stand_in("folder", ARGUMENTS | {"image_size": 64}, "none") is None
    found = stand_in("folder", ARGUMENTS | {"image_size": 64, "channels": 3}, "none")
    assert found.shape == (64, 64, 3)


def test_examples_are_refused_with_the_reason():
    found = stand_in("cifar10", ARGUMENTS, "no network")
    assert len(found.train) == 0
    with pytest.raises(DataError, match="needs the examples of cifar10: no network"):
        found.test[np.arange(3)]
