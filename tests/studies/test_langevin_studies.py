"""The studies of Langevin dynamics in small: their files, and the weights of the modes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.config_error import ConfigError
from gradlog.configs.theory import ddpm_langevin
from gradlog.configs.toy import langevin
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sampling import Sample
from gradlog.sde_lib import VE
from gradlog.studies.ddpm_langevin import DDPMLangevin
from gradlog.studies.langevin import Langevin
from gradlog.studies.plane import (
    draw_samples,
    report_diverged,
    share_of_first_mode,
    std_within_modes,
)

LAW = GaussianMixture(jnp.array([0.5, 0.5]), jnp.array([[-1.0, 0.0], [1.0, 0.0]]), jnp.ones(2))


def small(module, path, **overrides):
    config = module.get_config()
    config.data.update(num_train=64, num_test=16)
    config.model.update(hidden=8, num_layers=1, embedding=8, num_scales=3)
    config.training.update(steps=2, batch_size=8)
    config.optimizer.decay_steps = 2
    config.sampling.update(steps_per_level=40, num_steps=4)
    config.update_from_flattened_dict(overrides)
    return Run.open(path, config)


def numbers(run, name):
    return json.loads((run.workdir.root / "study" / f"{name}.json").read_text())


def test_shares_count_the_nearest_mode_and_have_a_binomial_error():
    x = np.array([[-0.1, 5.0], [0.1, -5.0], [3.0, 0.0], [2.0, 0.0]])
    assert share_of_first_mode(LAW, x) == (0.25, np.sqrt(0.25 * 0.75 / 4))


def test_std_within_modes_is_a_standard_deviation_per_dimension():
    around = 0.1 * np.random.default_rng(0).standard_normal((5000, 2))
    x = around + np.where(np.arange(5000)[:, None] % 3 == 0, [-1.0, 0.0], [1.0, 0.0])
    np.testing.assert_allclose(std_within_modes(LAW, x), 0.1, rtol=4 / np.sqrt(2 * x.size))


def test_the_langevin_study_trains_if_the_score_is_learned_and_samples_by_it(tmp_path, monkeypatch):
    models = []

    def draw(run, sampler, model, count):
        models.append(model)
        return np.random.default_rng(0).normal(size=(count, 2))

    monkeypatch.setattr("gradlog.studies.langevin.draw_samples", draw)
    monkeypatch.setattr("gradlog.studies.langevin.save_gif", lambda *_: None)
    run = small(langevin, tmp_path / "run")
    Langevin(learned=True, samples=50)(run)
    assert run.steps() == [2]
    assert len(models) == 2
    assert models[0] is models[1]
    score = jax.jit(lambda model: model.score(jnp.array([0.3, -0.2]), 0.5))
    trained = run.experiment.model.bind(run.params())
    np.testing.assert_array_equal(score(models[0]), score(trained))
    assert set(numbers(run, "langevin")) >= {"true", "exact", "langevin", "annealed_langevin"}


def test_a_study_raises_if_all_chains_diverge(tmp_path):
    run = small(langevin, tmp_path / "run", **{"sampling.step_size": 100.0})
    with pytest.raises(ConfigError, match=r"config\.sampling\.step_size"):
        Langevin(samples=5, chains=4, frames=2)(run)


def test_diverged_chains_are_counted_reported_and_left_out(tmp_path, capsys):
    run = small(langevin, tmp_path / "run")

    def half(model, z, key):
        del model, key
        return Sample(z, jnp.asarray(1), z[0] > 0)

    x = draw_samples(run, half, BoundModel(VE(), lambda x, t: x), 40)
    assert 5 < len(x) < 35
    assert np.all(x[:, 0] > 0)
    line = f"warning: {40 - len(x)} of 40 chains diverged and are left out\n"
    assert capsys.readouterr().out == line


def test_nothing_is_reported_if_no_chain_diverged(capsys):
    report_diverged(np.ones(3, bool))
    assert capsys.readouterr().out == ""


def unstable_far_out(self, x, alpha=1.0, sigma=0.0):
    """Push away from the origin beyond a distance of 30, where few chains start."""
    far = jnp.linalg.norm(x) > 30
    return jnp.where(far, 1e30 * x, -x / (1 + sigma**2))


def test_the_langevin_study_counts_the_chains_that_diverged(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(GaussianMixture, "score", unstable_far_out)
    run = small(langevin, tmp_path / "run", **{"sampling.steps_per_level": 3})
    Langevin(samples=100, chains=60, frames=2)(run)
    found = numbers(run, "langevin")
    assert found["langevin_diverged"] == 100 - found["langevin_samples"] > 5
    said = capsys.readouterr().out
    assert f"warning: {found['langevin_diverged']} of 100 chains diverged and are left out" in said
    assert "of 60 chains diverged and are left out" in said


def test_the_ddpm_study_counts_the_chains_that_diverged(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "gradlog.studies.ddpm_langevin.draw_samples",
        lambda run, sampler, model, count: np.random.default_rng(0).normal(size=(count - 3, 2)),
    )
    monkeypatch.setattr(Run, "train", lambda run: None)  # nothing uses its parameters
    monkeypatch.setattr(Run, "params", lambda run: {"network": {}})
    run = small(ddpm_langevin, tmp_path / "run")
    DDPMLangevin(samples=20)(run)
    counts = {name: row["diverged"] for name, row in numbers(run, "ddpm_langevin").items()}
    assert counts == {"exact": 0, "own_steps": 3, "annealed_langevin": 3}


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"sampling.denoise": True}, "config.sampling.denoise = False"),
        ({"sampling.name": "langevin"}, "'annealed_langevin'"),
        ({"data.name": "moons"}, "config.data.name = 'mixture'"),
        ({"objective.weighting": "likelihood"}, "weighting = 'sigma2'"),
        ({"sde.name": "subvp"}, "config.sde.name = 'vp'"),
    ],
)
def test_an_unsuitable_configuration_raises_with_the_required_keys(tmp_path, change, needed):
    run = small(ddpm_langevin, tmp_path / "run", **change)
    with pytest.raises(ConfigError, match=needed):
        DDPMLangevin(samples=5)(run)
