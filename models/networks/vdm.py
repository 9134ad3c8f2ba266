"""The U-Net of Kingma et al. 2021, "Variational Diffusion Models" (arXiv:2107.00630, appendix B).

It has no downsampling, as in google-research/vdm, and modules have the names of that code. That
code has one more input beside the noise label, which is zero without classes and is left out here.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.attention import attend
from gradlog.models.networks.embeddings import add_class, cast_label, positional_embedding
from gradlog.models.networks.layers import (
    DTYPES,
    GroupNorm,
    apply_block,
    cast_to,
    check_choice,
    check_halvings,
    promote_to_input,
)

GROUPS = 32
FREQUENCIES = (6, 7)  # exponents of two in the Fourier features

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]


class VDM(nn.Module):
    """A map from one image and its noise label to an image of the same shape: the predicted noise.

    The label lies in [0, 1]: the relative position of ``gamma = log sigma^2/alpha^2`` between its
    smallest and largest value, which the network multiplies by a thousand. The last layer is zero
    at the start, and the input is added to it: at the start the predicted noise is the noisy image
    itself.

    Raises:
      ValueError: a choice is unknown; or `nf` is not a multiple of 32, or is 32 itself. With one
        channel per group the normalization would remove the effect of the label.
    """

    nf: int = 128  # channels
    num_layers: int = 3  # residual blocks of the encoder; the decoder has one more
    dropout: float = 0.1
    with_fourier_features: bool = True  # concatenate those of the input to the input
    with_attention: bool = False  # after every block, not only in the middle
    conditional: bool = True  # whether the network sees the noise label
    num_classes: int = 0  # 0: unconditional
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, DTYPES)
        if self.nf < 2 * GROUPS or self.nf % GROUPS:
            raise ValueError(f"nf = {self.nf} must be a multiple of {GROUPS}, and not {GROUPS}")
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "h w c"],
        label: Float[Array, ""],
        condition: Int[Array, ""] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "h w c"]:
        check_halvings(x.shape, 0)
        temb = self._embed(cast_label(label, x), condition)
        temb = None if temb is None else cast_to(temb, self.dtype)
        images = x[None]
        if self.with_fourier_features:
            images = jnp.concatenate([images, fourier_features(images)], axis=-1)
        h = conv("conv_in", self.nf)(cast_to(images, self.dtype))
        h = self._blocks(h, temb, train)
        h = nn.swish(GroupNorm(GROUPS)(h))
        h = conv("conv_out", x.shape[-1], kernel_init=nn.initializers.zeros)(h)
        return x + h[0].astype(x.dtype)

    @nn.nowrap
    def _embed(self, label: Float[Array, ""], condition: Int[Array, ""] | None) -> Embedding | None:
        temb = None
        if self.conditional:
            temb = positional_embedding(1000 * label, self.nf)
            for name in ("dense0", "dense1"):
                temb = nn.swish(linear(name, 4 * self.nf)(temb))
        return add_class(temb, condition, num_classes=self.num_classes, size=4 * self.nf)

    @nn.nowrap
    def _blocks(self, h: Image, temb: Embedding | None, train: bool) -> Image:
        skips = [h]
        for i in range(self.num_layers):
            h = self._residual(f"down.block_{i}", h, temb, train)
            h = self._maybe_attend(f"down.attn_{i}", h)
            skips.append(h)
        h = self._residual("mid.block_1", h, temb, train)
        h = AttnBlock(name="mid.attn_1")(h)
        h = self._residual("mid.block_2", h, temb, train)
        for i in range(self.num_layers + 1):
            h = jnp.concatenate([h, skips.pop()], axis=-1)
            h = self._residual(f"up.block_{i}", h, temb, train)
            h = self._maybe_attend(f"up.attn_{i}", h)
        return h

    @nn.nowrap
    def _residual(self, name: str, h: Image, temb: Embedding | None, train: bool) -> Image:
        block = ResnetBlock(self.nf, self.dropout, name=name)
        return apply_block(block, h, temb, train=train, remat=self.remat)

    @nn.nowrap
    def _maybe_attend(self, name: str, h: Image) -> Image:
        return AttnBlock(name=name)(h) if self.with_attention else h


class ResnetBlock(nn.Module):
    """norm, swish, conv, + embedding, norm, swish, dropout, conv; plus the input.

    At the start it is the identity, or a linear map if the number of channels changes.
    """

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x: Image, temb: Embedding | None, *, train: bool) -> Image:
        h = conv("conv1", self.features)(nn.swish(GroupNorm(GROUPS)(x)))
        zeros = nn.initializers.zeros
        if temb is not None:
            h = h + linear("cond_proj", self.features, use_bias=False, kernel_init=zeros)(temb)
        h = nn.swish(GroupNorm(GROUPS)(h))
        h = nn.Dropout(self.dropout)(h, deterministic=not train)
        h = conv("conv2", self.features, kernel_init=zeros)(h)
        return h + (x if x.shape[-1] == self.features else linear("nin_shortcut", self.features)(x))


class AttnBlock(nn.Module):
    """One head of attention over all pixels, plus the input; at the start it is the identity."""

    @nn.compact
    def __call__(self, x: Image) -> Image:
        features = x.shape[-1]
        normed = GroupNorm(GROUPS)(x)
        h = attend(*(linear(name, features)(normed) for name in ("q", "k", "v")))
        return x + linear("proj_out", features, kernel_init=nn.initializers.zeros)(h)


def fourier_features(x: Float[Array, "*space c"]) -> Float[Array, "*space 4*c"]:
    """Return ``sin`` and ``cos`` of ``2 pi 2^n x`` for n = 6 and 7, which show fine detail.

    First all sines, of each channel in turn at both frequencies, then all cosines.
    """
    turns = (x[..., None] * 2.0 ** jnp.array(FREQUENCIES, x.dtype)).reshape(*x.shape[:-1], -1)
    # All numbers are exact up to here. Without whole turns the angles stay small: an angle of 800
    # would have a rounding error of 6e-5.
    angles = 2 * math.pi * (turns - jnp.round(turns))
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def conv(name: str, features: int, **options) -> nn.Conv:
    """Return a 3x3 convolution with bias, by default with LeCun's initialization."""
    return nn.Conv(features, (3, 3), name=name, promote_dtype=promote_to_input, **options)


def linear(name: str, features: int, **options) -> nn.Dense:
    """Return a linear map of the channels, by default with LeCun's initialization."""
    return nn.Dense(features, name=name, promote_dtype=promote_to_input, **options)
