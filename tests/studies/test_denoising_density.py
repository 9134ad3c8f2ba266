"""The alternation of a generator and its estimator, on Gaussians and on the moons."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradlog.configs.toy import denoising_density
from gradlog.experiment.reader import ConfigError
from gradlog.models import LABELS, NETWORKS, Energy, ScoreModel
from gradlog.run import RunDirectory
from gradlog.sde_lib import VE
from gradlog.studies.denoising_density import DenoisingDensity
from gradlog.studies.generator import Alternation
from gradlog.studies.generator_training import GeneratorTraining
from gradlog.studies.runs import folder_of


class Shift:
    """An energy of ``N(params, I)`` with noise at every level: what a network would learn."""

    def label(self, sde, t):
        return sde.sigma(t)

    def log_density_fn(self, sde, params):
        return lambda x, t: -0.5 * jnp.sum((x - params) ** 2) / (1 + sde.sigma(t) ** 2)

    def score_fn(self, sde, params):
        return jax.grad(self.log_density_fn(sde, params))


class Move:
    """A generator that adds its parameters."""

    def apply(self, variables, n, label, train):
        del n, label, train
        return variables["params"]

    def init(self, key, x, label, train):
        del key, label, train
        return {"params": jnp.zeros_like(x)}


def test_the_alternation_brings_a_shifted_gaussian_to_the_data():
    """Both estimators have the right family, so nothing but the alternation can fail."""
    mean = jnp.array([0.7, -0.4])
    alternation = Alternation(
        sde=VE(),
        t=0.4,
        model=Shift(),
        network=Move(),
        data_params=mean,
        shape=(2,),
        inner_steps=5,
        batch=64,
        estimator_rate=2e-2,
        generator_rate=5e-3,
    )
    state = alternation.init(jax.random.key(0))
    np.testing.assert_array_equal(state.average, jnp.zeros(2))
    keys = jax.random.split(jax.random.key(1), 1500)
    end = jax.jit(lambda s: jax.lax.scan(lambda s, key: (alternation(s, key), None), s, keys)[0])(
        state
    )
    np.testing.assert_allclose(end.average, mean, atol=0.05)
    # The estimator has come to the generator, from where it began, which was the data.
    np.testing.assert_allclose(end.estimator, end.generator, atol=0.1)
    drawn = alternation.samples(end.average, jax.random.key(2), 4000)
    assert np.all(np.abs(drawn.mean(axis=0) - end.average) < 4 / np.sqrt(4000))


def test_nothing_moves_the_generator_where_its_estimator_is_the_datas():
    network = NETWORKS["mlp"](hidden=8, num_layers=1, embedding=8)
    model = ScoreModel(network, Energy(1.0), LABELS["log_rho"]())
    params = model.init(jax.random.key(0), (2,))
    alternation = Alternation(VE(), 0.4, model, network, params, (2,), 1, 8, 1e-3, 1e-3)
    generator = alternation.init(jax.random.key(1)).generator
    slope = jax.jit(jax.grad(alternation.kl))

    def steepness(estimator):
        return optax.global_norm(slope(generator, estimator, jax.random.key(2)))

    other = jax.tree.map(lambda leaf: leaf + 0.3, params)
    assert steepness(params) < 1e-5 * steepness(other)


def small_alternation(**changes):
    network = NETWORKS["mlp"](hidden=8, num_layers=1, embedding=8, embedding_type="fourier")
    model = ScoreModel(network, Energy(1.0), LABELS["sigma"]())
    params = model.init(jax.random.key(0), (2,))
    settings = {"inner_steps": 1, "batch": 8, "estimator_rate": 1e-3, "generator_rate": 1e-3}
    return Alternation(VE(), 0.4, model, network, params, (2,), **settings | changes)


TEST = np.random.default_rng(0).standard_normal((20, 2))


@pytest.mark.parametrize(
    ("steps", "measurements", "marks"),
    [
        (2000, 20, list(range(0, 2001, 100))),
        (10, 4, [0, 3, 6, 9, 10]),
        (3, 20, [0, 1, 2, 3]),
        (7, 1, [0, 7]),
    ],
)
def test_blocks_add_up_to_all_steps_whatever_the_measurements(steps, measurements, marks):
    assert GeneratorTraining(None, TEST, steps, measurements).marks == marks


def test_a_generator_whose_embedding_has_no_value_at_zero_trains_all_its_steps():
    training = GeneratorTraining(small_alternation(), TEST, steps=5, measurements=3)
    curve, samples = training(jax.random.key(0))
    assert [step for step, _ in curve] == [0, 2, 4, 5]
    assert np.isfinite(samples).all()
    assert len({distance for _, distance in curve}) == 4


def test_a_generator_that_diverges_says_at_which_step():
    alternation = small_alternation(generator_rate=float("inf"))
    with pytest.raises(ConfigError, match="not finite after 2 steps"):
        GeneratorTraining(alternation, TEST, steps=4, measurements=2)(jax.random.key(0))


@pytest.mark.slow
def test_samples_of_the_moons_come_within_four_standard_deviations_of_the_datas_distance(tmp_path):
    run = RunDirectory.open(tmp_path / "run", denoising_density.get_config())
    DenoisingDensity(extent=2.5)(run)
    found = json.loads((folder_of(run) / "denoising_density.json").read_text())
    mean, spread = found["floor"]
    assert found["end"] < mean + 4 * spread
    assert found["start"] > 10 * mean
