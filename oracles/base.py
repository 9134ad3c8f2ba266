"""The contract of an oracle: a density whose score is known at every noise level."""

from abc import abstractmethod
from collections.abc import Callable

import jax
from flax import struct
from jaxtyping import Array, Float

from sde_lib import SDE

Time = Float[Array, ""] | float
ScoreFn = Callable[[Float[Array, "*D"], Time], Float[Array, "*D"]]
LogDensityFn = Callable[[Float[Array, "*D"], Time], Float[Array, ""]]


@struct.dataclass
class Oracle:
    """A law of the data that stays in closed form when an SDE carries it forward."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one datum."""

    @abstractmethod
    def sample(self, key: Array) -> Float[Array, "*D"]:
        """One draw of x0."""

    @abstractmethod
    def log_density(
        self, x: Float[Array, "*D"], alpha: Time = 1.0, sigma: Time = 0.0
    ) -> Float[Array, ""]:
        """Log density in nats of ``alpha x0 + sigma z`` at x; by default of x0 itself."""

    def log_density_fn(self, sde: SDE) -> LogDensityFn:
        """``log p_t(x)`` in nats along the SDE."""
        return lambda x, t: self.log_density(x, sde.alpha(t), sde.sigma(t))

    def score_fn(self, sde: SDE) -> ScoreFn:
        """``grad_x log p_t(x)`` along the SDE."""
        return jax.grad(self.log_density_fn(sde))
