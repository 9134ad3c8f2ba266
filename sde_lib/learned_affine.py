"""A linear process whose drift and diffusion are learned, for each dimension or of low rank."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.sde_lib.base import Level, Scalar, Time
from gradlog.sde_lib.bases import Basis, Frequencies, Pixels, Reflections
from gradlog.sde_lib.learned_gamma import LearnedEnds, MonotonePolynomial
from gradlog.sde_lib.log_snr import LogSNR
from gradlog.sde_lib.multivariate import PixelGammaPath
from gradlog.sde_lib.pytree import pytree

LOW_RANK = "low_rank"
_FIXED: Mapping[str, Basis] = {"frequencies": Frequencies(), "pixels": Pixels()}


@pytree
class AffinePath(PixelGammaPath):
    """``dx = F(t) x dt + G(t) dW`` whose matrices F and G have a common orthonormal basis.

    In this basis x is a path with its own gamma in each dimension (`PixelGammaPath`) times
    ``exp(gain t)``. So ``F = gain - 1/2 gamma' sigmoid(gamma)`` and ``G^2 = exp(2 gain t) gamma'
    sigmoid(gamma)`` on the diagonal: two functions that are free of each other. The bound depends
    on the gain through the prior alone, which it lets x_1 meet at any noise level.

    Attributes:
      gain: the rate at which each dimension grows beside the variance-preserving path.
      basis: the coordinates.
    """

    gain: Any = struct.field(kw_only=True)
    # With a default it takes the place of the property.
    basis: Basis = struct.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        kw_only=True, default=Pixels()
    )

    def log_alpha(self, t: Time) -> Level:
        return super().log_alpha(t) + self.gain * t

    def log_sigma(self, t: Time) -> Level:
        return super().log_sigma(t) + self.gain * t

    def drift_and_diffusion(self, t: Time) -> tuple[Level, Level]:
        f, g2 = super().drift_and_diffusion(t)
        return f + self.gain, g2 * jnp.exp(2 * self.gain * t)

    def metrics(self) -> dict[str, Scalar]:
        """Return those of the schedules, and the mean of the gains."""
        return super().metrics() | {"gain": jnp.mean(self.gain)}


@dataclasses.dataclass(frozen=True)
class LearnedAffine(LearnedEnds):
    """A linear process with learned drift and diffusion: f is no multiple of x.

    The drift and the diffusion of Song et al. 2021 (arXiv:2101.09258, theorem 3) as matrices with a
    common basis: 'pixels', 'frequencies' of the cosine transform, of which `Blurring` is a fixed
    member, or 'low_rank', a multiple of the identity beside a learned space of ``rank`` dimensions.
    In each dimension gamma' is proportional to ``(a t^2 + b t + c)^2``. At the start all are linear
    and the gains are zero. Bound, it is an `AffinePath`.

    Attributes:
      shape: that of the data.
      gamma_min: gamma at t = 0, in training at the start if the ends are learned.
      gamma_max: gamma at t = 1, likewise.
      learn_ends: whether the ends of each dimension are trained too.
      coordinates: the basis.
      rank: of 'low_rank'.

    Raises:
      ValueError: gamma_min is not below gamma_max, the coordinates are unknown, or the rank is not
        below the number of dimensions.
    """

    shape: tuple[int, ...] = ()
    gamma_min: float = -13.3
    gamma_max: float = 5.0
    learn_ends: bool = False
    coordinates: str = "frequencies"
    rank: int = 4

    def __post_init__(self) -> None:
        LogSNR(self.gamma_min, self.gamma_max)
        if self.coordinates not in (*_FIXED, LOW_RANK):
            raise ValueError(
                f"coordinates = {self.coordinates!r} is unknown; choose one of "
                f"{sorted((*_FIXED, LOW_RANK))}"
            )
        # A check of a configuration without its data has one dimension.
        if self.coordinates == LOW_RANK and 1 < self._size <= self.rank:
            raise ValueError(f"rank = {self.rank} must be below the {self._size} dimensions")

    @property
    def has_map(self) -> bool:
        return self.coordinates == "pixels"

    def init(self, key: Array) -> dict[str, Any]:
        """Return parameters of schedules that are linear in t."""
        shape, params = self.shape, {}
        if self.coordinates == LOW_RANK:
            rank = min(self.rank, self._size - 1)
            shape = (rank + 1,)  # the last numbers are those of all other dimensions
            params["vectors"] = jax.random.normal(key, (rank, self._size))
        params |= {"inside": MonotonePolynomial(shape).init(key), "gain": jnp.zeros(shape)}
        return params | self.init_ends(shape)

    def bind(self, params: dict[str, Any]) -> AffinePath:
        """Return the path of these parameters."""
        low, high = self.bind_ends(params)
        low, high, inside, gain = jax.tree.map(
            self._spread, (low, high, params["inside"], params["gain"])
        )
        basis = _FIXED.get(self.coordinates) or Reflections(params["vectors"])
        schedule = MonotonePolynomial(self.shape)
        return AffinePath(low, high, inside=inside, schedule=schedule, gain=gain, basis=basis)

    def _spread(self, numbers: Any) -> Float[Array, "*D"]:
        """Return an array of the shape of the data: the numbers of all dimensions."""
        if self.coordinates != LOW_RANK or jnp.ndim(numbers) == 0:
            return jnp.broadcast_to(jnp.asarray(numbers, float), self.shape)
        rest = jnp.broadcast_to(numbers[-1], (self._size - len(numbers) + 1,))
        return jnp.concatenate([numbers[:-1], rest]).reshape(self.shape)

    @property
    def _size(self) -> int:
        return math.prod(self.shape)
