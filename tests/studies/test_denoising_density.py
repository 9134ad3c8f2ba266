"""The alternation of a generator and its estimator, on Gaussians and on the moons."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.toy import denoising_density
from models import LABELS, NETWORKS, Energy, ScoreModel
from run import RunDirectory
from sde_lib import VE
from studies.denoising_density import DenoisingDensity
from studies.generator import Alternation
from studies.runs import folder_of


class Shift:
    """An energy of ``N(params, I)`` with noise at every level: what a network would learn."""

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


@pytest.mark.slow
def test_samples_of_the_moons_come_as_near_to_the_data_as_the_data(tmp_path):
    run = RunDirectory.open(tmp_path / "run", denoising_density.get_config())
    DenoisingDensity(extent=2.5)(run)
    found = json.loads((folder_of(run) / "denoising_density.json").read_text())
    mean, spread = found["floor"]
    assert found["end"] < mean + 4 * spread
    assert found["start"] > 10 * mean
