"""Tests of a linear process that is learned, against closed forms on a correlated Gaussian."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import per_dimension
import pytest
import tiny
from jax.tree_util import Partial
from per_dimension import COVARIANCE, MEAN

from gradlog.losses import DenoisingScoreMatching, EvidenceBound, UniformTime
from gradlog.models import BoundModel
from gradlog.sde_lib import AffinePath, Basis, Blurring, LearnedAffine

ENTROPY = 0.5 * math.log(np.linalg.det(2 * math.pi * math.e * np.asarray(COVARIANCE)))
BASES = ("frequencies", "low_rank", "pixels")


def process(coordinates: str = "pixels", **settings) -> LearnedAffine:
    ends = {"gamma_min": -8.0, "gamma_max": 0.0} | settings
    return LearnedAffine((2,), coordinates=coordinates, rank=1, **ends)


def moved(affine: LearnedAffine, seed: int = 1) -> AffinePath:
    """Return the path of random parameters."""
    params = affine.init(jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    noises = [jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    return affine.bind(tree.unflatten([a + b for a, b in zip(leaves, noises, strict=True)]))


@pytest.mark.parametrize("coordinates", BASES)
def test_drift_and_diffusion_are_the_derivatives_of_the_marginals(coordinates):
    with jax.enable_x64(True):
        path = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), moved(process(coordinates))
        )
        f, g2 = path.drift_and_diffusion(0.4)
        step = 1e-5
        rate = lambda function: (function(0.4 + step) - function(0.4 - step)) / (2 * step)  # noqa: E731
        np.testing.assert_allclose(f, rate(path.log_alpha), rtol=1e-7)
        variance = rate(lambda t: path.sigma(t) ** 2)
        np.testing.assert_allclose(g2, variance - 2 * f * path.sigma(0.4) ** 2, rtol=1e-7)
        assert np.ptp(f) > 0.1  # f is no multiple of x
        assert np.ptp(np.log(g2)) > 0.1


def test_low_rank_is_a_multiple_of_the_identity_beside_its_space():
    affine = LearnedAffine((3, 2), coordinates="low_rank", rank=2)
    f, g2 = (level.reshape(-1) for level in moved(affine).drift_and_diffusion(0.5))
    for level in (f, g2):
        assert np.ptp(level[2:]) == 0
        assert np.min(np.abs(level[:2] - level[2])) > 1e-2


@pytest.mark.parametrize("wrong", [{"coordinates": "wavelets"}, {"rank": 6}, {"gamma_min": 6.0}])
def test_wrong_settings_raise(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LearnedAffine((3, 2), **{"coordinates": "low_rank"} | wrong)


def in_coordinates(basis: Basis, mean, covariance):
    """Return the mean and the covariance of a law in the coordinates of a basis."""
    turn = jax.vmap(basis.coordinates)
    return turn(mean[None])[0], turn(turn(covariance).T)


@jax.jit
def mean_bound(path, law):
    """Return the bound of the exact score, averaged over a law in the coordinates of the path.

    It is a quadratic function of x, so four points with the moments of the law have its mean.
    """
    roots = math.sqrt(2) * jnp.linalg.cholesky(law[1]).T
    points = jnp.concatenate([law[0] + roots, law[0] - roots])
    return jnp.mean(jax.vmap(lambda x: per_dimension.bound(path, x, law=law))(points))


def prior_gap(path, law):
    """Return the KL in nats of x_1 from the prior."""
    mean, covariance = per_dimension.marginal(path, 1.0, law)
    _, log_det = jnp.linalg.slogdet(covariance)
    return 0.5 * (jnp.trace(covariance) + mean @ mean - 2 - log_det)


LINEAR = {name: moved(process(name)) for name in BASES}
LINEAR["blurring"] = Blurring((2,), gamma_min=-8.0, gamma_max=0.0, blur_max=1.0)


@pytest.mark.parametrize("name", LINEAR)
def test_bound_of_the_exact_score_is_the_entropy_and_the_kl_of_the_prior(name):
    """``E[bound] = H + KL(p_T || prior)``: Song et al. 2021, arXiv:2101.09258, theorem 3."""
    path = LINEAR[name]
    law = in_coordinates(path.basis, MEAN, COVARIANCE)
    # The rule of midpoints with 2000 nodes has an error of some 1e-3.
    np.testing.assert_allclose(mean_bound(path, law), ENTROPY + prior_gap(path, law), atol=2e-3)


def test_gain_lets_a_short_path_meet_its_prior():
    """For centered data in their eigenbasis ``exp(2 gain) (alpha^2 v + sigma^2)`` is one then."""
    affine, v = process(), jnp.array([0.2, 1.7])
    params, law = affine.init(jax.random.key(0)), (jnp.zeros(2), jnp.diag(v))
    entropy = 0.5 * jnp.sum(jnp.log(2 * math.pi * math.e * v))

    def gap(gain):
        return mean_bound(affine.bind(params | {"gain": gain}), law) - entropy

    best = -0.5 * jnp.log(0.5 * v + 0.5)  # at gamma = 0
    value, slope = jax.value_and_grad(gap)(best)
    np.testing.assert_allclose(value, 0, atol=2e-3)
    np.testing.assert_allclose(slope, 0, atol=1e-4)
    assert gap(jnp.zeros(2)) > 0.04


def test_training_turns_a_low_rank_basis_until_x_1_is_white():
    """At gamma = -2 most of the data is left in x_1, which no scale of each pixel makes white."""
    affine = process("low_rank", gamma_max=-2.0)
    objective = EvidenceBound(DenoisingScoreMatching(), 0.0, UniformTime(), eps=0.0)
    learning = optax.adam(optax.cosine_decay_schedule(0.1, 200))
    centered, factor = jnp.zeros(2), jnp.linalg.cholesky(COVARIANCE)

    def loss(params, key):
        path = affine.bind(params)
        law = in_coordinates(path.basis, centered, COVARIANCE)
        score = lambda path, law, x, t: per_dimension.score(path, 1.0, x, t, law)  # noqa: E731
        model = BoundModel(path, Partial(score, path, law))
        x_key, u_key, key = jax.random.split(key, 3)
        xs = jax.random.normal(x_key, (64, 2)) @ factor.T
        u = (jnp.arange(64) + jax.random.uniform(u_key, (64,))) / 64
        draws = jax.vmap(lambda *row: objective(model, *row).value)
        return jnp.mean(draws(xs, u, jax.random.split(key, 64)))

    def advance(carry, key):
        params, state = carry
        updates, state = learning.update(jax.grad(loss)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    @tiny.optimized
    def run(key):
        start = affine.init(key)
        carry = start, learning.init(start)
        return jax.lax.scan(advance, carry, jax.random.split(key, 200))[0][0]

    path = affine.bind(run(jax.random.key(3)))
    found = prior_gap(path, in_coordinates(path.basis, centered, COVARIANCE))
    _, unscaled = per_dimension.marginal(process(gamma_max=-2.0).initial(), 1.0)
    correlation = unscaled[0, 1] / jnp.sqrt(unscaled[0, 0] * unscaled[1, 1])
    assert found < 0.1 * -0.5 * jnp.log(1 - correlation**2)  # the KL of the best scales
