"""The U-Net of Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239).

As score_sde has it: modules and parameters carry its names, so its checkpoints load as they are.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.attention import AttnBlock
from gradlog.models.networks.embeddings import (
    as_label,
    ladder_sigma,
    positional_embedding,
    with_class,
)
from gradlog.models.networks.layers import (
    ACTIVATIONS,
    DTYPES,
    GroupNorm,
    activation,
    check_choice,
    check_halvings,
    conv3x3,
    dense,
    through,
    to_compute,
)
from gradlog.models.networks.resnet_blocks import ResnetBlockDDPM
from gradlog.models.networks.up_or_down import Downsample, Upsample

Image = Float[Array, "b h w c"]
Embedding = Float[Array, " e"]

CHOICES = {"nonlinearity": tuple(ACTIVATIONS), "dtype": DTYPES}


class DDPM(nn.Module):
    """Maps one image and its noise label to an image of the same shape.

    Hyper-parameters that share a name with NCSNpp share its meaning. The label is embedded by
    sines and cosines of itself: `999 t` or a ladder index.
    Raises ValueError on an unknown choice, when `nf` times an entry of `ch_mult` is not a multiple
    of 32, and when called on an image whose height or width is not divisible by 2 to the number
    of resolutions minus one.
    """

    nf: int = 128  # channels at the full resolution
    ch_mult: tuple[int, ...] = (1, 2, 2, 2)  # channels at each resolution, in units of nf
    num_res_blocks: int = 4  # per resolution, on the way down; one more on the way up
    attn_resolutions: tuple[int, ...] = (16,)  # image heights at which there is attention
    dropout: float = 0.1
    nonlinearity: str = "swish"
    resamp_with_conv: bool = True
    conditional: bool = True  # on the noise label
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and centered here
    scale_by_sigma: bool = False  # divide the output by sigma number `int(label)` of the ladder
    sigma_min: float = 0.01
    sigma_max: float = 50.0
    num_scales: int = 1000  # levels of that ladder
    num_classes: int = 0  # that it can be told; 0: unconditional
    dtype: str = "float32"  # to compute in; parameters and output are float32
    remat: bool = False  # compute the blocks' activations again on the way back

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            check_choice(field, getattr(self, field), choices)
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
        images = to_compute(x[None], self.dtype)
        label = as_label(label, x)
        temb = self._embed(label, condition)
        skips = self._encode(images if self.centered else 2.0 * images - 1.0, temb, train)
        h = self._residual(skips[-1], temb, train)
        h = self._residual(AttnBlock()(h), temb, train)
        h = self._decode(h, skips, temb, train)
        h = activation(self.nonlinearity)(GroupNorm(32)(h))
        h = conv3x3(x.shape[-1], init_scale=0.0)(h).astype(x.dtype)
        return (h / self._sigma(label).astype(x.dtype) if self.scale_by_sigma else h)[0]

    @nn.nowrap
    def _embed(self, label: Float[Array, ""], condition: Int[Array, ""] | None) -> Embedding | None:
        temb = None
        if self.conditional:
            temb = dense(4 * self.nf)(positional_embedding(label, self.nf))
            temb = dense(4 * self.nf)(activation(self.nonlinearity)(temb))
        temb = with_class(temb, condition, num_classes=self.num_classes, size=4 * self.nf)
        return None if temb is None else to_compute(temb, self.dtype)

    @nn.nowrap
    def _sigma(self, label: Float[Array, ""]) -> Float[Array, ""]:
        return ladder_sigma(
            label,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            num_scales=self.num_scales,
        )

    @nn.nowrap
    def _encode(self, images: Image, temb: Embedding | None, train: bool) -> list[Image]:
        """All feature maps of the way down, which the way up takes again in reverse order."""
        skips = [conv3x3(self.nf)(images)]
        for level, mult in enumerate(self.ch_mult):
            for _ in range(self.num_res_blocks):
                h = self._residual(skips[-1], temb, train, out_ch=self.nf * mult)
                skips.append(self._attend_if_listed(h))
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
            h = self._attend_if_listed(h)
            if level != 0:
                h = self._resampler(Upsample)(h)
        return h

    @nn.nowrap
    def _residual(self, h: Image, temb: Embedding | None, train: bool, *, out_ch: int = 0) -> Image:
        block = ResnetBlockDDPM(self.nonlinearity, self.dropout, out_ch)
        return through(block, h, temb, train=train, remat=self.remat)

    @nn.nowrap
    def _resampler(self, cls: type[Upsample] | type[Downsample]) -> Upsample | Downsample:
        return cls(with_conv=self.resamp_with_conv, fir=False, fir_kernel=())

    @nn.nowrap
    def _attend_if_listed(self, h: Image) -> Image:
        return AttnBlock()(h) if h.shape[1] in self.attn_resolutions else h
