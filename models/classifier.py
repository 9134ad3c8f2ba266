"""A small classifier of noisy data, for every noise level."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models.networks.embeddings import positional_embedding
from gradlog.models.networks.layers import GroupNorm, conv3x3, dense
from gradlog.models.noise_labels import QuarterLogRho
from gradlog.sde_lib import SDE

Params = Any
Time = Float[Array, ""] | float

_SMALLEST_SIDE = 4  # images are halved until a side is below twice this
_DENSE_BLOCKS = 2


class ClassifierNetwork(nn.Module):
    """``(x, label) -> (logits, features)``; convolutions for images, dense layers for other data.

    The features are the inputs of the last, linear layer. A residual block adds a linear map of the
    embedded label. Between blocks, images are halved, and their channels are doubled once.

    Raises:
      ValueError: ``nf`` is not a multiple of four.
    """

    num_classes: int
    nf: int = 32  # channels at the full resolution
    hidden: int = 128  # width of dense layers, and number of features

    @nn.compact
    def __call__(
        self, x: Float[Array, "*D"], label: Float[Array, ""]
    ) -> tuple[Float[Array, " classes"], Float[Array, " hidden"]]:
        embedded = nn.swish(dense(self.hidden)(positional_embedding(label, self.hidden)))
        h = self._image(x[None], embedded) if x.ndim == 3 else self._vector(x.ravel(), embedded)
        features = nn.swish(dense(self.hidden)(h))
        return dense(self.num_classes)(features), features

    @nn.nowrap
    def _image(
        self, h: Float[Array, "1 h w c"], embedded: Float[Array, " e"]
    ) -> Float[Array, " f"]:
        h = self._conv_block(conv3x3(self.nf)(h), embedded)
        while min(h.shape[1:3]) >= 2 * _SMALLEST_SIDE:
            h = self._conv_block(nn.avg_pool(h, (2, 2), (2, 2)), embedded, 2 * self.nf)
        return jnp.mean(nn.swish(GroupNorm()(h)), axis=(0, 1, 2))

    @nn.nowrap
    def _conv_block(self, h, embedded: Float[Array, " e"], channels: int = 0):
        channels = channels or h.shape[-1]
        r = conv3x3(channels)(nn.swish(GroupNorm()(h)))
        r = nn.swish(GroupNorm()(r + dense(channels)(embedded)))
        skip = h if channels == h.shape[-1] else dense(channels)(h)
        return skip + conv3x3(channels)(r)

    @nn.nowrap
    def _vector(self, x: Float[Array, " d"], embedded: Float[Array, " e"]) -> Float[Array, " f"]:
        h = dense(self.hidden)(x)
        for _ in range(_DENSE_BLOCKS):
            r = dense(self.hidden)(nn.swish(nn.LayerNorm()(h))) + dense(self.hidden)(embedded)
            h = h + dense(self.hidden)(nn.swish(r))
        return nn.swish(nn.LayerNorm()(h))


@dataclass(frozen=True)
class NoisyClassifier:
    """``p(c | x_t)`` at every t: a network without its parameters.

    The input of the network is ``x / sqrt(alpha^2 + sigma^2)``, of order one at every noise level
    for data of order one, and ``log(rho) / 4``.
    """

    network: ClassifierNetwork

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return self.network.num_classes

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> Params:
        """Return float32 parameters for data of this shape (of one example)."""
        return self.network.init(key, jnp.zeros(shape), jnp.zeros(()))["params"]

    def log_probs(
        self, process: SDE, params: Params, x: Float[Array, "*D"], t: Time
    ) -> Float[Array, " classes"]:
        """Return ``log p(c | x_t)`` in nats for every class c."""
        return jax.nn.log_softmax(self._apply(process, params, x, t)[0])

    def features(
        self, process: SDE, params: Params, x: Float[Array, "*D"], t: Time
    ) -> Float[Array, " hidden"]:
        """Return the inputs of the last layer."""
        return self._apply(process, params, x, t)[1]

    def _apply(self, process: SDE, params: Params, x: Float[Array, "*D"], t: Time) -> Any:
        scale = jax.lax.rsqrt(process.alpha(t) ** 2 + process.sigma(t) ** 2)
        return self.network.apply({"params": params}, scale * x, QuarterLogRho()(process, t))
