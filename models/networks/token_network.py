"""Any network as a network with logits: an embedding in front, logits behind."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.models.networks.layers import dense


class TokenNetwork(nn.Module):
    """A map from tokens, or from noisy levels, to the logits of the clean one at each position.

    Each token becomes a learned vector of ``token_features`` numbers; the mask has one too. Those
    of an image's channels are joined, so a U-Net sees an image of that many channels; a position of
    a text has one vector. The inner network maps them to as many numbers, and one linear map to the
    logits, as MD4 does with pixels (Shi et al. 2024, arXiv:2406.04329). A level with Gaussian noise
    is a real number; a linear map of it takes the place of the learned vector.

    Raises:
      ValueError: the inner network does not fit the embedded data.
    """

    network: nn.Module
    levels: int  # tokens beside the mask
    token_features: int = 32

    @property
    def num_classes(self) -> int:
        """The number of classes of the inner network; 0 for an unconditional network."""
        return getattr(self.network, "num_classes", 0)

    @nn.compact
    def __call__(
        self,
        x: Num[Array, "*D"],
        label: Float[Array, ""],
        condition: Int[Array, ""] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "*D levels"]:
        if jnp.issubdtype(x.dtype, jnp.integer):
            embedded = nn.Embed(self.levels + 1, self.token_features)(x)
        else:
            embedded = dense(self.token_features)(x[..., None])
        inner = (*x.shape[:-1], -1) if x.ndim == 3 else embedded.shape
        h = self.network(embedded.reshape(inner), label, condition, train=train)
        return dense(self.levels)(nn.LayerNorm()(h.reshape(embedded.shape)))
