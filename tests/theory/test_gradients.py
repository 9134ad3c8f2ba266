"""The gradient meter against closed forms, and gradients of objectives against each other."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.losses import INTEGRANDS
from gradlog.models import BoundModel
from gradlog.sde_lib import VP
from gradlog.theory.gradients import (
    GradientMeter,
    denoising_variance,
    explicit_denoising_gap,
)

SDE = VP()
MIXTURE = GaussianMixture(
    jnp.array([0.3, 0.7]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.3, 0.5])
)
GAUSSIAN = Gaussian(jnp.array([0.0, 0.0, 0.0]), jnp.array([0.5, 1.0, 2.0]))


def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def loss_of(name, oracle, score, **settings):
    """Return ``(params, key, t) -> loss`` of one example, for ``sigma s = score(params, x)``."""
    known = inspect.signature(INTEGRANDS[name]).parameters
    settings = {"distribution": oracle} | settings
    integrand = INTEGRANDS[name](**{key: settings[key] for key in known if key in settings})

    def loss(params, key, t):
        data_key, key = jax.random.split(key)
        score_fn = lambda x, t: score(params, x) / SDE.sigma(t)  # noqa: E731
        return integrand(BoundModel(SDE, score_fn), oracle.sample(data_key), t, key)

    return loss


def network(params, x):
    return params["out"] @ jnp.tanh(params["in"] @ x + params["bias"])


PARAMS = {
    "in": jax.random.normal(jax.random.key(1), (6, 2)),
    "bias": jax.random.normal(jax.random.key(2), (6,)),
    "out": 0.3 * jax.random.normal(jax.random.key(3), (2, 6)),
}


def test_moments_of_a_gaussian_gradient_are_the_closed_forms():
    """``grad (p . (m + S e)) = m + S e``: mean m, variances S^2, and of their estimate 2 S^4/n."""
    mean = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
    std = {"a": jnp.array([0.5, 1.0]), "b": jnp.array(2.0)}

    def loss(params, key):
        e = jax.random.normal(key, (3,))
        noise = {"a": e[:2], "b": e[2]}
        gradient = jax.tree.map(lambda m, s, e: m + s * e, mean, std, noise)
        return sum(jax.tree.leaves(jax.tree.map(lambda p, g: jnp.sum(p * g), params, gradient)))

    n = 8192
    found = GradientMeter(loss, 1000)(mean, keys(n))
    for key in mean:
        assert np.all(np.abs(found.mean[key] - mean[key]) < 4 * std[key] / np.sqrt(n))
        assert np.all(np.abs(found.variances[key] / std[key] ** 2 - 1) < 4 * 2 / np.sqrt(n))
    # Half the square of each of n/2 differences has variance 2 S^4.
    error = np.sqrt(2 * (0.5**4 + 1 + 2**4) / (n / 2))
    assert abs(found.total_variance - 5.25) < 4 * error
    np.testing.assert_allclose(found.standard_error, error, rtol=0.1)
    np.testing.assert_allclose(found.mean_norm, np.sqrt(5.25), rtol=0.05)


def test_a_mean_of_pure_noise_has_a_norm_near_zero():
    def loss(params, key):
        return params @ jax.random.normal(key, (400,))

    found = GradientMeter(loss)(jnp.zeros(400), keys(64))
    naive = np.linalg.norm(found.mean)
    assert naive > 2
    assert found.mean_norm < 0.5 * naive


def test_the_chunk_changes_nothing():
    loss = lambda params, key: jnp.sum(jax.random.normal(key, (3,)) * params**2)  # noqa: E731
    found = [GradientMeter(loss, chunk)(jnp.arange(1.0, 4.0), keys(40)) for chunk in (4, 40, 64)]
    for other in found[1:]:
        np.testing.assert_allclose(other.total_variance, found[0].total_variance, rtol=1e-5)
        np.testing.assert_allclose(other.mean, found[0].mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("n", "chunk", "message"),
    [
        (5, 2, "keys.*got 5"),
        (2, 2, "keys.*got 2"),
        (8, 3, "chunk.*got 3"),
        (8, 0, "chunk.*got 0"),
    ],
)
def test_draws_that_make_no_pairs_raise(n, chunk, message):
    with pytest.raises(ValueError, match=message):
        GradientMeter(lambda p, key: p, chunk)(jnp.zeros(()), keys(n))


def linear(factor, x):
    return factor * x


@pytest.mark.parametrize("name", ["esm", "ism", "dsm"])
def test_variance_of_a_linear_scores_gradient_is_the_closed_form(name):
    """For ``sigma s = f x`` on a Gaussian of zero mean and variances v at this level.

    ESM: ``(f + sigma/v_i) x_i^2`` summed. DSM: ``f x_i^2 + z_i x_i`` summed, where z is in part
    independent of x: ``z_i = (sigma/v_i) x_i + e_i`` with ``Var e_i = 1 - sigma^2/v_i``. So DSM's
    variance is ESM's plus ``sum v_i - sigma^2``. Exact ISM has ``sigma d + f ||x||^2``.
    """
    f, n = 0.3, 100_000
    meter = GradientMeter(loss_of(name, GAUSSIAN, linear), n)
    for t in (0.05, 0.4):
        sigma = float(SDE.sigma(t))
        v = np.asarray(GAUSSIAN.variance(SDE.alpha(t), sigma), float)
        want = {
            "esm": np.sum(2 * (f + sigma / v) ** 2 * v**2),
            "ism": np.sum(2 * f**2 * v**2),
        }
        want["dsm"] = want["esm"] + np.sum(v - sigma**2)
        found = meter(jnp.asarray(f), keys(n), jnp.asarray(t))
        assert abs(found.total_variance - want[name]) < 4 * found.standard_error
        assert found.standard_error < 0.05 * want[name]


# That the others have the loss of one of them at every score, test_estimators.py shows.
UNBIASED = ("dsm", "esm", "ism", "ssm")


@pytest.fixture(scope="module")
def found():
    """Moments of integrands on the mixture, each with its own draws."""
    n, t = 20_000, jnp.asarray(0.2)
    return {
        name: GradientMeter(loss_of(name, MIXTURE, network), n)(PARAMS, keys(n, seed), t)
        for seed, name in enumerate(UNBIASED)
    }


@pytest.mark.parametrize("name", sorted(set(UNBIASED) - {"esm"}))
def test_mean_gradient_is_that_of_explicit_score_matching(found, name):
    """Each of the 30 entries agrees within 4 standard errors."""
    one, other = found[name], found["esm"]

    def scores(a, b, variance_a, variance_b):
        return (a - b) / np.sqrt(variance_a / one.draws + variance_b / other.draws)

    trees = one.mean, other.mean, one.variances, other.variances
    z = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(jax.tree.map(scores, *trees))])
    assert z.size == 30
    assert np.max(np.abs(z)) < 4
    gradient = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(other.mean)])
    assert np.linalg.norm(gradient) > 10 * np.sqrt(one.total_variance / one.draws)


@pytest.mark.parametrize(("mean", "noisy"), [("esm", "dsm"), ("ism", "ssm")])
def test_a_conditional_mean_has_the_smaller_variance(found, mean, noisy):
    """Explicit is the mean of denoising over x0; implicit is the mean of sliced over slices."""
    rise = found[noisy].total_variance - found[mean].total_variance
    assert rise > 5 * np.hypot(found[noisy].standard_error, found[mean].standard_error)


def test_gap_of_denoising_is_half_the_posterior_variance():
    """It equals half of ``d - sigma^2 E||grad log p_t||^2``, for every score."""
    score_fn = lambda x, t: jnp.sin(3 * x) / SDE.sigma(t)  # noqa: E731

    @jax.jit
    def both(t, keys, other_keys):
        sigma, alpha = SDE.sigma(t), SDE.alpha(t)

        def fisher_form(key):
            x = MIXTURE.sample_at(key, alpha, sigma)
            return 0.5 * (x.size - sigma**2 * jnp.sum(MIXTURE.score(x, alpha, sigma) ** 2))

        gap = explicit_denoising_gap(MIXTURE, SDE, score_fn, t, keys)
        return gap, jax.vmap(fisher_form)(other_keys)

    for t in (0.05, 0.2, 0.6):
        gap, values = jax.device_get(both(t, keys(40_000), keys(40_000, 5)))
        measured, theory, difference = gap
        assert abs(difference[0]) < 3 * difference[1]
        assert measured[1] < 0.1 * theory[0]
        error = np.hypot(values.std() / np.sqrt(len(values)), theory[1])
        assert abs(values.mean() - theory[0]) < 3 * error


def test_gap_on_a_gaussian_is_the_closed_form():
    """``1/2 sum (1 - sigma^2/v_i)``, v the variances at this level."""
    t = 0.3
    sigma = SDE.sigma(t)
    want = 0.5 * np.sum(1 - sigma**2 / GAUSSIAN.variance(SDE.alpha(t), sigma))
    score_fn = lambda x, t: -x  # noqa: E731
    for value, error in explicit_denoising_gap(GAUSSIAN, SDE, score_fn, t, keys(40_000))[:2]:
        assert abs(value - want) < 4 * error + 1e-6
        assert error < 0.05 * want


def test_what_denoising_adds_to_the_variance_is_the_closed_form():
    """``sum v_i - sigma^2`` for ``sigma s = f x`` on a Gaussian, as above."""
    t = 0.4
    sigma = float(SDE.sigma(t))
    want = np.sum(np.asarray(GAUSSIAN.variance(SDE.alpha(t), sigma), float) - sigma**2)
    score_fn = lambda f, x, t: f * x / SDE.sigma(t)  # noqa: E731
    key = jax.random.key(0)
    value, error = denoising_variance(
        GAUSSIAN, SDE, score_fn, jnp.asarray(0.3), t, key, samples=40_000
    )
    assert abs(value - want) < 4 * error
    assert error < 0.02 * want


def test_what_denoising_adds_is_the_difference_of_the_variances(found):
    score_fn = lambda params, x, t: network(params, x) / SDE.sigma(t)  # noqa: E731
    key = jax.random.key(9)
    value, error = denoising_variance(MIXTURE, SDE, score_fn, PARAMS, 0.2, key, samples=20_000)
    measured = found["dsm"].total_variance - found["esm"].total_variance
    noise = np.hypot(found["dsm"].standard_error, found["esm"].standard_error)
    assert abs(measured - value) < 4 * np.hypot(noise, error)
    assert noise < 0.1 * measured


def test_noise_orthogonal_to_the_parameters_adds_nothing():
    """The first coordinate of the data is known, and a line in it is all that is learned."""
    law = Gaussian(jnp.zeros(2), jnp.array([0.0, 1.0]))

    def score_fn(params, x, t):
        slope, offset = params
        return jnp.stack([slope * x[0] + offset, -x[1]]) / SDE.sigma(t)

    params = jnp.array([0.3, -0.2])
    value, _ = denoising_variance(law, SDE, score_fn, params, 0.3, jax.random.key(0))
    gap = explicit_denoising_gap(law, SDE, lambda x, t: score_fn(params, x, t), 0.3, keys(1000))
    assert value < 1e-8
    # The loss has the posterior variance of the second coordinate.
    np.testing.assert_allclose(gap[1][0], 0.5 * SDE.alpha(0.3) ** 2, rtol=1e-4)
