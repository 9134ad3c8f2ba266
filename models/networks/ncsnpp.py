"""The U-Net of Song et al. 2021, "Score-Based Generative Modeling through SDEs" (Appendix H).

One class covers DDPM++ (positional embedding, no filter, no pyramids) and NCSN++ (Fourier embedding
of sigma, FIR filters, progressive growing). Modules and parameters have the names of the score_sde
release, so its checkpoints load directly.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.attention import AttnBlockpp
from gradlog.models.networks.embeddings import (
    EMBEDDING_TYPES,
    add_class,
    cast_label,
    embed_label,
    ladder_sigma,
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
    residual_sum,
)
from gradlog.models.networks.resnet_blocks import Combine, ResnetBlockBigGANpp, ResnetBlockDDPMpp
from gradlog.models.networks.up_or_down import Downsample, Upsample

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]

CHOICES = {
    "nonlinearity": tuple(ACTIVATIONS),
    "resblock_type": ("biggan", "ddpm"),
    "progressive": ("none", "output_skip", "residual"),
    "progressive_input": ("none", "input_skip", "residual"),
    "progressive_combine": ("cat", "sum"),
    "embedding_type": EMBEDDING_TYPES,
    "dtype": DTYPES,
}


class NCSNpp(nn.Module):
    """A map from one image and its noise label to an image of the same shape.

    The defaults are those of `cifar10_ddpmpp_deep_continuous` with half its depth.

    Raises:
      ValueError: a choice is unknown, or the height or width of the image is not divisible by 2 to
        the number of resolutions minus one.
    """

    nf: int = 128  # channels at full resolution
    ch_mult: tuple[int, ...] = (1, 2, 2, 2)  # channels at each resolution, in units of nf
    num_res_blocks: int = 4  # per resolution in the encoder; the decoder has one more
    attn_resolutions: tuple[int, ...] = (16,)  # image heights with attention
    dropout: float = 0.1
    nonlinearity: str = "swish"
    resamp_with_conv: bool = True  # ddpm blocks only: resample with a convolution
    conditional: bool = True  # on the noise label
    fir: bool = False  # resample with the anti-aliasing filter
    fir_kernel: tuple[int, ...] = (1, 3, 3, 1)
    skip_rescale: bool = True  # divide residual sums by sqrt(2)
    resblock_type: str = "biggan"
    progressive: str = "none"  # how the resolutions combine to the output
    progressive_input: str = "none"  # how the input enters at lower resolutions
    progressive_combine: str = "sum"  # for input_skip
    embedding_type: str = "positional"
    fourier_scale: float = 16.0
    trainable_embedding: bool = False
    init_scale: float = 0.0  # of the last layer of every block and of the network
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and are centered here
    scale_by_sigma: bool = False  # divide the output by the sigma of the label
    sigma_min: float = 0.01  # the noise ladder of labels that are indices: see `_sigma_of_label`
    sigma_max: float = 50.0
    num_scales: int = 1000  # levels of the ladder; rows of the table of embedding_type 'table'
    num_classes: int = 0  # 0: unconditional
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        check_fields(self, CHOICES)
        if self.scale_by_sigma and self.embedding_type == "fourier_linear":
            raise ValueError(
                "scale_by_sigma = True needs a label that gives sigma: embedding_type = 'fourier'"
                " (the label is sigma) or 'positional' or 'table' (an index), got 'fourier_linear'"
            )
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
        images = cast_to(x[None], self.dtype)  # convolutions, and so all blocks, need a batch
        if not self.centered:
            images = 2.0 * images - 1.0
        label = cast_label(label, x)
        temb = self._embed(label)
        temb = add_class(temb, condition, num_classes=self.num_classes, size=4 * self.nf)
        temb = None if temb is None else cast_to(temb, self.dtype)
        skips = self._encode(images, temb, train)
        h = self._residual(skips[-1], temb, train)
        h = self._residual(self._attention()(h), temb, train)
        h = self._decode(h, skips, temb, train, channels=x.shape[-1]).astype(x.dtype)
        if self.scale_by_sigma:
            h = h / self._sigma_of_label(label).astype(h.dtype)
        return h[0]

    @nn.nowrap
    def _embed(self, label: Float[Array, ""]) -> Embedding | None:
        temb = embed_label(
            label,
            kind=self.embedding_type,
            size=self.nf,
            fourier_scale=self.fourier_scale,
            trainable=self.trainable_embedding,
            num_scales=self.num_scales,
        )
        if not self.conditional:
            return None
        temb = dense(4 * self.nf)(temb)
        return dense(4 * self.nf)(activation(self.nonlinearity)(temb))

    @nn.nowrap
    def _sigma_of_label(self, label: Float[Array, ""]) -> Float[Array, ""]:
        """Return the label itself for Fourier embeddings; otherwise look it up in the ladder."""
        if self.embedding_type == "fourier":
            return label
        return ladder_sigma(label, self.sigma_min, self.sigma_max, self.num_scales)

    @nn.nowrap
    def _encode(self, images: Image, temb: Embedding | None, train: bool) -> list[Image]:
        """Return all feature maps of the encoder; the decoder takes them in reverse order."""
        pyramid = images
        skips = [conv3x3(self.nf)(images)]
        for level, mult in enumerate(self.ch_mult):
            for _ in range(self.num_res_blocks):
                h = self._residual(skips[-1], temb, train, out_ch=self.nf * mult)
                skips.append(self._maybe_attend(h))
            if level != len(self.ch_mult) - 1:
                h = self._down(skips[-1], temb, train)
                pyramid, h = self._feed_input(pyramid, h)
                skips.append(h)
        return skips

    @nn.nowrap
    def _decode(
        self, h: Image, skips: list[Image], temb: Embedding | None, train: bool, *, channels: int
    ) -> Image:
        skips = list(skips)
        pyramid = None
        for level, mult in reversed(list(enumerate(self.ch_mult))):
            for _ in range(self.num_res_blocks + 1):
                h = jnp.concatenate([h, skips.pop()], axis=-1)
                h = self._residual(h, temb, train, out_ch=self.nf * mult)
            h = self._maybe_attend(h)
            pyramid, h = self._grow_output(pyramid, h, channels)
            if level != 0:
                h = self._up(h, temb, train)
        if self.progressive == "output_skip":
            assert pyramid is not None
            return pyramid
        return self._head(h, channels, init_scale=self.init_scale)

    @nn.nowrap
    def _feed_input(self, pyramid: Image, h: Image) -> tuple[Image, Image]:
        """Halve the input pyramid, and join it to the feature map h of that resolution."""
        if self.progressive_input == "input_skip":
            pyramid = self._resampler(Downsample, with_conv=False)(pyramid)
            return pyramid, Combine(self.progressive_combine)(pyramid, h)
        if self.progressive_input == "residual":
            pyramid = self._resampler(Downsample, with_conv=True, out_ch=h.shape[-1])(pyramid)
            h = residual_sum(pyramid, h, rescale=self.skip_rescale)
            return h, h
        return pyramid, h

    @nn.nowrap
    def _grow_output(
        self, pyramid: Image | None, h: Image, channels: int
    ) -> tuple[Image | None, Image]:
        """Double the output pyramid, and join the feature map h of that resolution to it."""
        if self.progressive == "output_skip":
            if pyramid is None:
                return self._head(h, channels, init_scale=self.init_scale), h
            pyramid = self._resampler(Upsample, with_conv=False)(pyramid)
            return pyramid + self._head(h, channels, init_scale=self.init_scale), h
        if self.progressive == "residual":
            if pyramid is None:
                return self._head(h, h.shape[-1]), h
            pyramid = self._resampler(Upsample, with_conv=True, out_ch=h.shape[-1])(pyramid)
            h = residual_sum(pyramid, h, rescale=self.skip_rescale)
            return h, h
        return None, h

    @nn.nowrap
    def _head(self, h: Image, channels: int, *, init_scale: float = 1.0) -> Image:
        h = activation(self.nonlinearity)(GroupNorm()(h))
        return conv3x3(channels, init_scale=init_scale)(h)

    @nn.nowrap
    def _down(self, h: Image, temb: Embedding | None, train: bool) -> Image:
        if self.resblock_type == "ddpm":
            return self._resampler(Downsample, with_conv=self.resamp_with_conv)(h)
        return self._residual(h, temb, train, resample="down")

    @nn.nowrap
    def _up(self, h: Image, temb: Embedding | None, train: bool) -> Image:
        if self.resblock_type == "ddpm":
            return self._resampler(Upsample, with_conv=self.resamp_with_conv)(h)
        return self._residual(h, temb, train, resample="up")

    @nn.nowrap
    def _residual(self, h: Image, temb: Embedding | None, train: bool, **kwargs) -> Image:
        return apply_block(self._block(**kwargs), h, temb, train=train, remat=self.remat)

    @nn.nowrap
    def _block(self, **kwargs) -> ResnetBlockDDPMpp | ResnetBlockBigGANpp:
        kwargs |= {
            "nonlinearity": self.nonlinearity,
            "dropout": self.dropout,
            "skip_rescale": self.skip_rescale,
            "init_scale": self.init_scale,
        }
        if self.resblock_type == "ddpm":
            return ResnetBlockDDPMpp(**kwargs)
        return ResnetBlockBigGANpp(**kwargs, fir=self.fir, fir_kernel=self.fir_kernel)

    @nn.nowrap
    def _resampler(self, cls: type[Upsample] | type[Downsample], **kwargs) -> Upsample | Downsample:
        return cls(fir=self.fir, fir_kernel=self.fir_kernel, **kwargs)

    @nn.nowrap
    def _attention(self) -> AttnBlockpp:
        return AttnBlockpp(skip_rescale=self.skip_rescale, init_scale=self.init_scale)

    @nn.nowrap
    def _maybe_attend(self, h: Image) -> Image:
        return self._attention()(h) if h.shape[1] in self.attn_resolutions else h
