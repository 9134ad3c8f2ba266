"""The U-Net of Kingma et al. 2021, "Variational Diffusion Models" (arXiv:2107.00630, appendix B).

Without down-sampling, as google-research/vdm has it; modules carry its names. Its authors' code is
told one more number beside the noise, which is zero without classes: that is left out here.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.attention import attend
from gradlog.models.networks.embeddings import as_label, positional_embedding, with_class
from gradlog.models.networks.layers import (
    DTYPES,
    GroupNorm,
    check_choice,
    check_halvings,
    like_input,
    through,
    to_compute,
)

GROUPS = 32
FREQUENCIES = (6, 7)  # of the Fourier features: powers of two

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]


class VDM(nn.Module):
    """Maps one image and its noise label to an image of the same shape: an estimate of the noise.

    The label lies in [0, 1]: ``gamma = log sigma^2/alpha^2``, of which it is told a thousand times
    the place between the smallest and the largest. The last layer is zero at the start, and the
    input is added to it: the noise is estimated by the noisy image itself.
    Raises ValueError on an unknown choice, and when `nf` is not a multiple of 32, or is 32 itself:
    with a group to each channel the normalization would take away what the label adds.
    """

    nf: int = 128  # channels
    num_layers: int = 3  # residual blocks on the way down; one more on the way up
    dropout: float = 0.1
    with_fourier_features: bool = True  # of the input, beside it
    with_attention: bool = False  # after every block, not only in the middle
    num_classes: int = 0  # that it can be told; 0: unconditional
    dtype: str = "float32"  # to compute in; parameters and output are float32
    remat: bool = False  # compute the blocks' activations again on the way back

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
        temb = to_compute(self._embed(as_label(label, x), condition), self.dtype)
        images = x[None]
        if self.with_fourier_features:
            images = jnp.concatenate([images, fourier_features(images)], axis=-1)
        h = conv("conv_in", self.nf)(to_compute(images, self.dtype))
        h = self._blocks(h, temb, train)
        h = nn.swish(GroupNorm(GROUPS)(h))
        h = conv("conv_out", x.shape[-1], kernel_init=nn.initializers.zeros)(h)
        return x + h[0].astype(x.dtype)

    @nn.nowrap
    def _embed(self, label: Float[Array, ""], condition: Int[Array, ""] | None) -> Embedding:
        temb = positional_embedding(1000 * label, self.nf)
        for name in ("dense0", "dense1"):
            temb = nn.swish(linear(name, 4 * self.nf)(temb))
        embedded = with_class(temb, condition, num_classes=self.num_classes, size=4 * self.nf)
        assert embedded is not None
        return embedded

    @nn.nowrap
    def _blocks(self, h: Image, temb: Embedding, train: bool) -> Image:
        skips = [h]
        for i in range(self.num_layers):
            h = self._residual(f"down.block_{i}", h, temb, train)
            h = self._attend_if_asked(f"down.attn_{i}", h)
            skips.append(h)
        h = self._residual("mid.block_1", h, temb, train)
        h = AttnBlock(name="mid.attn_1")(h)
        h = self._residual("mid.block_2", h, temb, train)
        for i in range(self.num_layers + 1):
            h = jnp.concatenate([h, skips.pop()], axis=-1)
            h = self._residual(f"up.block_{i}", h, temb, train)
            h = self._attend_if_asked(f"up.attn_{i}", h)
        return h

    @nn.nowrap
    def _residual(self, name: str, h: Image, temb: Embedding, train: bool) -> Image:
        block = ResnetBlock(self.nf, self.dropout, name=name)
        return through(block, h, temb, train=train, remat=self.remat)

    @nn.nowrap
    def _attend_if_asked(self, name: str, h: Image) -> Image:
        return AttnBlock(name=name)(h) if self.with_attention else h


class ResnetBlock(nn.Module):
    """norm, swish, conv, + embedding, norm, swish, dropout, conv; plus the input.

    It starts as the identity, or as a linear map of the channels where their number changes.
    """

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x: Image, temb: Embedding, *, train: bool) -> Image:
        h = conv("conv1", self.features)(nn.swish(GroupNorm(GROUPS)(x)))
        zeros = nn.initializers.zeros
        h = h + linear("cond_proj", self.features, use_bias=False, kernel_init=zeros)(temb)
        h = nn.swish(GroupNorm(GROUPS)(h))
        h = nn.Dropout(self.dropout)(h, deterministic=not train)
        h = conv("conv2", self.features, kernel_init=zeros)(h)
        return h + (x if x.shape[-1] == self.features else linear("nin_shortcut", self.features)(x))


class AttnBlock(nn.Module):
    """One head of attention over all pixels, plus the input; it starts as the identity."""

    @nn.compact
    def __call__(self, x: Image) -> Image:
        features = x.shape[-1]
        normed = GroupNorm(GROUPS)(x)
        h = attend(*(linear(name, features)(normed) for name in ("q", "k", "v")))
        return x + linear("proj_out", features, kernel_init=nn.initializers.zeros)(h)


def fourier_features(x: Float[Array, "*space c"]) -> Float[Array, "*space 4*c"]:
    """``sin`` and ``cos`` of ``2 pi 2^n x`` for n = 6 and 7: what fine detail looks like.

    First all sines, of each channel in turn at both frequencies, then all cosines.
    """
    turns = (x[..., None] * 2.0 ** jnp.array(FREQUENCIES, x.dtype)).reshape(*x.shape[:-1], -1)
    # Exact up to here, and so are whole turns left out: an angle of 800 would be rounded to 6e-5.
    angles = 2 * math.pi * (turns - jnp.round(turns))
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def conv(name: str, features: int, **options) -> nn.Conv:
    """A 3x3 convolution with bias, LeCun's initialization unless told otherwise."""
    return nn.Conv(features, (3, 3), name=name, promote_dtype=like_input, **options)


def linear(name: str, features: int, **options) -> nn.Dense:
    """A linear map of the channels, LeCun's initialization unless told otherwise."""
    return nn.Dense(features, name=name, promote_dtype=like_input, **options)
