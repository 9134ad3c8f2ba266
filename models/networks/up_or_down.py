"""Doubling and halving the resolution of an image, with or without an anti-aliasing filter.

The filtered versions are those of StyleGAN2 (Karras et al. 2020; Zhang 2019): insert zeros, pad,
filter with a finite impulse response (FIR), keep every second pixel. The filters are separable, so
each axis is a weighted sum of shifted slices. On CPU this is faster than a depthwise convolution,
and its derivatives have the same form.
"""

import functools
import math
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.networks.layers import conv3x3, default_init

FACTOR = 2

Image = Float[Array, "b h w c"]
Taps = tuple[float, ...]


def repeat_upsample(x: Image) -> Float[Array, "b 2*h 2*w c"]:
    """Repeat every pixel four times."""
    return x.repeat(FACTOR, axis=1).repeat(FACTOR, axis=2)


def mean_downsample(x: Image) -> Float[Array, "b h/2 w/2 c"]:
    """Return the mean of every 2x2 block."""
    b, h, w, c = x.shape
    return x.reshape(b, h // FACTOR, FACTOR, w // FACTOR, FACTOR, c).mean(axis=(2, 4))


def fir_upsample(x: Image, kernel: Taps) -> Float[Array, "b 2*h 2*w c"]:
    """Insert zeros between the pixels, then filter with gain 4, which keeps the mean."""
    p = len(kernel) - FACTOR
    pad = ((p + 1) // 2 + FACTOR - 1, p // 2)
    return _upfirdn(x, _normalized(kernel, gain=FACTOR), pad, up=FACTOR)


def fir_downsample(x: Image, kernel: Taps) -> Float[Array, "b h/2 w/2 c"]:
    """Filter, then keep every second pixel."""
    p = len(kernel) - FACTOR
    return _upfirdn(x, _normalized(kernel), ((p + 1) // 2, p // 2), down=FACTOR)


def fir_upsample_conv(x: Image, w: Float[Array, "k k in out"], kernel: Taps) -> Image:
    """Convolve the zero-interleaved image, then filter with gain 4."""
    k = w.shape[0]
    x = _conv(x, w, padding=k - 1, up=FACTOR)
    p = len(kernel) - FACTOR - (k - 1)
    pad = ((p + 1) // 2 + FACTOR - 1, p // 2 + 1)
    return _upfirdn(x, _normalized(kernel, gain=FACTOR), pad)


def fir_downsample_conv(x: Image, w: Float[Array, "k k in out"], kernel: Taps) -> Image:
    """Filter, then convolve with stride 2."""
    p = len(kernel) - FACTOR + (w.shape[0] - 1)
    x = _upfirdn(x, _normalized(kernel), ((p + 1) // 2, p // 2))
    return _conv(x, w, padding=0, stride=FACTOR)


class Conv2d(nn.Module):
    """A filtered convolution that doubles ("up") or halves ("down") the resolution."""

    features: int
    resample: str
    fir_kernel: Taps
    kernel_size: int = 3

    @nn.compact
    def __call__(self, x: Image) -> Image:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        weight = self.param("weight", default_init(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        resample = {"up": fir_upsample_conv, "down": fir_downsample_conv}[self.resample]
        return resample(x, weight.astype(x.dtype), self.fir_kernel) + bias.astype(x.dtype)


class Upsample(nn.Module):
    """Twice the resolution; a convolution has `out_ch` channels (0: those of the input)."""

    with_conv: bool
    fir: bool
    fir_kernel: Taps
    out_ch: int = 0

    @nn.compact
    def __call__(self, x: Image) -> Image:
        features = self.out_ch or x.shape[-1]
        if self.fir and self.with_conv:
            return Conv2d(features, "up", self.fir_kernel)(x)
        if self.fir:
            return fir_upsample(x, self.fir_kernel)
        x = repeat_upsample(x)
        return conv3x3(features)(x) if self.with_conv else x


class Downsample(nn.Module):
    """Half the resolution; a convolution has `out_ch` channels (0: those of the input)."""

    with_conv: bool
    fir: bool
    fir_kernel: Taps
    out_ch: int = 0

    @nn.compact
    def __call__(self, x: Image) -> Image:
        features = self.out_ch or x.shape[-1]
        if self.fir and self.with_conv:
            return Conv2d(features, "down", self.fir_kernel)(x)
        if self.fir:
            return fir_downsample(x, self.fir_kernel)
        return conv3x3(features, stride=FACTOR)(x) if self.with_conv else mean_downsample(x)


def _normalized(kernel: Taps, gain: float = 1.0) -> Taps:
    """Return the taps of one axis, scaled to the sum `gain`."""
    return tuple(gain * tap / math.fsum(kernel) for tap in kernel)


def _upfirdn(x: Image, taps: Taps, pad: tuple[int, int], *, up: int = 1, down: int = 1) -> Image:
    """Upsample by zeros, pad, filter and downsample along height and width."""
    for axis in (1, 2):
        x = _upfirdn_axis(x, taps, pad, axis, up=up, down=down)
    return x


def _upfirdn_axis(
    x: Image, taps: Taps, pad: tuple[int, int], axis: int, *, up: int, down: int
) -> Image:
    padding = [(0, 0, 0)] * x.ndim
    padding[axis] = (pad[0], pad[1] + up - 1, up - 1)  # zeros between and after the pixels
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), padding)
    length = x.shape[axis] - len(taps) + 1
    terms = [  # a convolution, not a correlation: the last tap multiplies the first pixel
        tap * jax.lax.slice_in_dim(x, i, i + length, stride=down, axis=axis)
        for i, tap in enumerate(reversed(taps))
    ]
    return functools.reduce(operator.add, terms)


def _conv(x: Image, w: Array, *, padding: int, stride: int = 1, up: int = 1) -> Image:
    return jax.lax.conv_general_dilated(
        x,
        w,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        lhs_dilation=(up, up),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
