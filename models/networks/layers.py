"""The small layers that every network shares.

Conventions: images are (batch, height, width, channels), and a layer built by a function here
takes its name (`Conv_0`, `GroupNorm_0`, `NIN_0`, ...) from the module that calls it, so that
parameter trees have the names of the published score_sde checkpoints.
"""

import functools
import math
from collections.abc import Callable, Collection

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Callable[[Array], Array]
Initializer = Callable[..., Array]

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


def activation(name: str) -> Activation:
    """The elementwise nonlinearity called `name`."""
    check_choice("nonlinearity", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def default_init(scale: float = 1.0) -> Initializer:
    """Uniform variance scaling by the mean of fan-in and fan-out (Ho et al. 2020).

    `U(-b, b)` with `b = sqrt(3 scale / fan_avg)`, for kernels whose last two axes are (in, out).
    A scale of 0 means 1e-10: practically zero, but nowhere exactly so.

    The numbers are drawn as one flat vector: XLA compiles a random generator once for every
    distinct shape, and four-dimensional ones are slow to compile.
    """
    scale = scale or 1e-10

    def init(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        receptive_field = math.prod(shape[:-2])
        fan_avg = receptive_field * (shape[-2] + shape[-1]) / 2
        bound = math.sqrt(3 * scale / fan_avg)
        flat = jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound)
        return flat.reshape(shape)

    return init


def conv3x3(features: int, *, stride: int = 1, init_scale: float = 1.0) -> nn.Conv:
    """A 3x3 convolution with bias that keeps the image size (or divides it by `stride`)."""
    return nn.Conv(features, (3, 3), (stride, stride), "SAME", kernel_init=default_init(init_scale))


def conv1x1(features: int) -> nn.Conv:
    """A 1x1 convolution with bias."""
    return nn.Conv(features, (1, 1), kernel_init=default_init())


def dense(features: int, *, init_scale: float = 1.0) -> nn.Dense:
    """A fully connected layer with bias."""
    return nn.Dense(features, kernel_init=default_init(init_scale))


def residual_sum(x: Array, h: Array, *, rescale: bool) -> Array:
    """`x + h`, divided by sqrt(2) if `rescale`, which keeps the variance of independent terms."""
    return (x + h) / math.sqrt(2.0) if rescale else x + h


class GroupNorm(nn.Module):
    """Normalises groups of at least 4 channels over the image, at most 32 groups (Wu & He 2018).

    The same function and parameters as flax's GroupNorm, but the variance is that of the centred
    values (flax subtracts squares, which cancels), and each channel is summed before the groups
    are, which takes half the time on CPU. Raises ValueError if the groups cannot be equal.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        channels = x.shape[-1]
        groups = min(channels // 4, 32)
        if groups == 0 or channels % groups:
            raise ValueError(
                f"{channels} channels do not make equal groups: GroupNorm needs a multiple of"
                " min(channels // 4, 32); change nf or ch_mult"
            )
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        centred = x - _group_mean(x, groups)
        variance = _group_mean(jnp.square(centred), groups)
        return centred * (jax.lax.rsqrt(variance + self.epsilon) * scale) + bias


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
        return x @ W + b
