"""Self-attention between the pixels of one image."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from models.networks.layers import NIN, GroupNorm, residual_sum


class AttnBlockpp(nn.Module):
    """One head of dot-product attention over all pixels, as a residual block (Ho et al. 2020)."""

    skip_rescale: bool
    init_scale: float

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        b, height, width, c = x.shape
        normed = GroupNorm()(x)
        query, key, value = (NIN(c)(normed).reshape(b, height * width, 1, c) for _ in range(3))
        h = jax.nn.dot_product_attention(query, key, value, implementation="xla")
        h = NIN(c, init_scale=self.init_scale)(h.reshape(x.shape))
        return residual_sum(x, h, rescale=self.skip_rescale)
