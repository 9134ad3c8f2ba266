"""A path that is learned as a whole: its drift, its bound, its samples, and their training."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog import MLP, DiffusionModel, ScaledTime, fit
from gradlog.distributions import Gaussian
from gradlog.likelihood import NeuralLikelihood, OneDraw
from gradlog.losses import drift_error
from gradlog.models import Datum
from gradlog.sampling import NeuralReverse
from gradlog.sde_lib import VP, ConditionalPath, Neural
from gradlog.sde_lib.pytree import pytree

KEY, STD = jax.random.key(0), 0.5
LAW = Gaussian(jnp.array([0.3, -0.5]), jnp.array([0.4, 0.8]))


@pytree
class OfSDE(ConditionalPath):
    """The path of an SDE, with r times its diffusion."""

    process: Any
    churn: Any = 1.0

    def moments(self, x0, t):
        return self.process.alpha(t) * x0, jnp.full_like(x0, self.process.log_sigma(t))

    def log_g(self, t):
        return 0.5 * jnp.log(self.process.drift_and_diffusion(t)[1]) + jnp.log(self.churn)


def linear_error(churn, t, x0, z, gain=0.8):
    """Return the error of the drift for a score that is ``gain`` times the exact one."""
    process = VP()
    score = lambda x, t: gain * LAW.score_fn(process)(x, t)  # noqa: E731

    def datum(x, t):  # Tweedie's formula
        return (x + process.sigma(t) ** 2 * score(x, t)) / process.alpha(t)

    path = OfSDE(process, churn)
    found = drift_error(path, x0, datum(path.perturb(x0, t, z), t), t, z)
    square = jnp.sum((process.sigma(t) * score(process.perturb(x0, t, z), t) + z) ** 2)
    return found, process.log_rho_rate(t) * square


@pytest.mark.parametrize("churn", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("t", [0.05, 0.5, 0.9])
def test_error_on_an_affine_path_is_that_of_denoising_score_matching(t, churn):
    """At every draw, with the factor of another diffusion than the forward one."""
    x0, z = jnp.array([0.7, -0.1]), jnp.array([-0.4, 1.3])
    with jax.enable_x64(True):
        found, want = linear_error(jnp.float64(churn), jnp.float64(t), x0 * 1.0, z * 1.0)
        slope = jax.grad(lambda r: linear_error(r, jnp.float64(t), x0, z)[0])(jnp.float64(1.0))
    np.testing.assert_allclose(found, (1 + churn**2) ** 2 / (4 * churn**2) * want, rtol=2e-5)
    assert abs(slope) < 1e-5 * want  # the forward diffusion is the best


def bent(moves, size=1):
    neural = Neural((size,), moves, neural_hidden=4)
    spec = jax.eval_shape(neural.init, KEY)
    numbers = np.random.default_rng(0)
    return neural.bind(jax.tree.map(lambda leaf: numbers.normal(size=leaf.shape), spec))


@pytest.mark.parametrize("moves", ["mean", "mean_and_std"])
def test_backward_equation_carries_the_path_of_a_datum(moves):
    """The Fokker-Planck equation of time read backward: ``dq/dt = -(b q)' - 1/2 g^2 q''``."""
    with jax.enable_x64(True):
        path, x0 = bent(moves), jnp.array([0.6])

        def q(x, t):
            mean, log_std = path.moments(x0, t)
            return jnp.exp(-0.5 * ((x - mean[0]) / jnp.exp(log_std[0])) ** 2 - log_std[0])

        def flow(x, t):
            return path.backward_drift(x0, t, x[None])[0] * q(x, t)

        def rates(t):
            mean, log_std = path.moments(x0, t)
            x = mean[0] + 0.7 * jnp.exp(log_std[0])
            g2 = jnp.exp(2 * path.log_g(t))
            second = jax.grad(jax.grad(q))(x, t)
            return jax.grad(q, 1)(x, t), -jax.grad(flow)(x, t) - 0.5 * g2 * second

        rate, want = jax.jit(jax.vmap(rates))(jnp.array([0.2, 0.5, 0.8]))
    np.testing.assert_allclose(rate, want, rtol=1e-8)


@pytest.mark.parametrize("moves", ["mean", "mean_and_std"])
def test_path_ends_in_the_prior_and_begins_at_the_datum(moves):
    path, x0 = bent(moves), jnp.array([0.6])
    for t, want in ((0.0, (0.6, math.log(0.01))), (1.0, (0.0, 0.0))):
        np.testing.assert_allclose(np.ravel(path.moments(x0, t)), want, atol=1e-6)
    (first, _), (other, log_std) = (path.moments(a, 0.5) for a in (x0, x0 + 1))
    assert abs(float((other - first)[0] - 0.5)) > 1e-3  # it is not affine in the datum
    assert (abs(float(log_std[0]) - 0.5 * math.log(0.01)) > 1e-3) == (moves == "mean_and_std")


def model(sigma_data, **settings):
    network = MLP(hidden=16, num_layers=1)
    return DiffusionModel(Neural((2,), **settings), network, Datum(sigma_data), ScaledTime())


ENTROPY = 0.5 * math.log(2 * math.pi * math.e * STD**2)  # of each dimension


def test_bound_and_samples_of_the_exact_linear_model():
    """Before training the estimate of Gaussian data is exact: the bound is their entropy."""
    exact = model(STD, neural_hidden=4)
    params = exact.init(KEY, (2,))
    bound = exact.bind(params | {"network": jax.tree.map(jnp.zeros_like, params["network"])})
    xs = STD * jax.random.normal(jax.random.key(1), (400, 2))
    keys = jax.random.split(jax.random.key(2), len(xs))
    log_prob = tiny.optimized(NeuralLikelihood(samples=32))(bound, xs, keys)
    density = np.sum(-0.5 * (xs / STD) ** 2 - 0.5 * math.log(2 * math.pi * STD**2), axis=-1)
    error = np.std(log_prob.nats - density) / math.sqrt(len(xs))
    assert abs(np.mean(log_prob.nats - density)) < 4 * error
    assert error < 0.1
    # The errors of the estimator are honest.
    np.testing.assert_allclose(
        np.mean(np.square(log_prob.standard_error)), np.var(log_prob.nats - density), rtol=0.5
    )
    sampler = NeuralReverse(num_steps=100)
    z = jax.random.normal(jax.random.key(3), (1000, 2))
    each = tiny.optimized(jax.vmap(sampler, (None, 0, 0)))
    samples = each(bound, z, jax.random.split(KEY, len(z)))
    np.testing.assert_allclose(np.std(samples.x), STD, rtol=0.06)
    assert np.all(samples.ok)


def test_joint_training_approaches_the_entropy_and_moves_the_path():
    points = STD * np.random.default_rng(0).normal(size=(2000, 2)).astype(np.float32)
    fitted = fit(model(1.0, neural_hidden=8), points, steps=400, batch_size=128)
    likelihood = OneDraw(NeuralLikelihood(samples=32))
    test = STD * np.random.default_rng(1).normal(size=(500, 2)).astype(np.float32)
    nats = fitted.log_prob(test, KEY, likelihood)
    density = np.sum(-0.5 * (test / STD) ** 2 - 0.5 * math.log(2 * math.pi * STD**2), axis=-1)
    above = (density - nats) / 2
    error = np.std(above) / math.sqrt(len(above))
    assert -4 * error < np.mean(above) < 0.06 + 4 * error
    assert fitted.losses[0] > ENTROPY + 0.1  # the mean of the first hundred steps
    assert np.any(fitted.params["process"]["moments"]["Dense_2"]["kernel"])  # zero at first
