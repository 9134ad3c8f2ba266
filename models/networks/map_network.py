"""Any network as a network that sees a noise level for each dimension."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class MapNetwork(nn.Module):
    """A network whose label is an array of the shape of the datum.

    The inner network sees the labels as further channels beside those of x, and their mean as its
    own label. Its outputs for the further channels are not used.
    """

    network: nn.Module

    @property
    def num_classes(self) -> int:
        """The number of classes of the inner network; 0 for an unconditional network."""
        return getattr(self.network, "num_classes", 0)

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*D c"],
        label: Float[Array, "..."],
        condition: Int[Array, ""] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "*D c"]:
        joined = jnp.concatenate([x, jnp.broadcast_to(label, x.shape)], axis=-1)
        h = self.network(joined, jnp.mean(label), condition, train=train)
        if h.shape != joined.shape:
            raise ValueError(f"a network of maps needs outputs {joined.shape}, got {h.shape}")
        return h[..., : x.shape[-1]]
