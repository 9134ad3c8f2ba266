"""A residual multilayer perceptron for vectors, and for other small data."""

import flax.linen as nn
from jaxtyping import Array, Float, Int

from gradlog.models.networks.embeddings import EMBEDDING_TYPES, add_class, cast_label, embed_label
from gradlog.models.networks.layers import (
    ACTIVATIONS,
    activation,
    check_fields,
    dense,
    residual_sum,
)

CHOICES = {"nonlinearity": tuple(ACTIVATIONS), "embedding_type": EMBEDDING_TYPES}


class MLP(nn.Module):
    """A map from one datum of any shape and its noise label to an array of the same shape.

    It has `num_layers` pre-normalized residual blocks of width `hidden`; each adds a linear map of
    the noise embedding. Hyperparameters with the same name in NCSNpp have the same meaning.

    Raises:
      ValueError: a choice is unknown.
    """

    hidden: int = 128
    num_layers: int = 3  # residual blocks
    embedding: int = 64  # number of sines and cosines of the label
    nonlinearity: str = "swish"
    dropout: float = 0.0
    skip_rescale: bool = False
    conditional: bool = True  # on the noise label
    embedding_type: str = "positional"
    fourier_scale: float = 16.0
    trainable_embedding: bool = False
    num_scales: int = 1000  # rows of the table of embedding_type 'table'
    init_scale: float = 0.0  # of the last layer of every block and of the network
    num_classes: int = 0  # 0: unconditional

    def __post_init__(self) -> None:
        check_fields(self, CHOICES)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*D"],
        label: Float[Array, ""],
        condition: Int[Array, ""] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "*D"]:
        act = activation(self.nonlinearity)
        temb = self._embed(cast_label(label, x)) if self.conditional else None
        temb = add_class(temb, condition, num_classes=self.num_classes, size=self.hidden)
        h = dense(self.hidden)(x.reshape(-1))
        for _ in range(self.num_layers):
            h = self._residual_block(h, temb, train)
        out = dense(x.size, init_scale=self.init_scale)(act(nn.LayerNorm()(h)))
        return out.reshape(x.shape)

    @nn.nowrap
    def _embed(self, label: Float[Array, ""]) -> Float[Array, " hidden"]:
        fourier = self.embedding_type.startswith("fourier")
        embedded = embed_label(
            label,
            kind=self.embedding_type,
            size=self.embedding // 2 if fourier else self.embedding,
            fourier_scale=self.fourier_scale,
            trainable=self.trainable_embedding,
            num_scales=self.num_scales,
        )
        return activation(self.nonlinearity)(dense(self.hidden)(embedded))

    @nn.nowrap
    def _residual_block(
        self, h: Float[Array, " hidden"], temb: Float[Array, " hidden"] | None, train: bool
    ) -> Float[Array, " hidden"]:
        act = activation(self.nonlinearity)
        r = dense(self.hidden)(act(nn.LayerNorm()(h)))
        if temb is not None:
            r = r + dense(self.hidden)(temb)
        r = nn.Dropout(self.dropout)(act(r), deterministic=not train)
        r = dense(self.hidden, init_scale=self.init_scale)(r)
        return residual_sum(h, r, rescale=self.skip_rescale)
