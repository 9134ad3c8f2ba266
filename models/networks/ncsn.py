"""The RefineNet of Song & Ermon 2019 (NCSN, arXiv:1907.05600, appendix A)."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.layers import (
    ACTIVATIONS,
    DTYPES,
    cast_to,
    check_choice,
    check_halvings,
)
from gradlog.models.networks.ncsnv2 import BACKBONES
from gradlog.models.networks.refine_blocks import (
    InstanceNorm2dPlus,
    RefineStyle,
    refine_net,
    resize_aligned,
)

CHOICES = {"nonlinearity": tuple(ACTIVATIONS), "dtype": DTYPES}


class NCSN(nn.Module):
    """A map from one image and the index of its noise level to an image of the same shape.

    Every normalization, `InstanceNorm2dPlus`, has parameters for each level. The refining blocks
    normalize before each convolution, and pool by means. The published networks have the
    nonlinearity 'elu', 10 levels, and data in [0, 1].

    Raises:
      ValueError: a choice is unknown, or `num_classes` is not 0.
    """

    nf: int = 128  # channels at full resolution
    nonlinearity: str = "swish"
    num_scales: int = 1000  # levels of the noise ladder
    centered: bool = True  # the data are in [-1, 1]; else in [0, 1], and are centered here
    num_classes: int = 0  # must be 0: the network has no embedding of a class
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            check_choice(field, getattr(self, field), choices)
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
        check_halvings(x.shape, 1)
        level = jnp.round(label).astype(jnp.int32)
        norm = lambda h: InstanceNorm2dPlus(self.num_scales)(h, level)  # noqa: E731
        images = cast_to(x[None], self.dtype)
        h = refine_net(
            images if self.centered else 2.0 * images - 1.0,
            RefineStyle(
                self.nonlinearity,
                norm=norm,
                refine_norm=norm,
                pool=partial(nn.avg_pool, window_shape=(5, 5), strides=(1, 1), padding="SAME"),
                resize=resize_aligned,
            ),
            nf=self.nf,
            stages=BACKBONES[64],
            refined=(2, 2, 1, 1),
            remat=self.remat,
        )
        return h[0].astype(x.dtype)
