"""The RefineNet of both NCSNs (Song & Ermon 2019, arXiv:1907.05600; 2020, arXiv:2006.09011)."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradlog.models.networks.layers import (
    activation,
    apply_block,
    cast_to,
    check_halvings,
    promote_to_input,
    uniform_init,
)
from gradlog.models.networks.up_or_down import mean_downsample

Image = Float[Array, "b h w c"]
_EPSILON = 1e-5  # added to variances


class InstanceNorm2dPlus(nn.Module):
    """Normalization of every channel over the image, which keeps the channels' relative means.

    ``gamma ((x - mean_c)/std_c + alpha (mean_c - m)/v) + beta``, with m and v the mean and standard
    deviation of the channels' means (Song & Ermon 2019, arXiv:1907.05600, appendix A). Computed at
    least in float32, for each image by itself.

    With ``num_levels`` alpha, gamma and beta are rows of tables, one for each noise level, and v is
    the unbiased estimate: the network of 2019, while score_sde's of 2020 has neither.
    """

    num_levels: int = 0

    @nn.compact
    def __call__(self, x: Image, level: Int[Array, ""] | int = 0) -> Image:
        channels = x.shape[-1]
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        means = wide.mean(axis=(1, 2), keepdims=True)
        spread = means.var(axis=3, keepdims=True, ddof=1 if self.num_levels else 0)
        relative = (means - means.mean(axis=3, keepdims=True)) / jnp.sqrt(spread + _EPSILON)
        variance = jnp.square(wide - means).mean(axis=(1, 2), keepdims=True)
        normed = (wide - means) / jnp.sqrt(variance + _EPSILON)
        shape = (self.num_levels, channels) if self.num_levels else (1, 1, 1, channels)
        alpha, gamma, beta = (
            self.param(name, init, shape, jnp.float32)[level]
            for name, init in (
                ("alpha", _near_one),
                ("gamma", _near_one),
                ("beta", nn.initializers.zeros),
            )
        )
        return ((normed + relative * alpha) * gamma + beta).astype(x.dtype)


def resize_aligned(x: Image, shape: tuple[int, ...]) -> Image:
    """Interpolate linearly so that the corner pixels stay corners, as PyTorch's `align_corners`."""
    for axis, size in zip((1, 2), shape, strict=True):
        old = x.shape[axis]
        at = np.linspace(0, old - 1, size)
        weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(old)))
        x = jnp.moveaxis(jnp.tensordot(x, weights.astype(x.dtype), ((axis,), (1,))), -1, axis)
    return x


def _resize(x: Image, shape: tuple[int, ...], method: str) -> Image:
    return jax.image.resize(x, (len(x), *shape, x.shape[-1]), method)


INTERPOLATIONS = {
    "bilinear": functools.partial(_resize, method="bilinear"),
    "nearest_neighbor": functools.partial(_resize, method="nearest"),
}


@dataclass(frozen=True)
class RefineStyle:
    """Differences of the networks of 2019 and 2020 in the same blocks; by default as in 2020.

    Attributes:
      nonlinearity: the activation function.
      norm: normalization in the residual blocks, and of the last feature map.
      refine_norm: normalization before each convolution of the refining blocks.
      pool: pooling of 5x5 neighbors.
      resize: ``(x, (height, width))``, the interpolation of coarser feature maps.
    """

    nonlinearity: str
    norm: Callable[[Image], Image] = lambda x: InstanceNorm2dPlus()(x)
    refine_norm: Callable[[Image], Image] = lambda x: x
    pool: Callable[[Image], Image] = lambda x: nn.max_pool(x, (5, 5), (1, 1), "SAME")
    resize: Callable[[Image, tuple[int, ...]], Image] = INTERPOLATIONS["bilinear"]

    def act(self, x: Image) -> Image:
        return activation(self.nonlinearity)(x)


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

    style: RefineStyle
    dilation: int = 1
    down: bool = False
    features: int = 0

    @nn.compact
    def __call__(self, x: Image) -> Image:
        act, norm = self.style.act, self.style.norm
        h = act(norm(x))
        h = act(norm(ncsn_conv3x3(h, x.shape[-1], dilation=self.dilation)))
        if not self.down:
            return ncsn_conv3x3(h, x.shape[-1], dilation=self.dilation) + x
        if self.dilation == 1:
            return ConvMeanPool(self.features)(h) + ConvMeanPool(self.features, 1)(x)
        h = ncsn_conv3x3(h, self.features, dilation=self.dilation)
        return h + ncsn_conv3x3(x, self.features, dilation=self.dilation)


class RCUBlock(nn.Module):
    """Residual convolution units: `units` times add norm, act, conv, norm, act, conv."""

    units: int
    style: RefineStyle

    @nn.compact
    def __call__(self, x: Image) -> Image:
        for _ in range(self.units):
            h = x
            for _ in range(2):
                h = self.style.act(self.style.refine_norm(h))
                h = ncsn_conv3x3(h, x.shape[-1], use_bias=False)
            x = x + h
        return x


class MSFBlock(nn.Module):
    """Multi-resolution fusion: the sum of all inputs, convolved and resized to one resolution."""

    shape: tuple[int, ...]  # height and width
    features: int
    style: RefineStyle

    @nn.compact
    def __call__(self, *inputs: Image) -> Image:
        convolved = [ncsn_conv3x3(self.style.refine_norm(x), self.features) for x in inputs]
        resized = [self.style.resize(h, self.shape) for h in convolved]
        return functools.reduce(operator.add, resized)


class CRPBlock(nn.Module):
    """Chained residual pooling: twice, add the convolved pool of 5x5 neighbors."""

    style: RefineStyle

    @nn.compact
    def __call__(self, x: Image) -> Image:
        x = path = self.style.act(x)
        for _ in range(2):
            path = self.style.pool(self.style.refine_norm(path))
            path = ncsn_conv3x3(path, x.shape[-1], use_bias=False)
            x = x + path
        return x


class RefineBlock(nn.Module):
    """Joins a feature map with the refined one of the lower resolutions, at its own resolution.

    With one input it keeps that input's channels. `units` is that of the last RCUBlock.
    """

    features: int
    style: RefineStyle
    units: int = 1

    @nn.compact
    def __call__(self, *inputs: Image) -> Image:
        adapted = [RCUBlock(2, self.style)(x) for x in inputs]
        h = adapted[0]
        if len(adapted) > 1:
            h = MSFBlock(h.shape[1:3], self.features, self.style)(*adapted)
        return RCUBlock(self.units, self.style)(CRPBlock(self.style)(h))


class RefineNet(nn.Module):
    """Base class of both networks, with the fields that they share.

    Raises:
      ValueError: `num_classes` is not 0.
    """

    nf: int = 128  # channels at full resolution
    nonlinearity: str = "swish"
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and are centered here
    num_scales: int = 1000  # levels of the noise ladder
    num_classes: int = 0  # must be 0: the network has no embedding of a class
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        if self.num_classes:
            raise ValueError(
                f"num_classes = {self.num_classes}: the RefineNet has no embedding of a class; "
                "choose 0, or another network"
            )
        super().__post_init__()

    @nn.nowrap
    def refine(
        self,
        x: Float[Array, "h w c"],
        condition: Int[Array, ""] | None,
        style: RefineStyle,
        stages: Sequence[tuple[int, int]],
        refined: Sequence[int],
    ) -> Float[Array, "h w c"]:
        """Apply the RefineNet to one image. A compact module calls it and gets its parameters.

        Args:
          x: the image.
          condition: must be None.
          style: of the blocks.
          stages: channels in units of nf, and dilation, of each stage after the first. A dilation
            of 1 halves the image.
          refined: channels in units of nf of the refined feature maps, from the last stage to the
            first.

        Raises:
          ValueError: there is a condition, or the image cannot be halved as often as the stages do.
        """
        if condition is not None:
            raise ValueError("the RefineNet has no classes, but got a condition")
        check_halvings(x.shape, sum(dilation == 1 for _, dilation in stages))

        def residual(h: Image, **options) -> Image:
            return apply_block(ResidualBlock(style, **options), h, remat=self.remat)

        images = cast_to(x[None], self.dtype)
        images = images if self.centered else 2.0 * images - 1.0
        maps = [residual(residual(ncsn_conv3x3(images, self.nf)))]
        for mult, dilation in stages:
            h = residual(maps[-1], dilation=dilation, down=True, features=mult * self.nf)
            maps.append(residual(h, dilation=dilation))
        coarser = []
        for h, mult in zip(reversed(maps), refined, strict=True):
            block = RefineBlock(mult * self.nf, style, units=3 if h is maps[0] else 1)
            coarser = [apply_block(block, h, *coarser, remat=self.remat)]
        h = ncsn_conv3x3(style.act(style.norm(coarser[0])), x.shape[-1])
        return h[0].astype(x.dtype)


def _near_one(key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)
