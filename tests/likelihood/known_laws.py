"""Distributions with a known log density at every noise level, and samples of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.distributions import Distribution, Gaussian, GaussianMixture
from gradlog.sde_lib import SDE

EPS = 1e-5
POINTS = 32

_CENTERS = 0.5 * np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
LAWS: dict[str, Distribution] = {
    "gaussian": Gaussian(mean=jnp.asarray(_CENTERS[0]), std=jnp.geomspace(0.03, 1.0, 12)),
    "mixture": GaussianMixture(
        weights=jnp.array([0.2, 0.5, 0.3]),
        means=jnp.asarray(_CENTERS),
        stds=jnp.array([0.3, 0.5, 0.1]),
    ),
    "plane": GaussianMixture(
        weights=jnp.array([0.3, 0.7]),
        means=jnp.array([[-0.6, 0.2], [0.5, -0.1]]),
        stds=jnp.array([0.2, 0.3]),
    ),
}


def draw(law: Distribution, sde: SDE, eps: float, count: int = POINTS):
    """Draw points of p_eps."""
    return _draw(law, sde, eps, count)


@functools.partial(jax.jit, static_argnums=3)  # one program for all laws and paths of a kind
def _draw(law, sde, eps, count):
    def one(key):
        data_key, noise_key = jax.random.split(key)
        return sde.perturb(law.sample(data_key), eps, jax.random.normal(noise_key, law.shape))

    return jax.vmap(one)(jax.random.split(jax.random.key(1), count))


def in_float64(tree):
    """Copy the leaves in float64; x64 must be enabled."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), tree)


def log_density64(law: Distribution, xs, alpha=lambda: 1.0, sigma=lambda: 0.0) -> np.ndarray:
    """Return the log density in nats at each point, computed in float64."""
    with jax.enable_x64(True):
        scales = (np.float64(scale()) for scale in (alpha, sigma))
        return np.asarray(_log_densities(in_float64(law), in_float64(xs), *scales))


@jax.jit
def _log_densities(law, xs, alpha, sigma):
    return jax.vmap(functools.partial(law.log_density, alpha=alpha, sigma=sigma))(xs)


def exact_prior(law: Distribution, sde: SDE):
    """Return the log density of x at t_max, to replace the prior of the process."""
    return lambda z: law.log_density_fn(sde)(z, sde.t_max)


def keys(count: int = POINTS, seed: int = 0):
    """Return one key per example."""
    return jax.random.split(jax.random.key(seed), count)
