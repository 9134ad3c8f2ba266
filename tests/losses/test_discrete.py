"""Tests of training on discrete levels: the losses of DDPM and SMLD as in score_sde."""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.losses import Ladder, ScoreFlow, ScoreMatching, Sigma2, Steps, denoising_integrand
from gradlog.models import DiffusionModel, LadderIndex, Noise, Score, StepIndex
from gradlog.sde_lib import DDPM, VE, VP

LEVELS = 12
RNG = np.random.default_rng(0)
X0, Z = RNG.normal(size=(2, 3, 2)).astype(np.float32)


class LabelNetwork(nn.Module):
    """A network whose output depends on the point and on the index of the level."""

    @nn.compact
    def __call__(self, x, label, condition=None, *, train):
        return output_of(x, label)


def output_of(x, index):
    return jnp.sin(3 * x) + 0.1 * index * jnp.cos(x)


@dataclass(frozen=True)
class GivenNoise:
    """Denoising score matching at a fixed noise."""

    def __call__(self, model, x0, t, key):
        return denoising_integrand(model, x0, t, jnp.asarray(Z))


def _loss_at(levels, sde, parametrization, label, proposal, *, reduce_mean):
    """Return the loss of one example at each of these levels; u near 0 selects the first."""
    loss = ScoreMatching(
        integrand=GivenNoise(),
        weighting=Sigma2(),
        proposal=proposal,
        eps=0.0,
        scaling=ScoreFlow(reduce_mean=reduce_mean),
    )
    us = (np.asarray(levels) + 0.5) / LEVELS
    model = DiffusionModel(sde, LabelNetwork(), parametrization, label).bind({"network": {}})
    run = lambda u: loss.at_point(model, jnp.asarray(X0), u, jax.random.key(0))  # noqa: E731
    return jax.vmap(run)(jnp.asarray(us, jnp.float32))


def _reduced(squares, reduce_mean):
    return np.mean(squares) if reduce_mean else 0.5 * np.sum(squares)


@pytest.mark.parametrize("reduce_mean", [True, False])
def test_ddpm_loss_equals_the_official_one_at_every_step(reduce_mean):
    sde = DDPM(num_steps=LEVELS, beta_min=0.1, beta_max=5.0)
    steps = (Noise(), StepIndex(LEVELS), Steps(LEVELS))
    got = _loss_at(range(LEVELS), sde, *steps, reduce_mean=reduce_mean)
    alphas_cumprod = np.cumprod(1 - np.linspace(0.1 / LEVELS, 5.0 / LEVELS, LEVELS))
    for i, signal in enumerate(alphas_cumprod):
        output = output_of(np.sqrt(signal) * X0 + np.sqrt(1 - signal) * Z, i)
        np.testing.assert_allclose(got[i], _reduced((output - Z) ** 2, reduce_mean), rtol=2e-5)


@pytest.mark.parametrize("reduce_mean", [True, False])
def test_smld_loss_equals_the_official_one_at_every_level(reduce_mean):
    sde = VE(sigma_min=0.01, sigma_max=50.0)
    ladder = (Score(), LadderIndex(LEVELS, 0.0), Ladder(LEVELS))
    got = _loss_at(range(LEVELS), sde, *ladder, reduce_mean=reduce_mean)
    for i, sigma in enumerate(np.geomspace(50.0, 0.01, LEVELS)):
        squares = (output_of(X0 + sigma * Z, i) + Z / sigma) ** 2 * sigma**2
        np.testing.assert_allclose(got[i], _reduced(squares, reduce_mean), rtol=3e-5)


def test_steps_have_equal_probability_and_the_last_is_t_max():
    us = jnp.linspace(0, 1, 6001)[:-1]
    times, inverse_density = jax.vmap(lambda u: Steps(6)(VP(), 0.1, u))(us)
    found, counts = np.unique(np.round(6 * times, 5), return_counts=True)
    np.testing.assert_array_equal(found, np.arange(1, 7))
    assert np.all(np.abs(counts - 1000) <= 1)
    assert np.all(inverse_density == 1)
    assert Steps(6)(VP(), 0.1, jnp.float32(1.0))[0] == 1.0  # where rounding brings u to one


def test_step_index_is_an_integer_at_the_nodes_and_linear_between_them():
    label = StepIndex(1000)
    nodes = jnp.arange(1, 1001) / 1000
    np.testing.assert_allclose(label(DDPM(), nodes), np.arange(1000), atol=1e-4)
    np.testing.assert_allclose(label(DDPM(), 0.25 + 0.5e-3), 249.5, atol=1e-4)


def test_fewer_than_one_step_raises():
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        Steps(0)
