"""Sliced score matching, which estimates the trace of the score's Jacobian by random directions."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.base import add_noise
from gradlog.models import BoundModel
from gradlog.models.bound_model import ScoreFn

# ``(key, shape, dtype) -> v`` with ``E v v^T = I``.
SliceLaw = Callable[[jax.Array, tuple[int, ...], jnp.dtype], Float[Array, "*D"]]


def rademacher(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Draw independent random signs; ``||v||^2`` always equals d."""
    return jax.random.rademacher(key, shape, dtype)


def gaussian(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Draw a standard normal vector."""
    return jax.random.normal(key, shape, dtype)


def sphere(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "*D"]:
    """Draw a vector uniform on the sphere of radius ``sqrt(d)``."""
    v = jax.random.normal(key, shape, dtype)
    return v * (math.sqrt(math.prod(shape)) / jnp.sqrt(jnp.sum(v**2)))


SLICE_LAWS: dict[str, SliceLaw] = {
    "gaussian": gaussian,
    "rademacher": rademacher,
    "sphere": sphere,
}


@dataclass(frozen=True)
class SlicedIntegrand:
    """Base class of integrands that average over ``slices`` random directions per example.

    Raises:
      ValueError: ``slices`` is below one.
    """

    slices: int = 1
    slice_law: SliceLaw = rademacher

    def __post_init__(self) -> None:
        if self.slices < 1:
            raise ValueError(f"slices must be at least 1, got {self.slices}")

    def directions(self, key: jax.Array, x: Float[Array, "*D"]) -> Float[Array, "slices *D"]:
        """Return the directions at x."""
        keys = jax.random.split(key, self.slices)
        return jax.vmap(lambda key: self.slice_law(key, x.shape, x.dtype))(keys)


def score_and_derivatives(
    score_fn: ScoreFn, x: Float[Array, "*D"], t: Float[Array, ""], vs: Float[Array, "slices *D"]
) -> tuple[Float[Array, "*D"], Float[Array, "slices *D"]]:
    """Return ``s(x, t)``, and ``(ds/dx) v`` for each direction v by one Jacobian-vector product."""

    def score_and_derivative(v):
        return jax.jvp(lambda x: score_fn(x, t), (x,), (v,))

    return jax.vmap(score_and_derivative, out_axes=(None, 0))(vs)


def dot_per_slice(a: Float[Array, "slices *D"], b: Float[Array, "..."]) -> Float[Array, " slices"]:
    """Return the inner products along the first axis of a; b may lack that axis."""
    return jnp.sum((a * b).reshape(len(a), -1), axis=1)


@dataclass(frozen=True)
class SlicedScoreMatching(SlicedIntegrand):
    """``sigma^2 (v^T grad s v + 1/2 (v^T s)^2)`` at x_t, averaged over directions v.

    SSM (Song et al. 2019, arXiv:1905.07088, eq. 7). It does not use the noise kernel: x_t is only a
    sample of p_t. Its expectation is that of explicit score matching minus ``sigma^2/2 E||grad log
    p_t||^2``, for every distribution of v with ``E v v^T = I``.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        noise_key, slice_key = jax.random.split(key)
        x, _ = add_noise(model.process, x0, t, noise_key)
        vs = self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        each = dot_per_slice(vs, derivatives) + 0.5 * dot_per_slice(vs, score) ** 2
        return model.process.sigma(t) ** 2 * jnp.mean(each)


@dataclass(frozen=True)
class ReducedVarianceScoreMatching(SlicedIntegrand):
    """``sigma^2 (v^T grad s v + 1/2 ||s||^2)`` at x_t, averaged over directions v.

    SSM-VR (Song et al. 2019, arXiv:1905.07088, eq. 8): SSM with the exact mean of ``(v^T s)^2``
    over v.
    """

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        return jnp.sum(self.per_dimension(model, x0, t, key))

    def per_dimension(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        """Return ``sigma_d^2 (v_d (grad s v)_d + 1/2 s_d^2)``, the terms of the sum."""
        noise_key, slice_key = jax.random.split(key)
        x, _ = add_noise(model.process, x0, t, noise_key)
        vs = self.directions(slice_key, x)
        score, derivatives = score_and_derivatives(model.score, x, t, vs)
        diagonal = jnp.mean(vs * derivatives, axis=0)
        return model.process.sigma(t) ** 2 * (diagonal + 0.5 * score**2)
