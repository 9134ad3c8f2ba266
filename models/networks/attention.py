"""Self-attention between the pixels of one image."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from gradlog.models.networks.layers import NIN, GroupNorm, residual_sum

Image = Float[Array, "b h w c"]


def attend(query: Image, key: Image, value: Image) -> Image:
    """Return one head of dot-product attention over all pixels (Vaswani et al. 2017).

    It uses JAX's own function, which XLA fuses; its softmax is in float32 for every input. It does
    not use cuDNN's, which has no forward-mode derivative (likelihoods and several objectives need
    it), no float32 version, and before Hopper no heads of 256 channels as in these networks. These
    networks attend over 256 pixels, so the weight matrix that cuDNN would save is small.
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
        return residual_sum(x, _attention(normed, self.init_scale), rescale=self.skip_rescale)


class AttnBlock(nn.Module):
    """Attention as a residual block with 32 groups; the identity at the start (Ho et al. 2020).

    Raises:
      ValueError: the number of channels is not a multiple of 32.
    """

    @nn.compact
    def __call__(self, x: Image) -> Image:
        return x + _attention(GroupNorm(32)(x), 0.0)


def _attention(normed: Image, init_scale: float) -> Image:
    c = normed.shape[-1]
    query, key, value = (NIN(c)(normed) for _ in range(3))
    return NIN(c, init_scale=init_scale)(attend(query, key, value))
