"""The U-Net of Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239).

It follows score_sde: modules and parameters have its names, so its checkpoints load directly.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.attention import AttnBlock
from gradlog.models.networks.embeddings import (
    add_class,
    cast_label,
    ladder_sigma,
    positional_embedding,
)
from gradlog.models.networks.layers import (
    ACTIVATIONS,
    DTYPES,
    GroupNorm,
    activation,
    apply_block,
    cast_to,
    check_fields,
    check_halvings,
    conv3x3,
    dense,
)
from gradlog.models.networks.resnet_blocks import ResnetBlockDDPM
from gradlog.models.networks.up_or_down import Downsample, Upsample

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]

CHOICES = {"nonlinearity": tuple(ACTIVATIONS), "dtype": DTYPES}


class DDPM(nn.Module):
    """A map from one image and its noise label to an image of the same shape.

    Hyperparameters with the same name in NCSNpp have the same meaning. Sines and cosines embed the
    label itself: `999 t` or a ladder index.

    Raises:
      ValueError: a choice is unknown; `nf` times an entry of `ch_mult` is not a multiple of 32; or
        the height or width of the image is not divisible by 2 to the number of resolutions minus
        one.
    """

    nf: int = 128  # channels at full resolution
    ch_mult: tuple[int, ...] = (1, 2, 2, 2)  # channels at each resolution, in units of nf
    num_res_blocks: int = 4  # per resolution in the encoder; the decoder has one more
    attn_resolutions: tuple[int, ...] = (16,)  # image heights with attention
    dropout: float = 0.1
    nonlinearity: str = "swish"
    resamp_with_conv: bool = True
    conditional: bool = True  # on the noise label
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and are centered here
    scale_by_sigma: bool = False  # divide the output by level `int(label)` of the noise ladder
    sigma_min: float = 0.01
    sigma_max: float = 50.0
    num_scales: int = 1000  # levels of the noise ladder
    num_classes: int = 0  # 0: unconditional
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        check_fields(self, CHOICES)
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
        check_halvings(x.shape, len(self.ch_mult) - 1)
        images = cast_to(x[None], self.dtype)
        label = cast_label(label, x)
        temb = self._embed(label, condition)
        skips = self._encode(images if self.centered else 2.0 * images - 1.0, temb, train)
        h = self._residual(skips[-1], temb, train)
        h = self._residual(AttnBlock()(h), temb, train)
        h = self._decode(h, skips, temb, train)
        h = activation(self.nonlinearity)(GroupNorm(32)(h))
        h = conv3x3(x.shape[-1], init_scale=0.0)(h).astype(x.dtype)
        if self.scale_by_sigma:
            sigma = ladder_sigma(label, self.sigma_min, self.sigma_max, self.num_scales)
            h = h / sigma.astype(x.dtype)
        return h[0]

    @nn.nowrap
    def _embed(self, label: Float[Array, ""], condition: Int[Array, ""] | None) -> Embedding | None:
        temb = None
        if self.conditional:
            temb = dense(4 * self.nf)(positional_embedding(label, self.nf))
            temb = dense(4 * self.nf)(activation(self.nonlinearity)(temb))
        temb = add_class(temb, condition, num_classes=self.num_classes, size=4 * self.nf)
        return None if temb is None else cast_to(temb, self.dtype)

    @nn.nowrap
    def _encode(self, images: Image, temb: Embedding | None, train: bool) -> list[Image]:
        """Return all feature maps of the encoder; the decoder takes them in reverse order."""
        skips = [conv3x3(self.nf)(images)]
        for level, mult in enumerate(self.ch_mult):
            for _ in range(self.num_res_blocks):
                h = self._residual(skips[-1], temb, train, out_ch=self.nf * mult)
                skips.append(self._maybe_attend(h))
            if level != len(self.ch_mult) - 1:
                skips.append(self._resampler(Downsample)(skips[-1]))
        return skips

    @nn.nowrap
    def _decode(self, h: Image, skips: list[Image], temb: Embedding | None, train: bool) -> Image:
        skips = list(skips)
        for level, mult in reversed(list(enumerate(self.ch_mult))):
            for _ in range(self.num_res_blocks + 1):
                h = jnp.concatenate([h, skips.pop()], axis=-1)
                h = self._residual(h, temb, train, out_ch=self.nf * mult)
            h = self._maybe_attend(h)
            if level != 0:
                h = self._resampler(Upsample)(h)
        return h

    @nn.nowrap
    def _residual(self, h: Image, temb: Embedding | None, train: bool, *, out_ch: int = 0) -> Image:
        block = ResnetBlockDDPM(self.nonlinearity, self.dropout, out_ch)
        return apply_block(block, h, temb, train=train, remat=self.remat)

    @nn.nowrap
    def _resampler(self, cls: type[Upsample] | type[Downsample]) -> Upsample | Downsample:
        return cls(with_conv=self.resamp_with_conv, fir=False, fir_kernel=())

    @nn.nowrap
    def _maybe_attend(self, h: Image) -> Image:
        return AttnBlock()(h) if h.shape[1] in self.attn_resolutions else h
