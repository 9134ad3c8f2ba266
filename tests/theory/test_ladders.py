"""The ladder that data need, against the published ladders of Song & Ermon 2020, table 4."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
from scipy.spatial.distance import pdist

from gradlog.evaluation import score_training
from gradlog.experiment.build import load_dataset
from gradlog.experiment.training_parts import ladder_notes
from gradlog.storage import Workdir
from gradlog.theory.ladders import advise_ladder, ladder_ratio, relative_step

# Dimensions, sigma_max, levels, steps at each level, epsilon; all end at 0.01.
PUBLISHED = {
    "cifar10": (3 * 32**2, 50, 232, 5, 6.2e-6),
    "celeba64": (3 * 64**2, 90, 500, 5, 3.3e-6),
    "ffhq256": (3 * 256**2, 348, 2311, 3, 0.9e-6),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_levels_and_steps_are_the_published_ones(name):
    """They chose the overlap by eye, "approximately one half", and two digits of epsilon."""
    dims, sigma_max, levels, steps, epsilon = PUBLISHED[name]
    ours = 1 + np.log(sigma_max / 0.01) / np.log(ladder_ratio(dims))
    np.testing.assert_allclose(ours, levels, rtol=0.06)
    gamma = (sigma_max / 0.01) ** (1 / (levels - 1))
    np.testing.assert_allclose(relative_step(gamma, steps) * 1e-4, epsilon, rtol=0.03)


def test_neighbors_overlap_by_one_half():
    """Draws of the norm at one level, and the region of three stds at the next."""
    dims, gamma = 500, ladder_ratio(500)
    z = np.random.default_rng(0).standard_normal((20_000, dims))
    radius, spread = np.sqrt(dims), 1 / np.sqrt(2)
    norms = np.linalg.norm(z, axis=1)
    share = np.mean(np.abs(norms - gamma * radius) < 3 * gamma * spread)
    np.testing.assert_allclose(share, 0.5, atol=0.02)


def test_a_level_keeps_its_variance_as_well_as_any_step_does():
    """The recursion of Langevin dynamics for data at one point, in units of the level."""
    gamma, steps = 1.04, 5

    def last_variance(e):
        variance = gamma**2
        for _ in range(steps):
            variance = (1 - e) ** 2 * variance + 2 * e
        return variance

    best = relative_step(gamma, steps)
    found, less, more = (last_variance(factor * best) for factor in (1, 0.9, 1.1))
    assert 1 < found < min(less, more)


def test_the_ladder_of_a_data_set():
    """Two images of 256 levels in [0, 1], black and white, are 8 apart."""
    points = np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1))])
    advice = advise_ladder(points, 1 / 256)
    assert advice.sigma_max == 8
    assert advice.sigma_min == 1 / 256
    assert advice.step_size == pytest.approx(2 / 256**2 * relative_step(ladder_ratio(64), 5))
    assert advise_ladder(points, None).sigma_min == pytest.approx(8 / 5000)
    with pytest.raises(ValueError, match="equal"):
        advise_ladder(points[:1], None)


@pytest.mark.parametrize("name", ["ve", "vp"])
def test_a_note_says_the_ladder_of_the_data(name):
    config = tiny.digits(**{"sde.name": name})
    dataset = load_dataset(config)
    (note,) = ladder_notes(config, dataset)
    levels = 2 / 17 * np.asarray(dataset.train[np.arange(1500)], float)
    farthest = np.max(pdist(levels.reshape(len(levels), -1)))
    assert f"sigma_max = {farthest:.3g}, sigma_min = {2 / 17:.2g} " in note
    assert (f"this training has {config.sde.sigma_max:g}" in note) == (name == "ve")


@pytest.mark.parametrize(("data", "process", "said"), [("files", "vp", 1), ("digits", "vp", 0)])
def test_a_training_on_own_data_begins_with_the_ladder(data, process, said, capsys):
    config = tiny.digits(**{"sde.name": process})
    experiment: Any = SimpleNamespace(config=config, dataset=load_dataset(config))
    config.data.name = data
    score_training._say_notes(Workdir(Path("unused")), experiment, None)
    assert capsys.readouterr().out.count("sigma_max") == said
