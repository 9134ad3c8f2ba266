"""Maps between stored data and the model's space, with their cost in nats.

A density gives integers a probability: ``log P(k) >= E_q[log p(k + u) - log q(u)]`` with u in [0,
1)^d (Theis et al. 2016, arXiv:1511.01844; Ho et al. 2019, arXiv:1902.00275).
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num


class Dequantizer(Protocol):
    """A map from stored data into the model's space and back; a pytree.

    It may have trained numbers. `init` returns their initial values, and `bind` returns the map
    that uses given values. One without trained numbers returns itself.
    """

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> dict[str, Any]:
        """Return initial parameters for data of this shape: an empty dictionary if none."""
        del key, shape
        return {}

    def bind(self, params: dict[str, Any]) -> "Dequantizer":
        """Return the map with these parameters."""
        del params
        return self

    @property
    def log_scale(self) -> float | None:
        """Nats per dimension: log of stored units (levels) per unit of the model's space.

        None if the model gives probabilities and no densities, so that there are no units.
        """
        ...

    def __call__(
        self, key: jax.Array, x: Num[Array, "*D"]
    ) -> tuple[Float[Array, "*D"], Float[Array, ""]]:
        """Return a point of the model's space for the datum x, and ``log q(u)`` in nats."""
        ...

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """Return the stored datum of a point of the model's space, in the data's own units."""
        ...


@jax.tree_util.register_static
@dataclass(frozen=True)
class Continuous(Dequantizer):
    """The identity, for continuous data: the model's space is that of the data."""

    @property
    def log_scale(self) -> float:
        return 0.0

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return jnp.asarray(x, jnp.float32), jnp.zeros(())

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return x


@jax.tree_util.register_static
@dataclass(frozen=True)
class Levels(Dequantizer):
    """Integers from 0 to ``levels - 1`` as bins of equal width that fill [-1, 1] or [0, 1]."""

    levels: int
    centered: bool = True

    @property
    def _width(self) -> int:
        return 2 if self.centered else 1

    @property
    def _low(self) -> int:
        return -1 if self.centered else 0

    @property
    def _margin(self) -> float:
        """The distance of u from the edges of its bin with which `to_data` inverts in float32."""
        return self.levels * 2.0**-22

    def _level_at(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return self._as_level(jnp.floor((x - self._low) / self._width * self.levels))

    def _as_level(self, k: Float[Array, "*D"]) -> Num[Array, "*D"]:
        dtype = jnp.uint8 if self.levels <= 256 else jnp.uint16
        return jnp.clip(k, 0, self.levels - 1).astype(dtype)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Tokens(Levels):
    """The levels themselves, as whole numbers: for a discrete process nothing is dequantized."""

    @property
    def log_scale(self) -> None:
        return None

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return jnp.asarray(x, jnp.int32), jnp.zeros(())

    def to_data(self, x: Num[Array, "*D"]) -> Num[Array, "*D"]:
        return self._as_level(x)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Uniform(Levels):
    """``(k + u) / levels`` with u uniform in [0, 1), spread over [-1, 1] or [0, 1]: ``log q = 0``.

    For 256 levels this is score_flow's ``(u + 255 x)/256``, then ``2x - 1`` if the space is
    centered. One unit of that space is ``levels / 2`` stored units (``levels`` if not centered).
    For 256 levels this is 7 bits (8): the "+ 7" of the published codes. Float32 resolves u to about
    ``levels * 2^-23``, and u has at least that distance from the edges of its level.

    >>> import jax, jax.numpy as jnp
    >>> dequantizer = Uniform(levels=256)
    >>> x0, log_q = dequantizer(jax.random.key(0), jnp.array([0, 128, 255], jnp.uint8))
    >>> bool(jnp.all((-1 <= x0) & (x0 < 1))), float(log_q)
    (True, 0.0)
    >>> dequantizer.to_data(x0).tolist()
    [0, 128, 255]
    """

    @property
    def log_scale(self) -> float:
        return math.log(self.levels / self._width)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        return self.place(x, jax.random.uniform(key, x.shape)), jnp.zeros(())

    def place(self, x: Num[Array, "*D"], u: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the point of the model's space at ``x + u``."""
        u = jnp.clip(u, self._margin, 1 - self._margin)
        return self._low + self._width * (x + u) / self.levels

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return self._level_at(x)


@jax.tree_util.register_static
@dataclass(frozen=True, kw_only=True)
class TruncatedNormal(Levels):
    """The noise of the process itself, cut at the edges of the level: the point is a sample at eps.

    ``x_eps = alpha c + sigma r``, where c is the center of the level in the model's space and r is
    standard normal with ``|r| < 1/(2 tau)``, ``tau = sigma / (alpha x width of a level)`` (i-DODE,
    Zheng et al. 2023, arXiv:2305.03935). In units of one level ``u = 1/2 + tau r`` and

    ``log q(u) = sum [log phi(r) - log tau - log(2 Phi(1/(2 tau)) - 1)]`` nats.

    So a likelihood must use the point as it is at eps (the start `AsSample`): the account has no
    further term there. For a very wide level r is cut at 5 instead, because float32 draws nothing
    beyond. ``alpha`` and ``sigma`` are those of the path at eps. One unit of x_eps is ``1/alpha``
    units of the data's space, which `log_scale` counts. Float32 resolves u as for `Uniform`.

    Raises:
      ValueError: alpha or sigma is not positive.
    """

    alpha: float
    sigma: float

    def __post_init__(self):
        if not (self.alpha > 0 and self.sigma > 0):
            raise ValueError(
                f"alpha and sigma must be positive; got alpha = {self.alpha}, sigma = {self.sigma}"
            )

    @property
    def log_scale(self) -> float:
        return math.log(self.levels / self._width) - math.log(self.alpha)

    @property
    def tau(self) -> float:
        """The standard deviation of the noise in units of one level."""
        return self.sigma / self.alpha * self.levels / self._width

    @property
    def _cut(self) -> float:
        """The largest r."""
        return min(0.5 / self.tau, 5.0)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        cut = self._cut
        within = min(cut, (0.5 - self._margin) / self.tau)
        r = jnp.clip(jax.random.truncated_normal(key, -cut, cut, x.shape), -within, within)
        center = self._low + self._width * (x + 0.5) / self.levels
        return self.alpha * center + self.sigma * r, self._log_q(r)

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """Return the stored datum of a point at eps, from ``x / alpha``."""
        return self._level_at(x / self.alpha)

    def _log_q(self, r: Float[Array, "*D"]) -> Float[Array, ""]:
        # 2 Phi(a) - 1 = erf(a / sqrt 2). Its product with tau tends to phi(0) as tau grows, so the
        # product is computed as a whole in float64; only the squares are in float32.
        mass = self.tau * math.erf(self._cut / math.sqrt(2))
        constant = -math.log(mass) - 0.5 * math.log(2 * math.pi)
        return r.size * constant - 0.5 * jnp.sum(r**2)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Scaled(Levels):
    """``k / (levels - 1)``, spread over [-1, 1] or [0, 1], whose ends are levels.

    score_sde trains on these points if ``uniform_dequantization = False``.
    """

    @property
    def log_scale(self) -> float:
        return math.log((self.levels - 1) / self._width)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return self._low + self._width * (x / (self.levels - 1)), jnp.zeros(())

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        """Return the nearest level; score_sde takes the next lower one."""
        return self._as_level(jnp.round((x - self._low) / self._width * (self.levels - 1)))


@jax.tree_util.register_static
@dataclass(frozen=True)
class Centers(Levels):
    """``(k + 1/2) / levels``, spread over [-1, 1] or [0, 1]: the middle of each level's bin.

    VDM trains on these points (Kingma et al. 2021, arXiv:2107.00630), without dequantization beside
    its noise at t = 0.
    """

    @property
    def log_scale(self) -> float | None:
        return math.log(self.levels / self._width)

    def __call__(self, key: jax.Array, x: Num[Array, "*D"]):
        del key
        return self._low + self._width * (x + 0.5) / self.levels, jnp.zeros(())

    def to_data(self, x: Float[Array, "*D"]) -> Num[Array, "*D"]:
        return self._level_at(x)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Decoder(Centers):
    """`Centers`, whose levels a decoder gives back: the likelihood is a probability, not a density.

    A path that begins at the center with the noise of eps ends with `log_decoder` in the account.
    So there is no ``log q``, and no unit of the model's space to convert.
    """

    @property
    def log_scale(self) -> None:
        return None

    def as_centers(self) -> Centers:
        """Return the same map for densities, whose unit is that of the data."""
        return Centers(self.levels, self.centered)

    def log_decoder(
        self, x0: Float[Array, "*D"], y: Float[Array, "*D"], rho: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Return the log probability in nats of the levels of x0, given ``y = x0 + rho z``.

        x0 must hold centers of levels.

        ``p(k | y) = N(y; c_k, rho^2) / sum_j N(y; c_j, rho^2)`` for each dimension, with the
        centers c of the levels (Kingma et al. 2021, arXiv:2107.00630, section 3.3).
        """
        centers, _ = self(jax.random.key(0), jnp.arange(self.levels))
        logits = -0.5 * ((y[..., None] - centers) / jnp.asarray(rho)[..., None]) ** 2
        own = -0.5 * ((y - x0) / rho) ** 2
        return jnp.sum(own - jax.nn.logsumexp(logits, axis=-1))
