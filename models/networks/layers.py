"""The small layers that every network shares.

Conventions: images are (batch, height, width, channels), and a layer built by a function here
takes its name (`Conv_0`, `GroupNorm_0`, `NIN_0`, ...) from the module that calls it, so that
parameter trees have the names of the published score_sde checkpoints. Parameters are float32, and
every layer computes in the precision of its input: a network that casts its input to bfloat16
computes in it throughout, but for the statistics of its normalizations.
"""

import functools
import math
from collections.abc import Callable, Collection
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Callable[[Array], Array]
Initializer = Callable[..., Array]

DTYPES = ("bfloat16", "float32")  # to compute in

ACTIVATIONS: dict[str, Activation] = {
    "elu": nn.elu,
    "lrelu": functools.partial(nn.leaky_relu, negative_slope=0.2),
    "relu": nn.relu,
    "swish": nn.swish,
}


def check_choice(field: str, value: str, choices: Collection[str]) -> None:
    """Raises ValueError naming the choices if `value` is not one of them."""
    if value not in choices:
        raise ValueError(f"{field} = {value!r} is unknown; choose one of {sorted(choices)}")


def check_halvings(shape: tuple[int, ...], halvings: int) -> None:
    """Raises ValueError if `shape` is not that of one image that can be halved so many times."""
    divisor = 2**halvings
    if len(shape) != 3 or shape[0] % divisor or shape[1] % divisor:
        raise ValueError(
            f"x has shape {shape}; {halvings + 1} resolutions need one image (height, width, "
            f"channels) with height and width divisible by {divisor}"
        )


def activation(name: str) -> Activation:
    """The elementwise nonlinearity called `name`."""
    check_choice("nonlinearity", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def to_compute(x: Array, dtype: str) -> Array:
    """`x` in bfloat16 if `dtype` says so; "float32" leaves it as it is (it may be float64)."""
    return x.astype(jnp.bfloat16) if dtype == "bfloat16" else x


def like_input(
    *arrays: Array | None, dtype: Any = None, inexact: bool = True
) -> list[Array | None]:
    """The input, and parameters in its precision: how flax's layers are to promote the two."""
    del dtype, inexact  # what flax would promote to
    x = arrays[0]
    assert x is not None
    return [a if a is None else a.astype(x.dtype) for a in arrays]


def through(block: nn.Module, *inputs: Array | None, remat: bool, **options: bool) -> Array:
    """Applies a block; with `remat` its activations are computed again on the way back.

    The parameters keep their names, which a class made by `nn.remat` would change. XLA on CPU
    merges the two computations again: measured, the memory there is the same.
    """

    def apply(block, *inputs):
        return block(*inputs, **options)

    return (nn.remat(apply) if remat else apply)(block, *inputs)


def uniform_init(bound: float) -> Initializer:
    """`U(-bound, bound)`.

    The numbers are drawn as one flat vector: XLA compiles a random generator once for every
    distinct shape, and four-dimensional ones are slow to compile.
    """

    def init(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        return jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound).reshape(shape)

    return init


def default_init(scale: float = 1.0) -> Initializer:
    """Uniform variance scaling by the mean of fan-in and fan-out (Ho et al. 2020).

    `U(-b, b)` with `b = sqrt(3 scale / fan_avg)`, for kernels whose last two axes are (in, out).
    A scale of 0 means 1e-10: practically zero, but nowhere exactly so.
    """
    scale = scale or 1e-10

    def init(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        receptive_field = math.prod(shape[:-2])
        fan_avg = receptive_field * (shape[-2] + shape[-1]) / 2
        return uniform_init(math.sqrt(3 * scale / fan_avg))(key, shape, dtype)

    return init


def conv3x3(features: int, *, stride: int = 1, init_scale: float = 1.0) -> nn.Conv:
    """A 3x3 convolution with bias that keeps the image size (or divides it by `stride`)."""
    return nn.Conv(
        features,
        (3, 3),
        (stride, stride),
        "SAME",
        kernel_init=default_init(init_scale),
        promote_dtype=like_input,
    )


def conv1x1(features: int) -> nn.Conv:
    """A 1x1 convolution with bias."""
    return nn.Conv(features, (1, 1), kernel_init=default_init(), promote_dtype=like_input)


def dense(features: int, *, init_scale: float = 1.0) -> nn.Dense:
    """A fully connected layer with bias."""
    return nn.Dense(features, kernel_init=default_init(init_scale), promote_dtype=like_input)


def residual_sum(x: Array, h: Array, *, rescale: bool) -> Array:
    """`x + h`, divided by sqrt(2) if `rescale`, which keeps the variance of independent terms."""
    return (x + h) / math.sqrt(2.0) if rescale else x + h


class GroupNorm(nn.Module):
    """Normalizes groups of channels over the image (Wu & He 2018), in float32 at least.

    The same function and parameters as flax's GroupNorm, but the variance is that of the centered
    values (flax subtracts squares, which cancels), and each channel is summed before the groups
    are, which takes half the time on CPU. Raises ValueError if the groups cannot be equal.
    """

    groups: int = 0  # 0: of at least 4 channels, at most 32 groups
    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        channels = x.shape[-1]
        groups = self._groups_of(channels)
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centered = wide - _group_mean(wide, groups)
        variance = _group_mean(jnp.square(centered), groups)
        normed = centered * (jax.lax.rsqrt(variance + self.epsilon) * scale) + bias
        return normed.astype(x.dtype)

    @nn.nowrap
    def _groups_of(self, channels: int) -> int:
        groups = self.groups or min(channels // 4, 32)
        if groups == 0 or channels % groups:
            multiple = self.groups or "min(channels // 4, 32)"
            raise ValueError(
                f"{channels} channels do not make equal groups: GroupNorm needs a multiple of"
                f" {multiple}; change nf or ch_mult"
            )
        return groups


def _group_mean(x: Float[Array, "b h w c"], groups: int) -> Float[Array, "b 1 1 c"]:
    """The mean over space and over the group of every channel, repeated for its channels."""
    b, _, _, c = x.shape
    means = x.mean(axis=(1, 2)).reshape(b, groups, c // groups).mean(axis=-1)
    return means.repeat(c // groups, axis=-1)[:, None, None, :]


class NIN(nn.Module):
    """A linear map of the channels at every pixel ("network in network", Lin et al. 2014)."""

    features: int
    init_scale: float = 0.1

    @nn.compact
    def __call__(self, x: Float[Array, "*space in"]) -> Float[Array, "*space out"]:
        shape = (x.shape[-1], self.features)
        W = self.param("W", default_init(self.init_scale), shape, jnp.float32)
        b = self.param("b", nn.initializers.zeros, (self.features,), jnp.float32)
        return x @ W.astype(x.dtype) + b.astype(x.dtype)
