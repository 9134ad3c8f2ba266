"""The diffusion transformer of Peebles & Xie 2023, "Scalable Diffusion Models with Transformers".

arXiv:2212.09748. It maps images in patches, and sequences of vectors.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gradlog.models.networks.embeddings import EMBEDDING_TYPES, add_class, cast_label, embed_label
from gradlog.models.networks.layers import DTYPES, apply_block, cast_to, check_fields, dense

Sequence = Float[Array, "n hidden"]
Vector = Float[Array, " hidden"]

POSITIONS = ("learned", "rotary")
CHOICES = {"dtype": DTYPES, "embedding_type": EMBEDDING_TYPES, "positions": POSITIONS}
_PERIOD = 10_000.0  # the longest wave of rotary positions


class DiT(nn.Module):
    """A map from one datum and its noise label to an array of the same shape.

    A datum is an image (h, w, c), which is cut into patches; a sequence (n, c); or a vector, which
    is a sequence of numbers. Every position attends to all others: it is bidirectional.
    ``num_layers`` blocks of width ``hidden`` have attention and a perceptron, each normalized first
    and scaled, shifted and gated by the embedding of the label and the class ("adaLN-Zero"). If the
    network sees neither, the normalizations have trained scales of their own. Rotary positions are
    those of Su et al. 2021, arXiv:2104.09864, along the sequence. With a ``window`` the first layer
    is a convolution over a sequence. Attention finds neighbors by their distance only after many
    steps, so text is learned sooner with one. Hyperparameters with the same name in NCSNpp have the
    same meaning.

    Raises:
      ValueError: a choice is unknown; ``hidden`` is not a multiple of twice ``num_heads``;
        ``window`` is even or below 1; or the patches do not divide the image.
    """

    hidden: int = 128
    num_layers: int = 3
    num_heads: int = 4
    patch_size: int = 2  # images: height and width of a patch
    window: int = 1  # sequences: positions that the first layer joins, the own one in the middle
    positions: str = "learned"
    embedding: int = 64  # number of sines and cosines of the label
    dropout: float = 0.1
    conditional: bool = True  # on the noise label
    embedding_type: str = "positional"
    fourier_scale: float = 16.0
    trainable_embedding: bool = False
    num_scales: int = 1000  # rows of the table of embedding_type 'table'
    num_classes: int = 0  # 0: unconditional
    dtype: str = "float32"  # of the computation; parameters and output are float32
    remat: bool = False  # recompute the blocks' activations in the backward pass

    def __post_init__(self) -> None:
        check_fields(self, CHOICES)
        if self.hidden % (2 * self.num_heads):
            raise ValueError(
                f"hidden = {self.hidden} must be a multiple of twice num_heads = {self.num_heads}"
            )
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window = {self.window} must be odd: a position is in its middle")
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
        patches = _cut(x, self.patch_size)
        seen = patches if x.ndim == 3 else _join_neighbors(patches, self.window)
        h = dense(self.hidden)(cast_to(seen, self.dtype))
        if self.positions == "learned":
            shape, init = (len(patches), self.hidden), nn.initializers.normal(0.02)
            h = h + self.param("positions", init, shape, jnp.float32).astype(h.dtype)
        c = self._embed(cast_label(label, x), condition)
        for _ in range(self.num_layers):
            block = Block(self.num_heads, self.positions == "rotary", self.dropout)
            h = apply_block(block, h, c, train=train, remat=self.remat)
        shift, scale = _modulation(c, 2)
        h = _normalize(h, shift, scale)
        return _join(
            dense(patches.shape[1], init_scale=0.0)(h).astype(x.dtype), x.shape, self.patch_size
        )

    @nn.nowrap
    def _embed(self, label: Float[Array, ""], condition: Int[Array, ""] | None) -> Vector | None:
        c = None
        if self.conditional:
            fourier = self.embedding_type.startswith("fourier")
            c = embed_label(
                label,
                kind=self.embedding_type,
                size=self.embedding // 2 if fourier else self.embedding,
                fourier_scale=self.fourier_scale,
                trainable=self.trainable_embedding,
                num_scales=self.num_scales,
            )
            c = dense(self.hidden)(nn.swish(dense(self.hidden)(c)))
        c = add_class(c, condition, num_classes=self.num_classes, size=self.hidden)
        return None if c is None else cast_to(nn.swish(c), self.dtype)


class Block(nn.Module):
    """Attention and a perceptron, each a residual whose gate is zero at the start."""

    num_heads: int
    rotary: bool
    dropout: float

    @nn.compact
    def __call__(self, h: Sequence, c: Vector | None, *, train: bool) -> Sequence:
        width = h.shape[-1]
        shift, scale, gate, shift_2, scale_2, gate_2 = _modulation(c, 6)
        last = 0.0 if c is None else 1.0  # with gates these are zero at the start instead
        drop = nn.Dropout(self.dropout, deterministic=not train)
        r = dense(3 * width)(_normalize(h, shift, scale))
        r = dense(width, init_scale=last)(_attend(r, self.num_heads, rotary=self.rotary))
        h = h + _gated(drop(r), gate)
        r = nn.gelu(dense(4 * width)(_normalize(h, shift_2, scale_2)))
        return h + _gated(drop(dense(width, init_scale=last)(r)), gate_2)


def _modulation(c: Vector | None, count: int) -> list[Vector] | list[None]:
    """Return as many vectors, linear maps of c that are zero at the start; None without c."""
    if c is None:
        return [None] * count
    return jnp.split(dense(count * c.size, init_scale=0.0)(c), count)


def _normalize(h: Sequence, shift: Vector | None, scale: Vector | None) -> Sequence:
    own = scale is None  # the normalization has a scale and a shift of its own
    normed = nn.LayerNorm(use_scale=own, use_bias=own, dtype=h.dtype)(h)
    return normed if scale is None or shift is None else normed * (1 + scale) + shift


def _gated(r: Sequence, gate: Vector | None) -> Sequence:
    return r if gate is None else gate * r


def _attend(qkv: Float[Array, "n 3*hidden"], heads: int, *, rotary: bool) -> Sequence:
    """Return attention of every position to all, by JAX's function; see `attention.attend`."""
    n, width = len(qkv), qkv.shape[-1] // 3
    query, key, value = (a.reshape(n, heads, -1) for a in jnp.split(qkv, 3, axis=-1))
    if rotary:
        query, key = _rotate(query), _rotate(key)
    return jax.nn.dot_product_attention(query, key, value, implementation="xla").reshape(n, width)


def _rotate(a: Float[Array, "n heads size"]) -> Float[Array, "n heads size"]:
    """Turn pairs of numbers by an angle proportional to the position (Su et al. 2021, eq. 34)."""
    n, _, size = a.shape
    waves = _PERIOD ** -(jnp.arange(size // 2) / (size // 2))
    angles = (jnp.arange(n)[:, None] * waves)[:, None]
    cos, sin = jnp.cos(angles).astype(a.dtype), jnp.sin(angles).astype(a.dtype)
    first, second = jnp.split(a, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _cut(x: Float[Array, "*D"], patch: int) -> Float[Array, "n numbers"]:
    if x.ndim != 3:
        return x.reshape(len(x), -1)
    height, width, channels = x.shape
    if height % patch or width % patch:
        raise ValueError(f"patch_size = {patch} does not divide an image of shape {x.shape}")
    grid = x.reshape(height // patch, patch, width // patch, patch, channels)
    return grid.swapaxes(1, 2).reshape(-1, patch * patch * channels)


def _join_neighbors(a: Float[Array, "n numbers"], window: int) -> Float[Array, "n numbers*window"]:
    """Return each row between its neighbors, with zeros beyond the ends."""
    padded = jnp.pad(a, ((window // 2, window // 2), (0, 0)))
    return jnp.concatenate([padded[i : i + len(a)] for i in range(window)], axis=-1)


def _join(
    patches: Float[Array, "n numbers"], shape: tuple[int, ...], patch: int
) -> Float[Array, "*D"]:
    """Return the datum of this shape whose patches these are: the inverse of `_cut`."""
    if len(shape) != 3:
        return patches.reshape(shape)
    height, width, channels = shape
    grid = patches.reshape(height // patch, width // patch, patch, patch, channels)
    return grid.swapaxes(1, 2).reshape(shape)
