import inspect
import subprocess
import sys

import numpy as np
import pytest

from gradlog.data import DATASETS, BatchStream, Dataset

# The ones that need neither a download nor files of the user.
SELF_CONTAINED = ("digits", "photos", "mixture", "moons", "checkerboard", "circle")


def _keywords(load):
    return inspect.signature(load).parameters.values()


def test_the_names_of_all_data_sets():
    assert set(DATASETS) == {
        *SELF_CONTAINED,
        "tfds",
        "cifar10",
        "imagenet32",
        "files",
        "folder",
        "text",
    }


@pytest.mark.parametrize("name", DATASETS)
def test_a_loader_takes_configurable_keywords(name):
    load = DATASETS[name]
    for keyword in _keywords(load):
        assert keyword.kind is keyword.KEYWORD_ONLY
        assert type(keyword.default) in (str, int, float, bool), keyword
        assert keyword.default is not inspect.Parameter.empty
        assert keyword.name != "name"
    assert inspect.signature(load).return_annotation is Dataset
    assert "Raises:" in (load.__doc__ or "")


def test_a_keyword_has_one_default_and_one_type():
    found = {}
    for load in DATASETS.values():
        for keyword in _keywords(load):
            found.setdefault(keyword.name, set()).add((type(keyword.default), keyword.default))
    assert {name: values for name, values in found.items() if len(values) > 1} == {}


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_the_facts_for_a_likelihood_are_right(name, tmp_path):
    load = DATASETS[name]
    wanted = {"data_dir": str(tmp_path)} if name == "digits" else {}
    found = load(**wanted)
    batch = BatchStream(found.train, 16, seed=0)[3]
    tests = found.test[np.arange(5)]
    assert batch.shape == (16, *found.shape)
    assert tests.shape == (5, *found.shape)
    assert batch.dtype == tests.dtype
    if found.levels is None:
        assert batch.dtype == np.float32
    else:
        assert batch.dtype == (np.uint8 if found.levels <= 256 else np.uint16)
        assert found.train[np.arange(len(found.train))].max() == found.levels - 1
    assert found.fingerprint == load(**wanted).fingerprint
    assert (found.num_classes is None) == (found.train_labels is None)


def test_importing_the_package_is_quick():
    """`main.py --help` must not wait for JAX, tensorflow-datasets or scikit-learn."""
    heavy = ("jax", "tensorflow_datasets", "tensorflow", "sklearn", "grain")
    code = f"import gradlog.data, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
