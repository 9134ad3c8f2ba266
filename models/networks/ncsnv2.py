"""The RefineNet of Song & Ermon 2020 (NCSNv2, arXiv:2006.09011).

"Improved Techniques for Training Score-Based Generative Models", as in score_sde: modules have its
names, so its checkpoints load directly.
"""

import flax.linen as nn
from jaxtyping import Array, Float, Int

from gradlog.models.networks.embeddings import cast_label, ladder_sigma
from gradlog.models.networks.layers import (
    ACTIVATIONS,
    DTYPES,
    cast_to,
    check_choice,
    check_halvings,
)
from gradlog.models.networks.refine_blocks import INTERPOLATIONS, RefineStyle, refine_net

CHOICES = {
    "nonlinearity": tuple(ACTIVATIONS),
    "interpolation": tuple(INTERPOLATIONS),
    "dtype": DTYPES,
}
# (channels in units of nf, dilation) of each stage after the first; dilation 1 halves the image.
BACKBONES = {
    64: ((2, 1), (2, 2), (2, 4)),
    128: ((2, 1), (2, 1), (4, 2), (4, 4)),
    256: ((2, 1), (2, 1), (2, 1), (4, 2), (4, 4)),
}
# Channels of the refined feature maps, from the last stage to the first, in units of nf.
REFINED = {64: (2, 2, 2, 1), 128: (4, 2, 2, 1, 1), 256: (4, 2, 2, 2, 1, 1)}


class NCSNv2(nn.Module):
    """A map from one image and its noise label to an image of the same shape.

    The network does not use the noise level: the label, an index of the noise ladder, only selects
    the sigma that divides the output, if any. Hyperparameters with the same name in NCSNpp have the
    same meaning. The published networks have nonlinearity 'elu' and divide by sigma.

    Raises:
      ValueError: a choice is unknown; `num_classes` is not 0; or the height or width of the image
        cannot be halved as often as the backbone does.
    """

    nf: int = 128  # channels at full resolution
    backbone: int = 64  # image size that it suits: 64 (and 32), 128 or 256
    nonlinearity: str = "swish"
    interpolation: str = "bilinear"
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and are centered here
    scale_by_sigma: bool = False  # divide the output by level `int(label)` of the noise ladder
    sigma_min: float = 0.01
    sigma_max: float = 50.0
    num_scales: int = 1000  # levels of the noise ladder
    num_classes: int = 0  # must be 0: the network has no embedding of a class
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            check_choice(field, getattr(self, field), choices)
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone = {self.backbone} must be one of {sorted(BACKBONES)}")
        if self.num_classes:
            raise ValueError(
                f"num_classes = {self.num_classes}: the RefineNet has no embedding of a class; "
                "choose 0, or another network"
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
        del train  # there is no dropout
        if condition is not None:
            raise ValueError("the RefineNet has no classes, but got a condition")
        check_halvings(x.shape, sum(dilation == 1 for _, dilation in BACKBONES[self.backbone]))
        images = cast_to(x[None], self.dtype)
        h = refine_net(
            images if self.centered else 2.0 * images - 1.0,
            RefineStyle(self.nonlinearity, resize=INTERPOLATIONS[self.interpolation]),
            nf=self.nf,
            stages=BACKBONES[self.backbone],
            refined=REFINED[self.backbone],
            remat=self.remat,
        )[0].astype(x.dtype)
        if not self.scale_by_sigma:
            return h
        sigma = ladder_sigma(
            cast_label(label, x),
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            num_scales=self.num_scales,
        )
        return h / sigma.astype(x.dtype)
