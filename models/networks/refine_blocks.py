"""Blocks of the RefineNet of NCSNv2 (Song & Ermon 2020, arXiv:2006.09011, appendix A)."""

import functools
import math
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.networks.layers import activation, promote_to_input, uniform_init
from gradlog.models.networks.up_or_down import mean_downsample

Image = Float[Array, "b h w c"]

# The names of the methods in `jax.image.resize`.
INTERPOLATIONS = {"bilinear": "bilinear", "nearest_neighbor": "nearest"}


class InstanceNorm2dPlus(nn.Module):
    """Normalization of every channel over the image, which keeps the channels' relative means.

    ``gamma ((x - mean_c)/std_c + alpha (mean_c - m)/v) + beta``, with m and v the mean and standard
    deviation of the channels' means (Song & Ermon 2019, arXiv:1907.05600, appendix A). Computed at
    least in float32, for each image by itself.
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Image) -> Image:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        means = wide.mean(axis=(1, 2), keepdims=True)
        relative = self._standardized(means, means.mean(axis=3, keepdims=True), (3,))
        normed = self._standardized(wide, means, (1, 2))
        shape = (1, 1, 1, x.shape[-1])
        alpha = self.param("alpha", _near_one, shape, jnp.float32)
        gamma = self.param("gamma", _near_one, shape, jnp.float32)
        beta = self.param("beta", nn.initializers.zeros, shape, jnp.float32)
        return ((normed + relative * alpha) * gamma + beta).astype(x.dtype)

    @nn.nowrap
    def _standardized(self, x: Image, mean: Image, axes: tuple[int, ...]) -> Image:
        variance = jnp.square(x - mean).mean(axis=axes, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + self.epsilon)


def ncsn_conv3x3(x: Image, features: int, *, dilation: int = 1, use_bias: bool = True) -> Image:
    """Apply a 3x3 convolution with PyTorch's initialization: all numbers below 1/sqrt(fan-in)."""
    init = uniform_init(1 / math.sqrt(9 * x.shape[-1]))
    return nn.Conv(
        features,
        (3, 3),
        kernel_dilation=dilation,
        use_bias=use_bias,
        kernel_init=init,
        bias_init=init,
        promote_dtype=promote_to_input,
    )(x)


class ConvMeanPool(nn.Module):
    """A convolution, then the mean of every 2x2 block."""

    features: int
    kernel_size: int = 3

    @nn.compact
    def __call__(self, x: Image) -> Image:
        kernel = (self.kernel_size, self.kernel_size)
        return mean_downsample(nn.Conv(self.features, kernel, promote_dtype=promote_to_input)(x))


class ResidualBlock(nn.Module):
    """norm, act, conv, norm, act, conv; plus the input, all dilated (Yu & Koltun 2016).

    With `down` it has `features` channels at half the resolution. A `dilation` above 1 replaces the
    halving, and the resolution stays.
    """

    nonlinearity: str
    dilation: int = 1
    down: bool = False
    features: int = 0

    @nn.compact
    def __call__(self, x: Image) -> Image:
        act = activation(self.nonlinearity)
        h = act(InstanceNorm2dPlus()(x))
        h = act(InstanceNorm2dPlus()(ncsn_conv3x3(h, x.shape[-1], dilation=self.dilation)))
        if not self.down:
            return ncsn_conv3x3(h, x.shape[-1], dilation=self.dilation) + x
        if self.dilation == 1:
            return ConvMeanPool(self.features)(h) + ConvMeanPool(self.features, 1)(x)
        h = ncsn_conv3x3(h, self.features, dilation=self.dilation)
        return h + ncsn_conv3x3(x, self.features, dilation=self.dilation)


class RCUBlock(nn.Module):
    """Residual convolution units: `units` times act, conv, act, conv, plus the input."""

    units: int
    nonlinearity: str

    @nn.compact
    def __call__(self, x: Image) -> Image:
        act = activation(self.nonlinearity)
        for _ in range(self.units):
            h = x
            for _ in range(2):
                h = ncsn_conv3x3(act(h), x.shape[-1], use_bias=False)
            x = x + h
        return x


class MSFBlock(nn.Module):
    """Multi-resolution fusion: the sum of all inputs, convolved and resized to one resolution."""

    shape: tuple[int, ...]  # height and width
    features: int
    interpolation: str

    @nn.compact
    def __call__(self, *inputs: Image) -> Image:
        convolved = [ncsn_conv3x3(x, self.features) for x in inputs]
        shape = (len(inputs[0]), *self.shape, self.features)
        method = INTERPOLATIONS[self.interpolation]
        resized = [jax.image.resize(h, shape, method) for h in convolved]
        return functools.reduce(operator.add, resized)


class CRPBlock(nn.Module):
    """Chained residual pooling: twice, add the convolved maximum of 5x5 neighbors."""

    nonlinearity: str

    @nn.compact
    def __call__(self, x: Image) -> Image:
        x = path = activation(self.nonlinearity)(x)
        for _ in range(2):
            path = nn.max_pool(path, (5, 5), (1, 1), "SAME")
            path = ncsn_conv3x3(path, x.shape[-1], use_bias=False)
            x = x + path
        return x


class RefineBlock(nn.Module):
    """Joins a feature map with the refined one of the lower resolutions, at its own resolution.

    With one input it keeps that input's channels. `units` is that of the last RCUBlock.
    """

    features: int
    nonlinearity: str
    interpolation: str
    units: int = 1

    @nn.compact
    def __call__(self, *inputs: Image) -> Image:
        adapted = [RCUBlock(2, self.nonlinearity)(x) for x in inputs]
        h = adapted[0]
        if len(adapted) > 1:
            h = MSFBlock(h.shape[1:3], self.features, self.interpolation)(*adapted)
        h = CRPBlock(self.nonlinearity)(h)
        return RCUBlock(self.units, self.nonlinearity)(h)


def _near_one(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)
