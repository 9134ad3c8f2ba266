"""Every objective's minimizer is the score: linear scores of correlated Gaussian data.

For ``x0 ~ N(m, C)`` the score at a level is ``-(alpha^2 C + sigma^2 I)^-1 (x - alpha m)``. With
``s(x) = A x + b`` the loss is quadratic in (A, b), so one Newton step from anywhere reaches the
minimizer of the sampled loss. A loss with moving targets is quadratic for fixed targets, and a few
steps reach its fixed point.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import struct
from jax.flatten_util import ravel_pytree

from gradlog.distributions import Distribution
from gradlog.losses import INTEGRANDS
from gradlog.models import BoundModel
from gradlog.sde_lib import VP
from tests.losses.making import make_objective

MEAN = np.array([1.5, -1.0, 0.8])
COVARIANCE = np.array([[1.0, 0.5, -0.2], [0.5, 0.7, 0.1], [-0.2, 0.1, 0.5]])
T = 0.2  # sigma = 0.58; test_estimators.py compares the losses at other levels
CHUNKS, CHUNK = 24, 4096
# The score of the prior. From far away the moving targets of second-order denoising mislead.
START = (-np.eye(3), np.zeros(3))


@struct.dataclass
class CorrelatedGaussian(Distribution):
    mean: jax.Array
    covariance: jax.Array

    @property
    def shape(self):
        return self.mean.shape

    def sample(self, key):
        return self.mean + jnp.linalg.cholesky(self.covariance) @ jax.random.normal(key, self.shape)

    def log_density(self, x, alpha=1.0, sigma=0.0):
        covariance = alpha**2 * self.covariance + sigma**2 * jnp.eye(x.size)
        deviation = x - alpha * self.mean
        return -0.5 * deviation @ jnp.linalg.solve(covariance, deviation)

    def score_fn(self, sde):
        def score(x, t):
            covariance = sde.alpha(t) ** 2 * self.covariance + sde.sigma(t) ** 2 * jnp.eye(x.size)
            return -jnp.linalg.solve(covariance, x - sde.alpha(t) * self.mean)

        return score


def compiled(name):
    """Return gradient and Hessian of the mean loss in (A, b), flattened."""
    oracle = CorrelatedGaussian(jnp.asarray(MEAN), jnp.asarray(COVARIANCE))
    objective, sde = make_objective(name, oracle), VP()
    unravel = ravel_pytree(jax.tree.map(jnp.asarray, START))[1]

    def mean_loss(flat, key, t):
        A, b = unravel(flat)

        def one(key):
            x0_key, loss_key = jax.random.split(key)
            x0 = oracle.sample(x0_key)
            return objective(BoundModel(sde, lambda x, t: A @ x + b), x0, t, loss_key)

        return jnp.mean(jax.vmap(one)(jax.random.split(key, CHUNK)))

    @tiny.optimized
    def derivatives(flat, t):
        def both(key):
            def twice(flat):
                gradient = jax.grad(mean_loss)(flat, key, t)
                return gradient, gradient

            hessian, gradient = jax.jacfwd(twice, has_aux=True)(flat)
            return gradient, hessian

        means = jax.lax.map(both, jax.random.split(jax.random.key(7), CHUNKS))
        return jax.tree.map(lambda x: jnp.mean(x, axis=0), means)

    return derivatives


@pytest.mark.parametrize("name", INTEGRANDS)
def test_minimizer_is_the_score_of_the_data(name):
    with jax.enable_x64(True):
        derivatives = compiled(name)
        start, unravel = ravel_pytree(jax.tree.map(jnp.asarray, START))
        flat, steps = start, []
        for _ in range(8 if name == "dsm2" else 2):
            gradient, hessian = derivatives(flat, T)
            step = jnp.linalg.solve(hessian, gradient)
            flat, steps = flat - step, [*steps, float(jnp.linalg.norm(step))]
        A, b = jax.device_get(unravel(flat))
        alpha, sigma = float(VP().alpha(T)), float(VP().sigma(T))
        want_A = -np.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * np.eye(3))
        want_b = -want_A @ (alpha * MEAN)
    assert steps[-1] < 1e-6 * steps[0]
    got, want = (np.column_stack(parts) for parts in ((A, b), (want_A, want_b)))
    assert np.linalg.norm(got - want) < 0.02 * np.linalg.norm(want)
