"""The RefineNet of Song & Ermon 2020 (NCSNv2, arXiv:2006.09011).

"Improved Techniques for Training Score-Based Generative Models", as in score_sde: modules have its
names, so its checkpoints load directly.
"""

import flax.linen as nn
from jaxtyping import Array, Float, Int

from gradlog.models.networks.embeddings import cast_label, ladder_sigma
from gradlog.models.networks.layers import ACTIVATIONS, DTYPES, check_fields
from gradlog.models.networks.refine_blocks import INTERPOLATIONS, RefineNet, RefineStyle

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


class NCSNv2(RefineNet):
    """A map from one image and its noise label to an image of the same shape.

    The network does not use the noise level: the label, an index of the noise ladder, only selects
    the sigma that divides the output, if any. Hyperparameters with the same name in NCSNpp have the
    same meaning. The published networks have nonlinearity 'elu' and divide by sigma.

    Raises:
      ValueError: a choice is unknown; the height or width of the image cannot be halved as often as
        the backbone does; or see `RefineNet`.
    """

    backbone: int = 64  # image size that it suits: 64 (and 32), 128 or 256
    interpolation: str = "bilinear"
    scale_by_sigma: bool = False  # divide the output by level `int(label)` of the noise ladder
    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        check_fields(self, CHOICES)
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone = {self.backbone} must be one of {sorted(BACKBONES)}")
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
        style = RefineStyle(self.nonlinearity, resize=INTERPOLATIONS[self.interpolation])
        h = self.refine(x, condition, style, BACKBONES[self.backbone], REFINED[self.backbone])
        if not self.scale_by_sigma:
            return h
        label = cast_label(label, x)
        sigma = ladder_sigma(label, self.sigma_min, self.sigma_max, self.num_scales)
        return h / sigma.astype(x.dtype)
