"""Denoising with noise that is not Gaussian: the closed forms of Gaussian data with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from gradlog.losses import KERNELS, AnisotropicKernel, DenoisingScoreMatching, LaplaceKernel
from gradlog.models import BoundModel
from gradlog.sde_lib import VP

SDE, T, D, N = VP(), jnp.asarray(0.3), 3, 40_000
STD = 0.7  # of the data, around MEAN
MEAN = jnp.array([0.5, -1.0, 2.0])
KEYS = jax.random.split(jax.random.key(0), N)


def deviation(x):
    """Return the deviation of x_t from its mean, and the variance of its data."""
    alpha = SDE.alpha(T)
    return x - alpha * MEAN, (alpha * STD) ** 2


def laplace_score(x, t):
    """The score of the sum of a normal and a Laplace variable, in each dimension."""
    (y, v), b = deviation(x), SDE.sigma(T) / jnp.sqrt(2)
    log_a = -y / b + norm.logcdf((y - v / b) / jnp.sqrt(v))
    log_b = y / b + norm.logcdf(-(y + v / b) / jnp.sqrt(v))
    return jnp.tanh((log_b - log_a) / 2) / b


def anisotropic_score(x, t):
    y, v = deviation(x)
    return -y / (v + (SDE.sigma(T) * AnisotropicKernel().stds((D,))) ** 2)


def gaussian_score(x, t):
    y, v = deviation(x)
    return -y / (v + SDE.sigma(T) ** 2)


SCORES = {"anisotropic": anisotropic_score, "gaussian": gaussian_score, "laplace": laplace_score}


@pytest.mark.parametrize("name", KERNELS)
def test_the_score_of_a_kernel_is_that_of_its_draws(name):
    """``E score(n) n^T = -I``, which determines a Gaussian and the scale of any; and E n = 0."""
    kernel = KERNELS[name]()
    n = np.asarray(jax.vmap(lambda key: kernel.sample(key, (D,)))(KEYS), float)
    scores = np.asarray(jax.vmap(kernel.score)(jnp.asarray(n, jnp.float32)), float)
    each = scores[:, :, None] * n[:, None]
    error = each.std(axis=0) / np.sqrt(N)
    np.testing.assert_array_less(np.abs(each.mean(axis=0) + np.eye(D)), 4 * error)
    np.testing.assert_array_less(np.abs(n.mean(axis=0)), 4 * n.std(axis=0) / np.sqrt(N))


def test_laplace_noise_has_variance_one():
    n = np.asarray(jax.vmap(lambda key: LaplaceKernel().sample(key, (D,)))(KEYS), float)
    error = (n**2).std() / np.sqrt(n.size)
    assert abs((n**2).mean() - 1) < 4 * error


@pytest.mark.parametrize("name", KERNELS)
def test_the_loss_rises_from_the_closed_form_by_the_square_of_the_error(name):
    """``J(s + e) - J(s) = 1/2 sigma^2 E||e||^2`` exactly if s is the score of the noisy law."""
    integrand, exact = DenoisingScoreMatching(kernel=KERNELS[name]()), SCORES[name]

    def field(x):
        return jnp.tanh(x) - 0.5

    @jax.jit
    @jax.vmap
    def rise(key):
        data_key, key = jax.random.split(key)
        x0 = MEAN + STD * jax.random.normal(data_key, (D,))
        at = [
            integrand(BoundModel(SDE, lambda x, t, a=a: exact(x, t) + a * field(x)), x0, T, key)
            for a in (1.0, 0.0)
        ]
        x = SDE.perturb(x0, T, integrand.kernel.sample(key, (D,)))
        return at[0] - at[1] - 0.5 * SDE.sigma(T) ** 2 * jnp.sum(field(x) ** 2)

    difference = np.asarray(rise(KEYS), float)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(N)


def test_equal_stds_are_the_gaussian_kernel_itself():
    x0, key = jnp.linspace(-1, 1, D), jax.random.key(3)
    model = BoundModel(SDE, gaussian_score)
    gaussian, equal = (
        DenoisingScoreMatching(kernel=kernel)(model, x0, T, key)
        for kernel in (KERNELS["gaussian"](), AnisotropicKernel(1.0))
    )
    np.testing.assert_array_equal(gaussian, equal)


def test_a_reference_batch_needs_gaussian_noise():
    with pytest.raises(ValueError, match="reference = 4"):
        DenoisingScoreMatching(4, kernel=LaplaceKernel())
