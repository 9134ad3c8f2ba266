"""Variational dequantization: a flow that proposes where in its level a datum lies.

Ho et al. 2019 (Flow++, arXiv:1902.00275, section 3.1) train ``q(u | x)`` by ``E_q[log p(x + u) -
log q(u | x)]``. Their coupling layers end in a sigmoid, which float32 rounds to the ends of a
level. The coupling layers here are rational-quadratic splines of the unit interval onto itself
(Durkan et al. 2019, Neural Spline Flows, arXiv:1906.04032). So the support is the level, and the
density is bounded.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import zeros_init
from jaxtyping import Array, Float, Num

from gradlog.models.dequantizers import Dequantizer, Uniform
from gradlog.models.networks.layers import conv3x3, dense
from gradlog.sde_lib.pytree import pytree

_NARROWEST = 1e-2  # share of an interval's even width that every bin has
_STEEPEST = 3.0  # largest absolute log slope at a knot


@jax.tree_util.register_static
@dataclass(frozen=True, kw_only=True)
class Variational(Uniform):
    """`Uniform`, whose u goes through a flow that is conditioned on the datum: ``log q(u | x)``.

    Its parameters are the group "dequantizer". At the start the flow is the identity, so points and
    ``log q = 0`` are those of `Uniform` with the same key. Without parameters it is `Uniform`.

    Attributes:
      levels: as in `Levels`.
      centered: as in `Levels`.
      dequantizer_features: width of the networks of the flow.
      dequantizer_layers: number of coupling layers; each moves every second dimension.
      dequantizer_bins: number of bins of a spline.
    """

    dequantizer_features: int = 32
    dequantizer_layers: int = 4
    dequantizer_bins: int = 8

    @property
    def flow(self) -> "CouplingFlow":
        return CouplingFlow(
            self.dequantizer_features, self.dequantizer_layers, self.dequantizer_bins
        )

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> dict[str, Any]:
        return dict(self.flow.init(key, jnp.full(shape, 0.5), jnp.zeros(shape))["params"])

    def bind(self, params: dict[str, Any]) -> "BoundVariational":
        return BoundVariational(self, params)


@pytree
class BoundVariational(Dequantizer):
    """`Variational` with its parameters."""

    dequantizer: Variational
    params: Any

    @property
    def log_scale(self) -> float:
        return self.dequantizer.log_scale

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        """Return a point of the model's space and ``log q(u | x) = -log |du/dv|`` in nats.

        Here v is the uniform number that the flow maps to u.
        """
        stored = self.dequantizer
        v = jax.random.uniform(key, x.shape)
        centers = 2 * (x + 0.5) / stored.levels - 1
        u, log_det = cast(tuple, stored.flow.apply({"params": self.params}, v, centers))
        return stored.place(x, u), -log_det

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return self.dequantizer.to_data(x)


class CouplingFlow(nn.Module):
    """A smooth map of the unit cube onto itself, which depends on a context of the same shape.

    Each layer moves every second dimension, as a chessboard does, by splines whose parameters are a
    network's function of the other half and of the context. The network of an image is
    convolutional, that of other data is dense. All splines begin as the identity.
    """

    features: int
    layers: int
    bins: int

    @nn.compact
    def __call__(
        self, v: Float[Array, "*D"], context: Float[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]:
        """Return ``u(v)`` in [0, 1]^d and ``log |du/dv|``."""
        parity = jnp.indices(v.shape).sum(axis=0) % 2
        log_det = jnp.zeros(())
        for layer in range(self.layers):
            moves = parity == layer % 2
            seen = jnp.where(moves, 0.0, 2 * v - 1)
            knots = self._network(jnp.stack([context, seen, jnp.where(moves, 1.0, -1.0)], axis=-1))
            moved, log_slope = jax.vmap(spline)(v.reshape(-1), knots.reshape(v.size, -1))
            v = jnp.where(moves, moved.reshape(v.shape), v)
            log_det += jnp.sum(jnp.where(moves, log_slope.reshape(v.shape), 0.0))
        return v, log_det

    def _network(self, inputs: Float[Array, "*D 3"]) -> Float[Array, "*D knots"]:
        """Return the parameters of a spline for each dimension, zero at the start."""
        *shape, _ = inputs.shape
        is_image = len(shape) == 3
        layer = conv3x3 if is_image else dense
        h = layer(self.features)(inputs.reshape(*shape[:2], -1) if is_image else inputs.reshape(-1))
        for _ in range(2):
            h += layer(self.features)(nn.swish(h))
        outputs, zeros = 3 * self.bins + 1, zeros_init()
        count = outputs * math.prod(shape[2:] if is_image else shape)
        if is_image:
            head = nn.Conv(count, (3, 3), kernel_init=zeros)
        else:
            head = nn.Dense(count, kernel_init=zeros)
        return head(nn.swish(h)).reshape(*shape, outputs)


def spline(
    v: Float[Array, ""], knots: Float[Array, " knots"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return an increasing map of [0, 1] onto itself, and the log of its slope.

    It is a rational quadratic between any two knots (Durkan et al. 2019, eq. 4 and 5). The ``3 bins
    + 1`` parameters are widths and heights of the bins, before a softmax, and log slopes at the
    knots. With all of them zero it is the identity.
    """
    bins = (len(knots) - 1) // 3
    widths, heights = (
        _NARROWEST / bins + (1 - _NARROWEST) * jax.nn.softmax(part)
        for part in (knots[:bins], knots[bins : 2 * bins])
    )
    slopes = jnp.exp(_STEEPEST * jnp.tanh(knots[2 * bins :] / _STEEPEST))
    lefts, bottoms = (jnp.cumsum(part) - part for part in (widths, heights))
    bin_ = jnp.sum(v >= lefts[1:])
    width, height = widths[bin_], heights[bin_]
    d0, d1, s = slopes[bin_], slopes[bin_ + 1], height / width
    at = (v - lefts[bin_]) / width
    both = at * (1 - at)
    below = s + (d0 + d1 - 2 * s) * both
    u = bottoms[bin_] + height * (s * at**2 + d0 * both) / below
    slope = s**2 * (d1 * at**2 + 2 * s * both + d0 * (1 - at) ** 2) / below**2
    return u, jnp.log(slope)
