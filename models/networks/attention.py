"""Self-attention between the pixels of one image."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from gradlog.models.networks.layers import NIN, GroupNorm, residual_sum

Image = Float[Array, "b h w c"]


def attend(query: Image, key: Image, value: Image) -> Image:
    """One head of dot-product attention over all pixels (Vaswani et al. 2017).

    JAX's own, as XLA fuses it; its softmax is in float32 whatever the input. Not cuDNN's: that has
    no forward-mode derivative, which likelihoods and several objectives take, none in float32,
    and none of the 256-channel heads of these networks before Hopper. With the 256 pixels at which
    they attend, the matrix of weights that it would save is small.
    """
    b, height, width, c = query.shape
    flat = (a.reshape(b, height * width, 1, c) for a in (query, key, value))
    return jax.nn.dot_product_attention(*flat, implementation="xla").reshape(query.shape)


class AttnBlockpp(nn.Module):
    """Attention as a residual block, rescaled like the others of its network (Song et al. 2021)."""

    skip_rescale: bool
    init_scale: float

    @nn.compact
    def __call__(self, x: Image) -> Image:
        normed = GroupNorm()(x)
        return residual_sum(x, _attended(normed, self.init_scale), rescale=self.skip_rescale)


class AttnBlock(nn.Module):
    """Attention as a residual block; normalizes 32 groups, starts as the identity (Ho et al. 2020).

    Raises ValueError unless the channels are a multiple of 32.
    """

    @nn.compact
    def __call__(self, x: Image) -> Image:
        return x + _attended(GroupNorm(32)(x), 0.0)


def _attended(normed: Image, init_scale: float) -> Image:
    c = normed.shape[-1]
    query, key, value = (NIN(c)(normed) for _ in range(3))
    return NIN(c, init_scale=init_scale)(attend(query, key, value))
