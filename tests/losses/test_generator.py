"""Tests of the generator's loss against the KL of noisy Gaussians in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian
from gradlog.losses import GeneratorKL
from gradlog.sde_lib import SDES, VP

T = jnp.float32(0.3)
N = 40_000
MEAN, STD = jnp.array([0.4, -0.3]), 0.6  # of the generator
DATA_MEAN, DATA_STD = jnp.array([-0.5, 0.2]), 0.9


# The loss meets a process in alpha and sigma alone: two that differ in both.
@pytest.fixture(params=["ve", "straight"])
def sde(request):
    return SDES[request.param]()


def gaussian(mean, std):
    return Gaussian(mean, jnp.full(2, std))


def objective(sde, mean, std, data_mean=DATA_MEAN, data_std=DATA_STD):
    """Return the objective with exact densities instead of both estimators."""
    return GeneratorKL(
        sde,
        data_log_density=gaussian(data_mean, data_std).log_density_fn(sde),
        generated_log_density=gaussian(mean, std).log_density_fn(sde),
    )


def closed_kl(sde, mean, std):
    alpha, sigma = sde.alpha(T), sde.sigma(T)
    q, p = (alpha * std) ** 2 + sigma**2, (alpha * DATA_STD) ** 2 + sigma**2
    shift = alpha**2 * jnp.sum((mean - DATA_MEAN) ** 2) / p
    return 0.5 * (shift + 2 * (q / p - 1 - jnp.log(q / p)))


def over_draws(function):
    """Return mean and standard error of ``function(n, key)`` over latents and noises."""
    latents = jax.random.normal(jax.random.key(0), (N, 2))
    values = jax.jit(jax.vmap(function))(latents, jax.random.split(jax.random.key(1), N))
    return np.mean(values, axis=0), np.std(values, axis=0) / np.sqrt(N)


def test_mean_equals_the_kl_of_the_noisy_distributions(sde):
    kl = objective(sde, MEAN, STD)
    mean, error = over_draws(lambda n, key: kl(MEAN + STD * n, T, key))
    want = closed_kl(sde, MEAN, STD)
    assert abs(mean - want) < 4 * error
    assert want > 10 * error


def test_every_draw_has_the_kl_gradient_for_a_shift(sde):
    """With equal variances ``grad log q_t - grad log p_t`` is a constant."""
    kl = objective(sde, MEAN, STD, data_std=STD)
    variance = (sde.alpha(T) * STD) ** 2 + sde.sigma(T) ** 2
    want = sde.alpha(T) ** 2 * (MEAN - DATA_MEAN) / variance
    slope = jax.jit(jax.grad(lambda m, n: kl(m + STD * n, T, jax.random.key(9))))
    for seed in range(3):
        n = jax.random.normal(jax.random.key(seed), (2,))
        np.testing.assert_allclose(slope(MEAN, n), want, rtol=1e-4)


def test_gradient_with_fixed_q_equals_that_of_the_kl(sde):
    kl = objective(sde, MEAN, STD)

    def slope(n, key):
        return jnp.stack(jax.grad(lambda p: kl(p[0] + p[1] * n, T, key))((MEAN, jnp.full(2, STD))))

    mean, error = over_draws(slope)
    of_mean, of_std = jax.jit(jax.grad(lambda p: closed_kl(sde, *p)))((MEAN, STD))
    # A std for each coordinate, of which the closed form has one for both.
    want = jnp.stack([of_mean, jnp.full(2, of_std / 2)])
    assert np.all(np.abs(mean - want) < 4 * error)
    assert np.all(np.abs(want) > 10 * error)


def test_outdated_estimator_of_q_gives_another_gradient():
    """An estimator of q that lags behind the generator causes a bias, not only noise."""
    stale = objective(VP(), MEAN + 0.3, STD)
    mean, error = over_draws(lambda n, key: jax.grad(lambda m: stale(m + STD * n, T, key))(MEAN))
    want = jax.jit(jax.grad(lambda m: closed_kl(VP(), m, STD)))(MEAN)
    assert np.all(np.abs(mean - want) > 10 * error)


def test_constants_of_the_densities_do_not_change_the_gradient():
    kl = objective(VP(), MEAN, STD)
    shifted = GeneratorKL(
        VP(),
        lambda x, t: kl.data_log_density(x, t) + 3.0,
        lambda x, t: kl.generated_log_density(x, t) - 5.0,
    )
    x0, key = jnp.array([0.1, 0.2]), jax.random.key(4)
    (got, got_slope), (want, want_slope) = (
        jax.jit(jax.value_and_grad(each))(x0, T, key) for each in (shifted, kl)
    )
    np.testing.assert_allclose(got - want, -8.0, rtol=1e-5)
    np.testing.assert_allclose(got_slope, want_slope, rtol=1e-5)
