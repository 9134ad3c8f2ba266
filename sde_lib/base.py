"""The contract of a forward process."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.sde_lib.bases import Basis, Pixels
from gradlog.sde_lib.pytree import pytree

Scalar = Float[Array, ""]
Time = Scalar | float
# A model has a score; logits of tokens, of which masks, masks with a rate for each level, or other
# tokens are the noise; an estimate of the datum; or a score at simulated points.
Kind = Literal["gaussian", "masks", "level_masks", "replacements", "neural", "chain"]
Level = Float[Array, "..."]  # one number for all dimensions, or an array of the data's shape


class Process:
    """A forward process, which turns data into noise.

    A process may have trained numbers. `init` returns their initial values, and `bind` returns the
    process that uses given values. A process without trained numbers returns itself.

    Attributes:
      kind: decides which objectives, estimators and samplers there are; bound and unbound alike.
      dtype: of the points that it moves: real numbers, or whole ones.
      INSIDE: the names of the fields that shape a learned schedule between its ends. They are
        trained for the variance of the bound, which does not depend on them (`losses.variance`).
    """

    kind: ClassVar[Kind] = "gaussian"
    dtype: ClassVar[Any] = float
    INSIDE: ClassVar[tuple[str, ...]] = ()

    @property
    def t_max(self) -> float:
        """The final time, at which x is close to the prior."""
        return 1.0

    @property
    def basis(self) -> Basis:
        """The coordinates in which the bound process moves points: those of the model's space."""
        return Pixels()

    @property
    def has_map(self) -> bool:
        """True if a network sees a noise level for each dimension."""
        return False

    @property
    def learns(self) -> bool:
        """True if the process has trained numbers."""
        return bool(jax.eval_shape(self.init, jax.random.key(0)))

    def init(self, key: Array) -> dict[str, Any]:
        """Return the initial values of the trained numbers: an empty dictionary if none."""
        del key
        return {}

    def bind(self, params: dict[str, Any]) -> "Process":
        """Return the process with these trained numbers."""
        del params
        return self

    def is_fixed_at(self, t: float) -> bool:
        """Return whether training leaves the path at time t as it is."""
        del t
        return not self.learns

    def initial(self) -> Any:
        """Return the process as it is before training."""
        return self.bind(self.init(jax.random.key(0)))


@pytree
class GaussianPath(Process):
    """A path ``x_t = alpha(t) x0 + sigma(t) z`` with ``z ~ N(0, I)``, dimension by dimension.

    Alpha and sigma are numbers, or arrays of the shape of the data. The path is the solution of the
    SDE ``dx = f(t) x dt + g(t) dW`` with ``f = alpha'/alpha`` and ``g^2 = d(sigma^2)/dt - 2 f
    sigma^2 = 2 sigma^2 d(log rho)/dt``, where ``rho = sigma/alpha`` (Song et al. 2021,
    arXiv:2011.13456, section 3; Kingma et al. 2021, arXiv:2107.00630).

    Times lie in (0, t_max]. All functions take a scalar time; callers map them over batches. The
    first time of an integration, ``eps``, belongs to the consumer and not to the process. Instances
    are pytrees, so their numbers may be traced.
    """

    @property
    def prior_std(self) -> Time:
        """The standard deviation per dimension of the prior, which approximates x at t_max."""
        return 1.0

    @abstractmethod
    def log_alpha(self, t: Time) -> Level:
        """Return the natural logarithm of the factor on the data."""

    @abstractmethod
    def log_sigma(self, t: Time) -> Level:
        """Return the natural logarithm of the standard deviation of the noise."""

    @abstractmethod
    def log_alpha_of_log_rho(self, log_rho: Level | float) -> Level:
        """Return ``log_alpha`` as a function of ``log rho = log sigma - log alpha``."""

    def alpha(self, t: Time) -> Level:
        """Return the factor on the data."""
        return jnp.exp(self.log_alpha(t))

    def sigma(self, t: Time) -> Level:
        """Return the standard deviation of the noise."""
        return jnp.exp(self.log_sigma(t))

    def log_rho(self, t: Time) -> Level:
        """Return the log of the noise-to-signal ratio, ``log(sigma/alpha)``.

        This is minus half the log-SNR of Kingma et al. 2021.
        """
        return self.log_sigma(t) - self.log_alpha(t)

    def log_rho_rate(self, t: Time) -> Level:
        """Return ``d(log rho)/dt``."""
        return derivative(self.log_rho, t)

    def level(self, eps: float, share: Scalar) -> tuple[Scalar, Level]:
        """Return the time at a share of the way from eps to t_max, and ``d(log rho)/d(share)``.

        The way is even in t here; a scalar process has one that is even in log rho.
        """
        span = self.t_max - eps
        t = eps + span * share
        return t, span * self.log_rho_rate(t)

    def drift_and_diffusion(self, t: Time) -> tuple[Level, Level]:
        """Return ``f(t)`` and ``g(t)^2``, the derivatives of the coefficients of the path."""
        f = derivative(self.log_alpha, t)
        return f, 2 * self.sigma(t) ** 2 * self.log_rho_rate(t)

    def metrics(self) -> dict[str, Scalar]:
        """Return numbers that describe a learned schedule, for the log of a training."""
        return {}

    def perturb(self, x0: Float[Array, "*D"], t: Time, z: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the sample of x_t for a datum x0 and standard normal noise z."""
        return self.alpha(t) * x0 + self.sigma(t) * z

    def prior_log_prob(self, z: Float[Array, "*D"]) -> Scalar:
        """Return the log density of the prior ``N(0, prior_std^2 I)`` at z, in nats."""
        std = jnp.asarray(self.prior_std)
        return -0.5 * jnp.sum((z / std) ** 2) - z.size * (
            jnp.log(std) + 0.5 * math.log(2 * math.pi)
        )

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        """Return a sample of the prior."""
        return self.prior_std * jax.random.normal(key, shape)


def derivative(function: Callable[[Scalar], Level], at: Level | float) -> Level:
    """Return the derivative of a function of one number, or of an array entry by entry."""
    at = jnp.asarray(at, float)
    return jax.jvp(function, (at,), (jnp.ones_like(at),))[1]


def sum_over(level: Level, x: Float[Array, "*D"]) -> Scalar:
    """Return the sum over the dimensions of x of a number for each, or of one for all."""
    return jnp.sum(jnp.broadcast_to(level, x.shape))


@pytree
class SDE(GaussianPath):
    """A path with one noise level for all dimensions, which may take the place of the time.

    A subclass defines ``log_alpha``, ``log_sigma`` and their inverses in log rho.
    """

    @abstractmethod
    def time_of_log_rho(self, log_rho: Time) -> Scalar:
        """Return the time at a noise level: the inverse of ``log_rho``, which increases with t."""

    def level(self, eps: float, share: Scalar) -> tuple[Scalar, Scalar]:
        """Return the time at a share of the way from eps to t_max in log rho, and its length."""
        low, high = self.log_rho(eps), self.log_rho(self.t_max)
        return self.time_of_log_rho(low + share * (high - low)), high - low

    def ladder(self, eps: float, num_scales: int) -> Float[Array, " num_scales"]:
        """Return times from t_max to eps at which rho falls geometrically (Song & Ermon 2019).

        For VE these are NCSN's noise levels: a geometric sequence that starts at the largest.
        """
        levels = jnp.linspace(self.log_rho(self.t_max), self.log_rho(eps), num_scales)
        return jax.vmap(self.time_of_log_rho)(levels)


def check_process(strategy: Any, process: Process) -> None:
    """Check that a sampler, an estimator or an objective accepts a process.

    Args:
      strategy: its attribute ``accepts`` is a class of processes, or a tuple of classes. Without
        the attribute it accepts every process.
      process: a forward process. One with trained numbers is checked as it will be bound.

    Raises:
      ValueError: the strategy needs another kind of process.
    """
    accepts = getattr(strategy, "accepts", Process)
    if not isinstance(process, accepts) and not isinstance(process.initial(), accepts):
        kinds = accepts if isinstance(accepts, tuple) else (accepts,)
        advice = ""
        if accepts is SDE and isinstance(process.initial(), GaussianPath):
            advice = (
                ", which has no noise level common to all dimensions: choose variable = 't', the "
                "schedule 'uniform', or another member"
            )
        raise ValueError(
            f"{type(strategy).__name__} needs a process of the kind "
            f"{' or '.join(kind.__name__ for kind in kinds)}, got {type(process).__name__}{advice}"
        )


def check_eps(eps: float, process: Process) -> None:
    """Check that a time can be the first one of an integration or a training.

    Args:
      eps: the time. It may be 0 if the process has noise there.
      process: a forward process. One with trained numbers is checked as it is before training.

    Raises:
      ValueError: it lies outside of the times of the process.
    """
    path = process.initial()
    if 0 < eps < path.t_max:
        return
    with jax.debug_infs(False):  # where there is no noise, its logarithm is infinite
        noise_at_0 = not isinstance(path, GaussianPath) or bool(np.all(path.sigma(0.0) > 0))
    if eps != 0 or not noise_at_0:
        interval = f"{'[' if noise_at_0 else '('}0, {path.t_max})"
        raise ValueError(f"eps = {eps} must lie in {interval}")
