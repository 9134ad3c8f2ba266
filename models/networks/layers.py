"""Small layers that all networks share.

Conventions: images are (batch, height, width, channels). A layer that a function here returns takes
its name (`Conv_0`, `GroupNorm_0`, `NIN_0`, ...) from the module that calls it. So parameter trees
have the names of the published score_sde checkpoints. Parameters are float32, and every layer
computes in the precision of its input. A network that casts its input to bfloat16 therefore
computes in bfloat16, except for the statistics of its normalizations.
"""

import functools
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Callable[[Array], Array]
Initializer = Callable[..., Array]

DTYPES = ("bfloat16", "float32")  # dtypes of the computation

ACTIVATIONS: dict[str, Activation] = {
    "elu": nn.elu,
    "lrelu": functools.partial(nn.leaky_relu, negative_slope=0.2),
    "relu": nn.relu,
    "swish": nn.swish,
}


def check_choice(field: str, value: str, choices: Collection[str]) -> None:
    """Raise a ValueError with the choices if `value` is not one of them."""
    if value not in choices:
        raise ValueError(f"{field} = {value!r} is unknown; choose one of {sorted(choices)}")


def check_fields(module: nn.Module, choices: Mapping[str, Collection[str]]) -> None:
    """Raise a ValueError if a field of the module has a value that is not among its choices."""
    for field, known in choices.items():
        check_choice(field, getattr(module, field), known)


def check_halvings(shape: tuple[int, ...], halvings: int) -> None:
    """Raise a ValueError if `shape` is not that of one image that can be halved this many times."""
    divisor = 2**halvings
    if len(shape) != 3 or shape[0] % divisor or shape[1] % divisor:
        raise ValueError(
            f"x has shape {shape}; {halvings + 1} resolutions need one image (height, width, "
            f"channels) with height and width divisible by {divisor}"
        )


def activation(name: str) -> Activation:
    """Return the elementwise nonlinearity of that name."""
    check_choice("nonlinearity", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def cast_to(x: Array, dtype: str) -> Array:
    """Cast `x` to bfloat16 if `dtype` is "bfloat16"; "float32" keeps it (it may be float64)."""
    return x.astype(jnp.bfloat16) if dtype == "bfloat16" else x


def promote_to_input(
    *arrays: Array | None, dtype: Any = None, inexact: bool = True
) -> list[Array | None]:
    """Cast parameters to the precision of the input: the promotion rule of flax's layers."""
    del dtype, inexact  # the dtype that flax would promote to
    x = arrays[0]
    assert x is not None
    return [a if a is None else a.astype(x.dtype) for a in arrays]


def apply_block(block: nn.Module, *inputs: Array | None, remat: bool, **options: bool) -> Array:
    """Apply a block; with `remat` the backward pass recomputes its activations.

    The parameters keep their names, which a class made by `nn.remat` would change. XLA on CPU
    merges the two computations again, so there the measured memory is the same.
    """

    def apply(block, *inputs):
        return block(*inputs, **options)

    return (nn.remat(apply) if remat else apply)(block, *inputs)


def uniform_init(bound: float) -> Initializer:
    """Return an initializer with `U(-bound, bound)`.

    It draws the numbers as one flat vector. XLA compiles a random generator once for every distinct
    shape, and four-dimensional shapes are slow to compile.
    """

    def init(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        return jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound).reshape(shape)

    return init


def default_init(scale: float = 1.0) -> Initializer:
    """Return uniform variance scaling by the mean of fan-in and fan-out (Ho et al. 2020).

    `U(-b, b)` with `b = sqrt(3 scale / fan_avg)`, for kernels whose last two axes are (in, out). A
    scale of 0 means 1e-10: practically zero, but not exactly.
    """
    scale = scale or 1e-10

    def init(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        receptive_field = math.prod(shape[:-2])
        fan_avg = receptive_field * (shape[-2] + shape[-1]) / 2
        return uniform_init(math.sqrt(3 * scale / fan_avg))(key, shape, dtype)

    return init


def conv3x3(features: int, *, stride: int = 1, init_scale: float = 1.0) -> nn.Conv:
    """Return a 3x3 convolution with bias, which keeps the image size or divides it by `stride`."""
    return nn.Conv(
        features,
        (3, 3),
        (stride, stride),
        "SAME",
        kernel_init=default_init(init_scale),
        promote_dtype=promote_to_input,
    )


def conv1x1(features: int) -> nn.Conv:
    """Return a 1x1 convolution with bias."""
    return nn.Conv(features, (1, 1), kernel_init=default_init(), promote_dtype=promote_to_input)


def dense(features: int, *, init_scale: float = 1.0) -> nn.Dense:
    """Return a fully connected layer with bias."""
    return nn.Dense(features, kernel_init=default_init(init_scale), promote_dtype=promote_to_input)


def residual_sum(x: Array, h: Array, *, rescale: bool) -> Array:
    """Return `x + h`; `rescale` divides by sqrt(2), to keep the variance of independent terms."""
    return (x + h) / math.sqrt(2.0) if rescale else x + h


class GroupNorm(nn.Module):
    """Normalization of groups of channels over the image (Wu & He 2018), at least in float32.

    It has the function and the parameters of flax's GroupNorm, with two differences. The variance
    is that of the centered values (flax subtracts squares, which cancels). Each channel is averaged
    before the groups are, which takes half the time on CPU.

    Raises:
      ValueError: the groups cannot be equal.
    """

    groups: int = 0  # 0: groups of at least 4 channels, at most 32 of them
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
    """Return the mean over space and over each group, repeated for the channels of the group."""
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
