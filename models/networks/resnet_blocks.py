"""Residual blocks of the U-Net, conditioned on the noise embedding."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.networks.layers import (
    NIN,
    GroupNorm,
    activation,
    conv1x1,
    conv3x3,
    dense,
    residual_sum,
)
from gradlog.models.networks.up_or_down import (
    fir_downsample,
    fir_upsample,
    mean_downsample,
    repeat_upsample,
)

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]


class ResnetBlockDDPMpp(nn.Module):
    """norm, act, conv, + embedding, norm, act, dropout, conv; plus the input (Ho et al. 2020)."""

    nonlinearity: str
    dropout: float
    skip_rescale: bool
    init_scale: float
    out_ch: int = 0  # 0: as many channels as the input has

    @nn.compact
    def __call__(self, x: Image, temb: Embedding | None, *, train: bool) -> Image:
        out_ch = self.out_ch or x.shape[-1]
        h = activation(self.nonlinearity)(GroupNorm()(x))
        h = _conditioned_convs(self, h, temb, out_ch, init_scale=self.init_scale, train=train)
        if out_ch != x.shape[-1]:
            x = NIN(out_ch)(x)
        return residual_sum(x, h, rescale=self.skip_rescale)


class ResnetBlockDDPM(nn.Module):
    """The block of Ho et al. 2020: 32 groups, no rescaling, the identity at the start.

    Raises:
      ValueError: a number of channels is not a multiple of 32.
    """

    nonlinearity: str
    dropout: float
    out_ch: int = 0  # 0: as many channels as the input has

    @nn.compact
    def __call__(self, x: Image, temb: Embedding | None, *, train: bool) -> Image:
        out_ch = self.out_ch or x.shape[-1]
        h = activation(self.nonlinearity)(GroupNorm(32)(x))
        h = _conditioned_convs(self, h, temb, out_ch, init_scale=0.0, groups=32, train=train)
        return (x if out_ch == x.shape[-1] else NIN(out_ch)(x)) + h


class ResnetBlockBigGANpp(nn.Module):
    """ResnetBlockDDPMpp with an optional change of resolution inside (Brock et al. 2019).

    `resample` is "none", "up" or "down": applied after the first activation and to the input.
    """

    nonlinearity: str
    dropout: float
    skip_rescale: bool
    init_scale: float
    fir: bool
    fir_kernel: tuple[int, ...]
    out_ch: int = 0
    resample: str = "none"

    @nn.compact
    def __call__(self, x: Image, temb: Embedding | None, *, train: bool) -> Image:
        in_ch = x.shape[-1]
        out_ch = self.out_ch or in_ch
        h = activation(self.nonlinearity)(GroupNorm()(x))
        h, x = self._resample(h), self._resample(x)
        h = _conditioned_convs(self, h, temb, out_ch, init_scale=self.init_scale, train=train)
        if out_ch != in_ch or self.resample != "none":
            x = conv1x1(out_ch)(x)
        return residual_sum(x, h, rescale=self.skip_rescale)

    @nn.nowrap
    def _resample(self, x: Image) -> Image:
        if self.resample == "up":
            return fir_upsample(x, self.fir_kernel) if self.fir else repeat_upsample(x)
        if self.resample == "down":
            return fir_downsample(x, self.fir_kernel) if self.fir else mean_downsample(x)
        return x


class Combine(nn.Module):
    """Brings x to the channels of y by a 1x1 convolution, then adds or concatenates the two."""

    method: str

    @nn.compact
    def __call__(self, x: Image, y: Image) -> Image:
        h = conv1x1(y.shape[-1])(x)
        return h + y if self.method == "sum" else jnp.concatenate([h, y], axis=-1)


def _conditioned_convs(
    block: ResnetBlockDDPM | ResnetBlockDDPMpp | ResnetBlockBigGANpp,
    h: Image,
    temb: Embedding | None,
    out_ch: int,
    *,
    init_scale: float,
    groups: int = 0,
    train: bool,
) -> Image:
    """Apply the part that all blocks share: conv, + embedding, norm, act, dropout, conv."""
    act = activation(block.nonlinearity)
    h = conv3x3(out_ch)(h)
    if temb is not None:
        h = h + dense(out_ch)(act(temb))
    h = act(GroupNorm(groups)(h))
    h = nn.Dropout(block.dropout)(h, deterministic=not train)
    return conv3x3(out_ch, init_scale=init_scale)(h)
