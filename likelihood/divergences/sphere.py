"""Probes on a sphere."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gradlog.likelihood.divergences.base import Probes
from gradlog.likelihood.divergences.hutchinson import Hutchinson


@dataclass(frozen=True)
class Sphere(Hutchinson):
    """Probes uniform on the sphere of radius ``sqrt(d)``: the same in every basis.

    Its variance is ``2 d/(d + 2) ||S - tr(S)/d I||_F^2``: exact on multiples of the identity, and
    the least that a law without a preferred basis can have.
    """

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        dims = math.prod(shape)
        v = jax.random.normal(key, (self.probes, dims))
        v = v * (math.sqrt(dims) / jnp.linalg.norm(v, axis=1, keepdims=True))
        return v.reshape(self.probes, *shape)
