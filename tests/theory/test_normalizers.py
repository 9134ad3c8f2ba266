"""The constant of an unnormalized Gaussian, whose log is ``d/2 log(2 pi) + log det`` in nats."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian
from gradlog.theory.normalizers import log_normalizer_by_importance, log_normalizer_by_quadrature

STD = jnp.array([0.5, 1.3])
LOG_Z = float(jnp.sum(jnp.log(STD)) + np.log(2 * np.pi))


def log_density(x):
    return -0.5 * jnp.sum((x / STD) ** 2)


def test_quadrature_has_the_constant_of_a_gaussian():
    np.testing.assert_allclose(log_normalizer_by_quadrature(log_density, 2, 9.0), LOG_Z, atol=1e-4)
    with pytest.raises(ValueError, match="dims = 3"):
        log_normalizer_by_quadrature(log_density, 3, 9.0)


def test_importance_has_the_constant_and_an_honest_error():
    """Over 200 repetitions the deviations in units of the error have a variance of one."""
    proposal = Gaussian(jnp.zeros(2), 1.2 * STD)

    def one(key):
        x = jax.vmap(proposal.sample)(jax.random.split(key, 500))
        return log_normalizer_by_importance(
            jax.vmap(log_density)(x), jax.vmap(proposal.log_density)(x)
        )

    found, error = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 200))
    z = (found - LOG_Z) / error
    assert abs(np.mean(z)) < 4 / np.sqrt(200)
    np.testing.assert_allclose(np.std(z), 1, atol=0.2)
    assert np.mean(error) < 0.03
