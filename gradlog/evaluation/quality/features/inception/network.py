"""Inception-v3 as the network of FID: its features of images, 299 by 299.

Szegedy et al. 2016, arXiv:1512.00567, in the version of December 2015 that Heusel et al. 2017 take.
It differs from the later ones: means over a border count its pixels alone, and the last block takes
a maximum where the others take a mean. Normalization is by the stored means and variances.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

SIZE = 299
FEATURES = 2048
_EPSILON = 1e-3

Images = Float[Array, "n h w c"]
Layer = tuple[str, int, tuple[int, int]]  # name, channels, kernel


class Convolution(nn.Module):
    """A convolution without bias, normalized, rectified."""

    channels: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Images) -> Images:
        x = nn.Conv(
            self.channels,
            self.kernel,
            (self.stride, self.stride),
            self.padding,
            use_bias=False,
            name="conv",
        )(x)
        normalized = nn.BatchNorm(use_running_average=True, epsilon=_EPSILON, name="bn")(x)
        return nn.relu(normalized)


def _mean(x: Images) -> Images:
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _maximum(x: Images) -> Images:
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halved(x: Images) -> Images:
    return nn.max_pool(x, (3, 3), (2, 2))


class Mixed(nn.Module):
    """Branches side by side: chains of convolutions, then a pooling with one.

    A chain may end in two convolutions side by side.
    """

    chains: tuple[tuple[Layer, ...], ...]
    pooled: int  # channels
    pooling: Callable[[Images], Images] = _mean
    forked: bool = False  # chains of more than one convolution end in two

    @nn.compact
    def __call__(self, x: Images) -> Images:
        ends = [end for chain in self.chains for end in self._along(x, chain)]
        pooled = Convolution(self.pooled, (1, 1), name="branch_pool")(self.pooling(x))
        return jnp.concatenate([*ends, pooled], axis=-1)

    def _along(self, x: Images, chain: tuple[Layer, ...]) -> list[Images]:
        last = 2 if self.forked and len(chain) > 1 else 1
        for name, channels, kernel in chain[:-last]:
            x = Convolution(channels, kernel, name=name)(x)
        return [
            Convolution(channels, kernel, name=name)(x) for name, channels, kernel in chain[-last:]
        ]


class Reduction(nn.Module):
    """Chains that halve the image at their last convolution, and a maximum."""

    chains: tuple[tuple[Layer, ...], ...]

    @nn.compact
    def __call__(self, x: Images) -> Images:
        return jnp.concatenate([*(self._along(x, c) for c in self.chains), _halved(x)], axis=-1)

    @staticmethod
    def _along(x: Images, chain: tuple[Layer, ...]) -> Images:
        for name, channels, kernel in chain[:-1]:
            x = Convolution(channels, kernel, name=name)(x)
        name, channels, kernel = chain[-1]
        return Convolution(channels, kernel, 2, "VALID", name=name)(x)


def _chain(branch: str, *layers: tuple[int, Any], forked: bool = False) -> tuple[Layer, ...]:
    """Return convolutions of so many channels and such kernels, with the names of the files.

    Several are numbered, and of a fork the last two have one number with 'a' and 'b'.
    """
    count = len(layers)
    numbers = [f"_{number}" if count > 1 else "" for number in range(1, count + 1)]
    if forked:
        numbers[-2:] = f"_{count - 1}a", f"_{count - 1}b"
    kernels = [k if isinstance(k, tuple) else (k, k) for _, k in layers]
    names = [f"{branch}{number}" for number in numbers]
    return tuple(zip(names, (channels for channels, _ in layers), kernels, strict=True))


def _mixed_35(pooled: int, name: str) -> Mixed:
    chains = (
        _chain("branch1x1", (64, 1)),
        _chain("branch5x5", (48, 1), (64, 5)),
        _chain("branch3x3dbl", (64, 1), (96, 3), (96, 3)),
    )
    return Mixed(chains, pooled, name=name)


def _mixed_17(inner: int, name: str) -> Mixed:
    row, column = (1, 7), (7, 1)
    doubled = (inner, 1), (inner, column), (inner, row), (inner, column), (192, row)
    chains = (
        _chain("branch1x1", (192, 1)),
        _chain("branch7x7", (inner, 1), (inner, row), (192, column)),
        _chain("branch7x7dbl", *doubled),
    )
    return Mixed(chains, 192, name=name)


def _mixed_8(pooling: Callable[[Images], Images], name: str) -> Mixed:
    fork = (384, (1, 3)), (384, (3, 1))
    chains = (
        _chain("branch1x1", (320, 1)),
        _chain("branch3x3", (384, 1), *fork, forked=True),
        _chain("branch3x3dbl", (448, 1), (384, 3), *fork, forked=True),
    )
    return Mixed(chains, 192, pooling, forked=True, name=name)


def _reduction_17(name: str) -> Reduction:
    doubled = _chain("branch3x3dbl", (64, 1), (96, 3), (96, 3))
    return Reduction((_chain("branch3x3", (384, 3)), doubled), name=name)


def _reduction_8(name: str) -> Reduction:
    wide = _chain("branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3))
    return Reduction((_chain("branch3x3", (192, 1), (320, 3)), wide), name=name)


class Inception(nn.Module):
    """Features of images (n, 299, 299, 3) that a convention has scaled to about [-1, 1].

    Returns means over the image of four depths, the last of which FID is made of.
    """

    @nn.compact
    def __call__(self, x: Images) -> dict[int, Float[Array, "n k"]]:
        x = Convolution(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = Convolution(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = _halved(Convolution(64, (3, 3), name="Conv2d_2b_3x3")(x))
        means = {64: _over_image(x)}
        x = Convolution(80, (1, 1), name="Conv2d_3b_1x1")(x)
        x = _halved(Convolution(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x))
        means[192] = _over_image(x)
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = _mixed_35(pooled, name)(x)
        x = _reduction_17("Mixed_6a")(x)
        for name, inner in zip("bcde", (128, 160, 160, 192), strict=True):
            x = _mixed_17(inner, f"Mixed_6{name}")(x)
        means[768] = _over_image(x)
        x = _reduction_8("Mixed_7a")(x)
        x = _mixed_8(_mean, "Mixed_7b")(x)
        x = _mixed_8(_maximum, "Mixed_7c")(x)
        return means | {FEATURES: _over_image(x)}


def _over_image(x: Images) -> Float[Array, "n c"]:
    return x.mean(axis=(1, 2))
