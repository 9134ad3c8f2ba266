"""A correlated Gaussian on a path with noise levels for each dimension, in closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from gradlog.models import BoundModel
from gradlog.sde_lib import GaussianPath, Multivariate

MEAN = jnp.array([0.3, -0.5])
COVARIANCE = jnp.array([[0.5, 0.35], [0.35, 0.4]])
X = jnp.array([0.7, -0.1])
LAW = (MEAN, COVARIANCE)
PROCESS = Multivariate((2,), -8.0, 4.0, learn_ends=True)


def bent(seed: int = 1) -> dict:
    """Return parameters of two schedules that differ much, with ends of their own."""
    params = PROCESS.init(jax.random.key(0))
    keys = iter(jax.random.split(jax.random.key(seed), 5))
    params["inside"] = jax.tree.map(
        lambda leaf: leaf + 2 * jax.random.normal(next(keys), leaf.shape, jnp.float32),
        params["inside"],
    )
    params["ends"] = jax.tree.map(
        lambda leaf: leaf + 0.2 * jax.random.normal(next(keys), leaf.shape, jnp.float32),
        params["ends"],
    )
    return params


def marginal(process: GaussianPath, t, law=LAW):
    """Return the mean and the covariance of x_t, in the coordinates of the process."""
    alpha, sigma = process.alpha(t), process.sigma(t)
    return alpha * law[0], alpha[:, None] * law[1] * alpha + jnp.diag(sigma**2)


def inverse(matrix):
    """Return the inverse of a 2x2 matrix; XLA's own takes long for many small ones."""
    (a, b), (c, d) = matrix
    return jnp.array([[d, -b], [-c, a]]) / (a * d - b * c)


def score(process: GaussianPath, gain, x, t, law=LAW):
    mean, covariance = marginal(process, t, law)
    return -gain * (inverse(covariance) @ (x - mean))


def model(process: GaussianPath, gain=1.0) -> BoundModel:
    """Return a model whose score is wrong by a factor for each dimension."""
    return BoundModel(process, Partial(score, process, gain))


def squares(process: GaussianPath, t, x, gain=1.0, law=LAW):
    """Return ``E(sigma s + z)^2`` over the noise, for each dimension."""
    _, covariance = marginal(process, t, law)
    alpha, sigma = process.alpha(t), process.sigma(t)
    pull = (jnp.broadcast_to(gain, x.shape) * sigma)[:, None] * inverse(covariance)
    noise = jnp.eye(len(x)) - pull * sigma
    return jnp.sum(noise**2, axis=1) + (pull @ (alpha * (x - law[0]))) ** 2


def bound(process: GaussianPath, x, gain=1.0, nodes: int = 2000, steps: int = 0, law=LAW):
    """Return the expectation of the bound on ``-log p(x)`` in nats, from t = 0 to 1.

    With ``steps`` it is that of a chain of steps even in t.
    """
    t = (jnp.arange(nodes) + 0.5) / nodes
    rates = jax.vmap(process.log_rho_rate)(t)
    if steps:
        edges = jnp.linspace(0.0, 1.0, steps + 1)
        t, rises = edges[1:], jnp.diff(jax.vmap(process.log_rho)(edges), axis=0)
        rates = steps * 0.5 * jnp.expm1(2 * rises)
    each = rates * jax.vmap(lambda t: squares(process, t, x, gain, law))(t)
    alpha, sigma = process.alpha(1.0), process.sigma(1.0)
    prior = 0.5 * jnp.sum((alpha * x) ** 2 + sigma**2 - 1 - 2 * jnp.log(sigma))
    decoder = 0.5 * squares(process, 0.0, x, gain, law) + process.log_rho(0.0)
    return prior + jnp.mean(jnp.sum(each, 1)) + jnp.sum(decoder + 0.5 * math.log(2 * math.pi))


def log_density(x, process: GaussianPath | None = None, t: float = 0.0) -> np.ndarray:
    """Return ``log p_t(x)`` in nats, or without a path that of the data."""
    mean, covariance = (MEAN, COVARIANCE) if process is None else marginal(process, t)
    residual = x - mean
    _, log_det = jnp.linalg.slogdet(2 * math.pi * covariance)
    return -0.5 * (log_det + jnp.sum(residual * (residual @ inverse(covariance)), -1))
