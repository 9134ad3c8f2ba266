"""The RefineNet of Song & Ermon 2020, "Improved Techniques for Training Score-Based Generative
Models" (NCSNv2, arXiv:2006.09011), as score_sde has it: with its names, so its checkpoints load.
"""

import flax.linen as nn
from jaxtyping import Array, Float, Int

from gradlog.models.networks.embeddings import as_label, ladder_sigma
from gradlog.models.networks.layers import (
    ACTIVATIONS,
    DTYPES,
    activation,
    check_choice,
    check_halvings,
    through,
    to_compute,
)
from gradlog.models.networks.refine_blocks import (
    INTERPOLATIONS,
    InstanceNorm2dPlus,
    RefineBlock,
    ResidualBlock,
    ncsn_conv3x3,
)

Image = Float[Array, "b h w c"]

CHOICES = {
    "nonlinearity": tuple(ACTIVATIONS),
    "interpolation": tuple(INTERPOLATIONS),
    "dtype": DTYPES,
}
# Of each stage after the first: its channels in units of nf, and its dilation; 1 halves the image.
BACKBONES = {
    64: ((2, 1), (2, 2), (2, 4)),
    128: ((2, 1), (2, 1), (4, 2), (4, 4)),
    256: ((2, 1), (2, 1), (2, 1), (4, 2), (4, 4)),
}
# Channels of what is refined, from the last stage to the first, in units of nf.
REFINED = {64: (2, 2, 2, 1), 128: (4, 2, 2, 1, 1), 256: (4, 2, 2, 2, 1, 1)}


class NCSNv2(nn.Module):
    """Maps one image and its noise label to an image of the same shape.

    The network is not told the noise: the label, the index of a level of the ladder, only says
    which sigma the output is divided by, if at all. Hyper-parameters that share a name with NCSNpp
    share its meaning. The published ones have nonlinearity 'elu' and divide.
    Raises ValueError on an unknown choice, on classes, which it cannot be told, and when called on
    an image whose height or width cannot be halved as often as the backbone does.
    """

    nf: int = 128  # channels at the full resolution
    backbone: int = 64  # image size that it is for: 64 (and 32), 128 or 256
    nonlinearity: str = "swish"
    interpolation: str = "bilinear"
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and centered here
    scale_by_sigma: bool = False  # divide the output by sigma number `int(label)` of the ladder
    sigma_min: float = 0.01
    sigma_max: float = 50.0
    num_scales: int = 1000  # levels of that ladder
    num_classes: int = 0  # none: there is no embedding that could tell one
    dtype: str = "float32"  # to compute in; parameters and output are float32
    remat: bool = False  # compute the blocks' activations again on the way back

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            check_choice(field, getattr(self, field), choices)
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone = {self.backbone} must be one of {sorted(BACKBONES)}")
        if self.num_classes:
            raise ValueError(
                f"num_classes = {self.num_classes}: the RefineNet has no embedding to tell it a "
                "class by; choose 0, or another network"
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
        del train  # nothing is dropped
        if condition is not None:
            raise ValueError("a class is given, but the RefineNet knows none")
        check_halvings(x.shape, sum(dilation == 1 for _, dilation in BACKBONES[self.backbone]))
        images = to_compute(x[None], self.dtype)
        h = ncsn_conv3x3(images if self.centered else 2.0 * images - 1.0, self.nf)
        h = self._refine(self._stages(h))
        h = activation(self.nonlinearity)(InstanceNorm2dPlus()(h))
        h = ncsn_conv3x3(h, x.shape[-1])[0].astype(x.dtype)
        return h / self._sigma(as_label(label, x)).astype(x.dtype) if self.scale_by_sigma else h

    @nn.nowrap
    def _stages(self, h: Image) -> list[Image]:
        """The last feature map of every stage."""
        h = self._residual(h)
        stages = [self._residual(h)]
        for mult, dilation in BACKBONES[self.backbone]:
            h = self._residual(stages[-1], dilation=dilation, down=True, features=mult * self.nf)
            stages.append(self._residual(h, dilation=dilation))
        return stages

    @nn.nowrap
    def _refine(self, stages: list[Image]) -> Image:
        refined = []
        for stage, mult in zip(reversed(stages), REFINED[self.backbone], strict=True):
            block = RefineBlock(
                mult * self.nf,
                self.nonlinearity,
                self.interpolation,
                units=3 if stage is stages[0] else 1,
            )
            refined = [through(block, stage, *refined, remat=self.remat)]
        return refined[0]

    @nn.nowrap
    def _residual(self, h: Image, **kwargs) -> Image:
        return through(ResidualBlock(self.nonlinearity, **kwargs), h, remat=self.remat)

    @nn.nowrap
    def _sigma(self, label: Float[Array, ""]) -> Float[Array, ""]:
        return ladder_sigma(
            label,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            num_scales=self.num_scales,
        )
