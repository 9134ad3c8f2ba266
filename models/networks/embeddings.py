"""Embeddings of the noise label and of the class: sines and cosines, or a learned vector."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

EMBEDDING_TYPES = ("fourier", "fourier_linear", "positional", "table")


def positional_embedding(
    label: Float[Array, ""], size: int, max_period: float = 10_000.0
) -> Float[Array, " size"]:
    """Return sines, then cosines, of `label` at frequencies from 1 down to 1/max_period.

    Vaswani et al. 2017, in the order of Ho et al. 2020. It resolves labels that differ by about 1,
    in a range of up to about 1000. For an odd size the last number is zero.

    Raises:
      ValueError: the size is less than 4, so that there would be one frequency.
    """
    if size < 4:
        raise ValueError(f"an embedding of {size} numbers is too small: it needs 4 or more")
    half = size // 2
    exponents = jnp.arange(half, dtype=label.dtype) * (-math.log(max_period) / (half - 1))
    angles = label * jnp.exp(exponents)
    padding = jnp.zeros(size % 2, label.dtype)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles), padding])


def cast_label(label: Array | float, x: Array) -> Float[Array, ""]:
    """Cast the label to the precision of x, but at least float32: bfloat16 would blur `999 t`."""
    return jnp.asarray(label).astype(jnp.promote_types(x.dtype, jnp.float32))


def ladder_sigma(
    index: Float[Array, ""], sigma_min: float, sigma_max: float, num_scales: int
) -> Float[Array, ""]:
    """Return level `int(index)` of a geometric ladder from sigma_max down to sigma_min."""
    ends = jnp.log(jnp.array([sigma_max, sigma_min]))
    ladder = jnp.exp(jnp.linspace(ends[0], ends[1], num_scales))
    return ladder[index.astype(jnp.int32)]


class GaussianFourierProjection(nn.Module):
    """Sines, then cosines, of `2 pi W x` with `W ~ N(0, scale^2)` (Tancik et al. 2020).

    W is a parameter, so it is saved with the others; it is trained only if `trainable` is true.
    """

    size: int
    scale: float
    trainable: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, ""]) -> Float[Array, "2*size"]:
        W = self.param("W", nn.initializers.normal(self.scale), (self.size,), jnp.float32)
        W = W if self.trainable else jax.lax.stop_gradient(W)
        # The order matters: |angles| is in the hundreds, where rounding errors are visible.
        angles = x * W * 2 * jnp.pi
        return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])


def embed_label(
    label: Float[Array, ""],
    *,
    kind: str,
    size: int,
    fourier_scale: float,
    trainable: bool,
    num_scales: int,
) -> Float[Array, " embedding"]:
    """Embed the label by one of EMBEDDING_TYPES, into `size` numbers (twice as many for Fourier).

    positional: of the label itself, for labels such as `999 t` or a ladder index.
    fourier: random features of `log(label)`, for labels that are a standard deviation.
    fourier_linear: random features of the label itself, for labels such as `log(rho) / 4`.
    table: a learned vector for each of `num_scales` labels 0, 1, ..., for a ladder index (Song &
    Ermon 2019, arXiv:1907.05600, whose normalization layers have parameters for each level).
    """
    if kind == "positional":
        return positional_embedding(label, size)
    if kind == "table":
        table = nn.Embed(num_scales, size, embedding_init=nn.initializers.normal(1.0))
        return table(jnp.round(label).astype(jnp.int32))
    x = jnp.log(label) if kind == "fourier" else label
    return GaussianFourierProjection(size, fourier_scale, trainable)(x)


def add_class(
    embedded: Float[Array, " size"] | None,
    condition: Int[Array, ""] | None,
    *,
    num_classes: int,
    size: int,
) -> Float[Array, " size"] | None:
    """Add the learned vector of a class to the embedded label, which may be None.

    The table has `num_classes` rows and one more for "no class", which None selects too. At the
    start its rows have unit variance (Dhariwal & Nichol 2021, arXiv:2105.05233). A network without
    classes has no table, and the embedding stays unchanged.

    Raises:
      ValueError: the network has no classes, but got a condition.
    """
    if not num_classes:
        if condition is not None:
            raise ValueError("num_classes = 0: the network has no classes, but got a condition")
        return embedded
    table = nn.Embed(
        num_classes + 1, size, embedding_init=nn.initializers.normal(1.0), name="classes"
    )
    vector = table(jnp.asarray(num_classes if condition is None else condition))
    return vector if embedded is None else embedded + vector
