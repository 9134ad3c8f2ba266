"""A noise schedule that is learned: one monotone gamma(t) for all dimensions."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array

from gradlog.sde_lib.base import Level, Process, Scalar, Time
from gradlog.sde_lib.log_snr import LogSNR, OfGamma
from gradlog.sde_lib.pytree import pytree

# The share of a schedule that stays linear in t. So gamma increases everywhere, whatever the
# parameters, and no noise level is drawn more than a hundred times as often as on average.
_LINEAR = 0.01
_BISECTIONS = 24  # until the bracket is as narrow as float32 resolves


class Schedule(Protocol):
    """An increasing function of t in [0, 1], up to an offset and a positive factor."""

    def init(self, key: Array) -> dict[str, Any]:
        """Return the initial parameters, for a function close to t."""
        ...

    def __call__(self, params: dict[str, Any], t: Scalar) -> Level: ...


@dataclasses.dataclass(frozen=True)
class MonotoneNetwork:
    """``|l1| t + mean_k |l3_k| tanh((|l2_k| (2t - 1) + b_k) / 2)``: the network of VDM.

    Kingma et al. 2021, arXiv:2107.00630, appendix H: all weights are positive. Here the sigmoids
    begin at centers spread over [0, 1], so that the function can bend everywhere from the start.

    Raises:
      ValueError: there is no feature.
    """

    features: int = 64

    def __post_init__(self) -> None:
        if self.features < 1:
            raise ValueError(f"schedule_features must be at least 1, got {self.features}")

    def init(self, key: Array) -> dict[str, Any]:
        slope_key, center_key, weight_key = jax.random.split(key, 3)
        slopes = jax.random.uniform(slope_key, (self.features,), minval=2.0, maxval=8.0)
        centers = jax.random.uniform(center_key, (self.features,), minval=-1.0, maxval=1.0)
        return {
            "l1": jnp.ones(()),
            "l2": slopes,
            "bias": -slopes * centers,
            "l3": 0.1 * jax.random.normal(weight_key, (self.features,)),
        }

    def __call__(self, params: dict[str, Any], t: Scalar) -> Scalar:
        hidden = jnp.tanh(0.5 * (jnp.abs(params["l2"]) * (2 * t - 1) + params["bias"]))
        return jnp.abs(params["l1"]) * t + jnp.mean(jnp.abs(params["l3"]) * hidden)


@dataclasses.dataclass(frozen=True)
class MonotonePolynomial:
    """The integral of ``(a t^2 + b t + c)^2``: a polynomial of degree five (Sahoo et al. 2024).

    MuLAN, arXiv:2312.13236, section 3.2. It begins as t. There is one such polynomial, or one for
    each entry of arrays of this shape.
    """

    shape: tuple[int, ...] = ()

    def init(self, key: Array) -> dict[str, Any]:
        del key
        return {"a": jnp.zeros(self.shape), "b": jnp.zeros(self.shape), "c": jnp.ones(self.shape)}

    def __call__(self, params: dict[str, Any], t: Scalar) -> Level:
        # Gauss's rule of three nodes is exact here. Its terms are positive, so nothing cancels.
        nodes, weights = np.polynomial.legendre.leggauss(3)
        at = 0.5 * t * (1 + nodes)
        a, b, c = (jnp.asarray(params[name])[..., None] for name in "abc")
        return 0.5 * t * jnp.sum(weights * ((a * at + b) * at + c) ** 2, axis=-1)


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "network": MonotoneNetwork,
    "polynomial": lambda features: MonotonePolynomial(),
}


@pytree
class BetweenEnds(OfGamma):
    """Any increasing gamma between its ends.

    ``gamma(t) = gamma_min + (gamma_max - gamma_min) (n(t) - n(0)) / (n(1) - n(0))`` with a monotone
    function n, of which a small share is replaced by t.

    Attributes:
      gamma_min: gamma at t = 0.
      gamma_max: gamma at t = 1.
      inside: the parameters of n.
      schedule: the function n.
    """

    gamma_min: Any
    gamma_max: Any
    inside: Any = struct.field(kw_only=True)
    schedule: Schedule = struct.field(kw_only=True, pytree_node=False)

    def share(self, t: Time) -> Level:
        """Return the share of the range of gamma below ``gamma(t)``: 0 at t = 0, 1 at t = 1."""
        t = jnp.asarray(t, float)
        low, here, high = (self.schedule(self.inside, jnp.asarray(s)) for s in (0.0, t, 1.0))
        return _LINEAR * t + (1 - _LINEAR) * (here - low) / (high - low)

    def gamma(self, t: Time) -> Level:
        share = self.share(t)
        return (1 - share) * self.gamma_min + share * self.gamma_max

    def metrics(self) -> dict[str, Scalar]:
        """Return gamma at five times, for the log: 'gamma_0.25' is that at t = 0.25."""
        return {f"gamma_{t:.2f}": jnp.mean(self.gamma(t)) for t in (0.0, 0.25, 0.5, 0.75, 1.0)}


@pytree
class GammaPath(BetweenEnds, LogSNR):
    """`LogSNR` with any increasing gamma between its ends.

    In continuous time the variational bound does not depend on what is inside, if the score is a
    function of x and gamma (Kingma et al. 2021, arXiv:2107.00630, eq. 18).
    """

    INSIDE: ClassVar[tuple[str, ...]] = ("inside",)

    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        """Return the time at a noise level, by bisection and one step of Newton's method."""
        goal = (2 * jnp.asarray(log_rho) - self.gamma_min) / (self.gamma_max - self.gamma_min)

        def bisect(excess, start):
            def halve(_, bracket):
                low, high = bracket
                middle = 0.5 * (low + high)
                above = excess(middle) > 0
                return jnp.where(above, low, middle), jnp.where(above, middle, high)

            bracket = jnp.zeros_like(start), jnp.ones_like(start)
            low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, bracket)
            value, slope = jax.value_and_grad(excess)(0.5 * (low + high))
            return 0.5 * (low + high) - value / slope

        return jax.lax.custom_root(
            lambda t: self.share(t) - goal,
            jnp.full_like(goal, 0.5),
            bisect,
            lambda linear, y: y / linear(jnp.ones_like(y)),
        )


class LearnedEnds(Process):
    """A process whose gamma lies between two ends, which are trained if ``learn_ends``."""

    gamma_min: float
    gamma_max: float
    learn_ends: bool

    def is_fixed_at(self, t: float) -> bool:
        return t in (0.0, 1.0) and not self.learn_ends

    def init_ends(self, shape: tuple[int, ...] = ()) -> dict[str, Any]:
        """Return initial parameters of the ends, arrays of this shape; none if they are fixed."""
        full = lambda value: jnp.full(shape, value, jnp.float32)  # noqa: E731
        log_range = math.log(self.gamma_max - self.gamma_min)
        ends = {"gamma_min": full(self.gamma_min), "log_range": full(log_range)}
        return {"ends": ends} if self.learn_ends else {}

    def bind_ends(self, params: dict[str, Any]) -> tuple[Any, Any]:
        """Return gamma at t = 0 and at t = 1 with these parameters."""
        if not self.learn_ends:
            return self.gamma_min, self.gamma_max
        low = params["ends"]["gamma_min"]
        return low, low + jnp.exp(params["ends"]["log_range"])


@dataclasses.dataclass(frozen=True)
class LearnedGamma(LearnedEnds):
    """A variance-preserving path whose gamma(t), minus the log-SNR, is learned.

    Kingma et al. 2021, arXiv:2107.00630, section 3.2 and appendix I. The bound decides the ends,
    and its variance decides the inside: in training, times are uniform, so the schedule is the
    density from which noise levels are drawn. `losses.EvidenceBound` gives both their gradients.
    VDM's released network has no fixed ends; here it is rescaled, so that they are parameters of
    their own. Bound, the process is a `GammaPath`.

    Attributes:
      gamma_min: gamma at t = 0, in training at the start if the ends are learned.
      gamma_max: gamma at t = 1, likewise.
      schedule: the function between the ends, 'network' or 'polynomial'.
      schedule_features: width of the network.
      learn_ends: whether the ends are trained too.

    Raises:
      ValueError: gamma_min is not below gamma_max, or the schedule is unknown.
    """

    gamma_min: float = -13.3
    gamma_max: float = 5.0
    schedule: str = "network"
    schedule_features: int = 64
    learn_ends: bool = False

    def __post_init__(self) -> None:
        LogSNR(self.gamma_min, self.gamma_max)
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule = {self.schedule!r} is unknown; choose one of {sorted(SCHEDULES)}"
            )
        _ = self._function

    @property
    def _function(self) -> Schedule:
        return SCHEDULES[self.schedule](self.schedule_features)

    def init(self, key: Array) -> dict[str, Any]:
        """Return parameters of a schedule that is almost linear in t."""
        return {"inside": self._function.init(key)} | self.init_ends()

    def bind(self, params: dict[str, Any]) -> GammaPath:
        """Return the path of these parameters."""
        low, high = self.bind_ends(params)
        return GammaPath(low, high, inside=params["inside"], schedule=self._function)
