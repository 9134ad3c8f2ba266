"""configs/own.py chooses an experiment for any data at a path."""

import subprocess
import sys

import numpy as np
import pytest
import tiny
from PIL import Image

from gradlog.configs import own
from gradlog.data import Inspection
from gradlog.experiment import own_data
from gradlog.experiment.build import build, check_config, load_dataset
from gradlog.experiment.loading import load_config
from gradlog.experiment.schema import ConfigFileError, find_problem

RANDOM = np.random.default_rng(0)


def _inspection(shape, loader="folder", levels=256, same_shape=True):
    return Inspection(loader, "/data", shape, same_shape, levels, 0.0 if levels else 1.0, 100)


@pytest.fixture
def pictures(tmp_path):
    for number, size in enumerate(range(20, 40)):
        pixels = RANDOM.integers(0, 256, (size, 60 - size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.jpg")
    return tmp_path


@pytest.fixture
def save(tmp_path):
    def save_array(array):
        np.save(tmp_path / "data.npy", array)
        return tmp_path / "data.npy"

    return save_array


def _built(path):
    config = load_config(f"configs/own.py:{path}")
    assert find_problem(config) == ""
    return config, build(config, load_dataset(config))


def test_pictures_become_squares_of_one_size(pictures, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    config, experiment = _built(pictures)
    assert experiment.dataset.shape == (16, 16, 3)
    assert (len(experiment.dataset.train), len(experiment.dataset.test)) == (18, 2)
    assert config.data.path == str(pictures)


ARRAYS = [
    (RANDOM.integers(0, 17, (30, 8, 8), dtype=np.uint8), (8, 8, 1), 17),
    (RANDOM.integers(0, 256, (30, 9, 7, 2), dtype=np.uint8), (9, 7, 2), 256),
    (RANDOM.normal(size=(30, 12, 12)).astype(np.float32), (12, 12, 1), None),
    (RANDOM.normal(size=(30, 3)), (3,), None),
    (RANDOM.integers(0, 9, (30, 300)), (300,), 9),
]


@pytest.mark.parametrize(("array", "shape", "levels"), ARRAYS)
def test_every_kind_of_array_has_an_experiment(save, array, shape, levels):
    _, experiment = _built(save(array))
    assert (experiment.dataset.shape, experiment.dataset.levels) == (shape, levels)


@pytest.mark.parametrize("device", ["cpu", "accelerator"])
@pytest.mark.parametrize(
    ("found", "cpu", "accelerator"),
    [
        (_inspection((28, 28, 1)), 28, 28),
        (_inspection((128, 128, 3)), 16, 128),
        (_inspection((32, 32, 3)), 32, 32),
        (_inspection((600, 400, 3)), 16, 64),
        (_inspection((50, 45, 3), same_shape=False), 16, 44),
        (_inspection((13, 90, 3), same_shape=False), 12, 12),
        (_inspection((3, 3, 3), same_shape=False), 3, 3),
    ],
)
def test_images_of_a_folder_are_never_enlarged(found, cpu, accelerator, device):
    side = own_data.choose_config(found, device).data.image_size
    assert side == {"cpu": cpu, "accelerator": accelerator}[device]
    assert side <= min(found.shape[:2])


@pytest.mark.parametrize("device", ["cpu", "accelerator"])
@pytest.mark.parametrize("side", [*range(1, 34), 64, 96, 128])
def test_the_network_can_halve_the_images(side, device):
    config = own_data.choose_config(_inspection((side, side, 3), "files"), device)
    halvings = len(config.model.ch_mult) - 1
    assert side % 2**halvings == 0
    assert halvings == 0 or side >> halvings >= own_data.COARSEST


@pytest.mark.parametrize(
    ("platforms", "plugin", "device", "found"),
    [
        ("", True, True, True),
        ("cuda", True, True, True),
        ("cpu", True, True, False),
        ("", False, True, False),
        ("", True, False, False),
    ],
)
def test_an_accelerator_needs_its_device_and_its_plugin(
    monkeypatch, tmp_path, platforms, plugin, device, found
):
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    monkeypatch.setattr(own_data, "PLUGINS", ("json" if plugin else "no_such_package",))
    monkeypatch.setattr(own_data, "Path", lambda _: tmp_path)
    if device:
        (tmp_path / "nvidia0").touch()
    assert own_data.has_accelerator() is found


def test_intervals_follow_the_number_of_steps():
    config = own_data.choose_config(_inspection((8, 8, 1)), "cpu")
    config.training.steps = 500
    assert (config.optimizer.decay_steps, config.training.checkpoint_every) == (500, 100)
    config.optimizer.accumulate = 4
    assert (config.optimizer.decay_steps, config.optimizer.warmup) == (125, 6)  # in updates
    config.training.checkpoint_every = 7
    assert (config.training.checkpoint_every, config.training.eval_every) == (7, 100)


@pytest.mark.parametrize("steps", [1, 7, 50, 99, 100])
def test_a_small_number_of_steps_is_valid(steps):
    config = own_data.choose_config(_inspection((8, 8, 1)), "cpu")
    config.training.steps = steps
    check_config(config)


@pytest.mark.parametrize(
    ("path", "said"),
    [("", "--config=configs/own.py:PATH"), ("/none", "no folder and no file")],
)
def test_a_wrong_path_is_refused_in_one_line(path, said):
    with pytest.raises(ConfigFileError, match=said) as caught:
        own.get_config(path)
    assert "\n" not in str(caught.value)


def test_choosing_does_not_import_jax(save):
    path = save(RANDOM.normal(size=(30, 3)))
    program = f"""
import sys
from gradlog.configs import own
own.get_config({str(path)!r})
assert not {{"jax", "flax", "optax"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tiny.ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
