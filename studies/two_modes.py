"""Two mixtures of two modes on a line with each other's weights, and what is between them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gradlog.distributions import GaussianMixture
from gradlog.theory.divergences import on_line

_POINTS = 1001  # of the quadrature: a few hundredths of a std apart, exact to rounding

# Both laws and the noise at some length.
Setting = Callable[[Any], tuple[GaussianMixture, GaussianMixture, Any]]


def two_modes(law: GaussianMixture, distance) -> tuple[GaussianMixture, GaussianMixture]:
    """With the law's weights and with these in reverse order; modes of std 1, ``distance`` from 0.

    Two isotropic mixtures in any dimension differ so along the line through their modes, and in
    the other directions not at all.
    """
    means, stds = jnp.array([[-1.0], [1.0]]) * distance, jnp.ones(2)
    p = GaussianMixture(law.weights, means, stds)
    return p, replace(p, weights=law.weights[::-1])


def exactly(setting: Setting, lengths) -> tuple[np.ndarray, np.ndarray]:
    """KL and Fisher divergence at each length, by quadrature."""

    def one(length: Array):
        p, q, noise = setting(length)
        reach = jnp.max(p.means) + 9 * jnp.sqrt(1 + noise**2)
        return on_line(p, q, jnp.linspace(-reach, reach, _POINTS), 1.0, noise)

    nats, fisher = jax.jit(lambda at: jax.lax.map(one, at))(jnp.asarray(lengths))
    return np.asarray(nats), np.asarray(fisher)
