"""The RefineNet of Song & Ermon 2019 (NCSN, arXiv:1907.05600, appendix A)."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.layers import ACTIVATIONS, DTYPES, check_fields
from gradlog.models.networks.ncsnv2 import BACKBONES
from gradlog.models.networks.refine_blocks import (
    InstanceNorm2dPlus,
    RefineNet,
    RefineStyle,
    resize_aligned,
)

CHOICES = {"nonlinearity": tuple(ACTIVATIONS), "dtype": DTYPES}


class NCSN(RefineNet):
    """A map from one image and the index of its noise level to an image of the same shape.

    Every normalization, `InstanceNorm2dPlus`, has parameters for each level. The refining blocks
    normalize before each convolution, and pool by means. The published networks have the
    nonlinearity 'elu', 10 levels, and data in [0, 1].

    Raises:
      ValueError: a choice is unknown; or see `RefineNet`.
    """

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
        del train  # there is no dropout
        level = jnp.round(label).astype(jnp.int32)
        norm = lambda h: InstanceNorm2dPlus(self.num_scales)(h, level)  # noqa: E731
        style = RefineStyle(
            self.nonlinearity,
            norm=norm,
            refine_norm=norm,
            pool=partial(nn.avg_pool, window_shape=(5, 5), strides=(1, 1), padding="SAME"),
            resize=resize_aligned,
        )
        return self.refine(x, condition, style, BACKBONES[64], refined=(2, 2, 1, 1))
