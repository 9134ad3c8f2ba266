"""The spec of a data set without its examples, and data sets that are loaded at their first use."""

import copy
import json

import numpy as np
import pytest

from gradlog.configs import default
from gradlog.data import (
    DATASETS,
    UNKNOWN,
    DataError,
    Dataset,
    DatasetSpec,
    LazyDataset,
    from_arrays,
    known_spec,
    labeled_train,
)

ARGUMENTS = default.get_config().data.to_dict()
X = np.arange(12, dtype=np.uint8).reshape(6, 2)
LABELS = np.arange(6) % 3
WHOLE = from_arrays(
    "six", X, X[:2], levels=17, num_classes=3, train_labels=LABELS, test_labels=LABELS[:2]
)


@pytest.mark.parametrize("name", ["digits", "photos"])
def test_the_spec_agrees_with_the_data(name):
    spec = known_spec(name, ARGUMENTS | {"image_size": 16})
    loaded = DATASETS[name](**{"image_size": 16} if name == "photos" else {})
    found = (spec.shape, spec.levels, spec.num_classes)
    assert found == (loaded.shape, loaded.levels, loaded.num_classes)
    assert spec.fingerprint == UNKNOWN


@pytest.mark.parametrize("name", DATASETS)
def test_a_spec_has_the_name_of_its_loader(name):
    spec = known_spec(name, ARGUMENTS | {"image_size": 16, "channels": 3})
    assert spec is None or spec.name == name


@pytest.mark.parametrize("name", ["moons", "files", "tfds"])
def test_a_shape_that_depends_on_the_data_has_no_spec(name):
    assert known_spec(name, ARGUMENTS) is None


def test_a_folder_needs_both_size_and_channels():
    assert known_spec("folder", ARGUMENTS | {"image_size": 64}) is None
    found = known_spec("folder", ARGUMENTS | {"image_size": 64, "channels": 3})
    assert found.shape == (64, 64, 3)


def test_missing_examples_raise_the_reason():
    dataset = known_spec("cifar10", ARGUMENTS).without_examples("no network")
    assert (len(dataset.train), dataset.fingerprint) == (0, UNKNOWN)
    with pytest.raises(DataError, match="needs the examples of cifar10: no network"):
        dataset.test[np.arange(3)]


def _lazy(spec, whole=WHOLE):
    loads = []

    def load():
        loads.append(spec.name)
        return whole

    return LazyDataset(spec, load), loads


def _spec(**changes):
    known = {"name": "six", "shape": (2,), "levels": 17, "fingerprint": WHOLE.fingerprint}
    return DatasetSpec(**(known | changes))


def test_a_lazy_dataset_loads_once_and_only_for_what_the_spec_lacks():
    dataset, loads = _lazy(_spec())
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.shape, dataset.levels) == ("six", (2,), 17)
    assert dataset.fingerprint == WHOLE.fingerprint
    assert "six" in repr(dataset)
    assert dataset == copy.copy(dataset) or not loads
    assert loads == []
    assert dataset.num_classes == 3
    np.testing.assert_array_equal(dataset.train[np.arange(6)], X)
    np.testing.assert_array_equal(dataset.test_labels, LABELS[:2])
    assert dataset.law is None
    assert loads == ["six"]
    assert labeled_train(dataset)[np.array([4])].label.tolist() == [1]


def test_a_lazy_dataset_knows_the_number_of_classes_of_its_spec():
    dataset, loads = _lazy(_spec(num_classes=3))
    assert (dataset.num_classes, loads) == (3, [])


@pytest.mark.parametrize("changes", [{"fingerprint": "another"}, {"shape": (3,)}])
def test_a_lazy_dataset_refuses_other_data(changes):
    dataset, _ = _lazy(_spec(**changes))
    with pytest.raises(DataError, match="fingerprint"):
        _ = dataset.train


def test_the_facts_of_a_data_set_survive_a_file():
    spec = DatasetSpec("pets", (8, 8, 3), 256, 2, "0123456789abcdef")
    facts = json.loads(json.dumps(spec.facts()))
    assert DatasetSpec.from_facts(facts | {"of a later version": 1}) == spec
    for damaged in ({}, facts | {"shape": 8}, facts | {"shape": "no"}, facts | {"levels": "no"}):
        assert DatasetSpec.from_facts(damaged) is None
