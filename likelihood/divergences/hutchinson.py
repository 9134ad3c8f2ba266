"""Hutchinson's estimator ``v^T J v``, with probes v of identity covariance."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import (
    Field,
    IndependentDraws,
    Probes,
    random_signs,
    value_and_forms,
)


@dataclass(frozen=True)
class Hutchinson(IndependentDraws):
    """``probes`` draws of one product each (Hutchinson 1990); a subclass draws v."""

    probes: int = 1

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        return value_and_forms(f, x, probes)

    def products(self, dims: int) -> int:
        del dims
        return self.probes


@dataclass(frozen=True)
class Rademacher(Hutchinson):
    """Random signs: the least variance of all probes with independent entries.

    The variance is ``2 sum_{a != b} S_ab^2``.
    """

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return random_signs(key, (self.probes, *shape))


@dataclass(frozen=True)
class Gaussian(Hutchinson):
    """Normal probes, of variance ``2 ||S||_F^2`` (Grathwohl et al. 2019, arXiv:1810.01367)."""

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        return jax.random.normal(key, (self.probes, *shape))


@dataclass(frozen=True)
class Sphere(Hutchinson):
    """Probes uniform on the sphere of radius ``sqrt(d)``: the same distribution in every basis.

    The variance is ``2 d/(d + 2) ||S - tr(S)/d I||_F^2``. It is zero for multiples of the identity,
    and the least of all distributions without a preferred basis.
    """

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        dims = math.prod(shape)
        v = jax.random.normal(key, (self.probes, dims))
        v = v * (math.sqrt(dims) / jnp.linalg.norm(v, axis=1, keepdims=True))
        return v.reshape(self.probes, *shape)
