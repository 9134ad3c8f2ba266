"""The contract of a likelihood estimator."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from gradlog.likelihood.parts import LATENT, Part
from gradlog.models import BoundModel
from gradlog.sde_lib import SDE, Process

_LATENT = 0x1A7E  # the key of the latent is derived by it

PriorLogProb = Callable[[Float[Array, "*D"]], Float[Array, ""]]


@struct.dataclass
class LogProb:
    """The log probability of each example, as every estimator returns it.

    Attributes:
      parts: terms of the estimate of ``log p(x)``, or of a lower bound on it, in nats. Each key has
        an order in the account and a meaning.
      errors: standard errors of the sum of the parts in nats, by their source: 'probes' of a
        divergence, 'time' (the times and noises drawn by a bound), 'masks' and 'orders' (drawn by
        the estimators of tokens), 'dequantization'. NaN where a single draw gives no estimate.
      discretization: change of the estimate in nats by the last refinement of a discretization. It
        is larger than the change by further refinements. NaN where there is none.
      latent: the end of the path at t_max.
      nfe: number of score evaluations.
      jvps: number of Jacobian-vector products of the score.
      ok: whether the solver succeeded.
      freedom: degrees of freedom of Student's t for intervals built from the errors.
      refine: whether the example should be evaluated again by the tightened estimator.

    A Gaussian with a known score, where the estimate is exact up to the solver's tolerance:

    >>> import jax, jax.numpy as jnp
    >>> from gradlog.distributions import Gaussian
    >>> from gradlog.likelihood import Exact, ODELikelihood
    >>> from gradlog.models import BoundModel
    >>> from gradlog.ode import Adaptive, LogRhoFlow
    >>> from gradlog.sde_lib import VP
    >>> process, data = VP(), Gaussian(mean=jnp.zeros(2), std=jnp.ones(2))
    >>> likelihood = ODELikelihood(Adaptive(1e-5, 1e-5), LogRhoFlow(), Exact(), eps=1e-5)
    >>> x, keys = jnp.array([[0.5, -1.0]]), jax.random.split(jax.random.key(0), 1)
    >>> log_prob = likelihood(BoundModel(process, data.score_fn(process)), x, keys)
    >>> bool(abs(log_prob.nats[0] - data.log_density(x[0])) < 1e-3), bool(log_prob.ok[0])
    (True, True)
    """

    parts: dict[Part, Float[Array, " batch"]]
    errors: dict[str, Float[Array, " batch"]]
    discretization: Float[Array, " batch"]
    latent: Float[Array, "batch *D"]
    nfe: Int[Array, " batch"]
    jvps: Int[Array, " batch"]
    ok: Bool[Array, " batch"]
    freedom: Float[Array, " batch"] | float = float("inf")
    refine: Bool[Array, " batch"] | bool = False

    @property
    def nats(self) -> Float[Array, " batch"]:
        """The estimate in nats: the sum of the parts, in their own precision."""
        return sum(self.parts.values(), start=jnp.zeros(()))

    @property
    def standard_error(self) -> Float[Array, " batch"]:
        """Standard error in nats of the estimator's own random draws; sources are independent."""
        squares = [jnp.square(error) for error in self.errors.values()]
        return jnp.sqrt(sum(squares, start=jnp.zeros(self.ok.shape)))


class Likelihood(Protocol):
    """An estimator of the log density of a batch, with one key for each example.

    ``accepts`` names the class of the processes that it can evaluate; see `check_process`.
    """

    @property
    def accepts(self) -> type[Process]: ...

    def __call__(
        self, model: BoundModel, xs: Float[Array, "batch *D"], keys: jax.Array
    ) -> LogProb: ...


class PerExample:
    """Base class of estimators that treat each example by itself: `one` is mapped over a batch.

    Where the process has a latent, each example gets its own, and pays for it.
    """

    accepts = SDE

    def __call__(self, model: BoundModel, xs: Float[Array, "batch *D"], keys: jax.Array) -> LogProb:
        def given_latent(x, key):
            own, kl = model.encode_latent(x, jax.random.fold_in(key, _LATENT))
            log_prob = self.one(own, x, key)
            paid = {} if kl is None else {LATENT: -kl}
            return dataclasses.replace(log_prob, parts=log_prob.parts | paid)

        return jax.vmap(given_latent)(xs, keys)

    @abstractmethod
    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        """Return the log density of one example; the fields are scalars."""


def check_pairs(samples: int) -> None:
    """Check the number of draws: two for each cell.

    Raises:
      ValueError: it is odd, or below two.
    """
    if samples < 2 or samples % 2:
        raise ValueError(f"samples = {samples} must be even and at least 2: two for each cell")


def split_keys(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Split each key of a batch in two.

    One key must never serve two purposes: a random sign is a bit of the uniform number that the
    same key draws.
    """
    first, second = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    return first, second


def runs_on_host(likelihood: Callable[..., LogProb]) -> bool:
    """Return whether an estimator runs on the host, so that it cannot be traced.

    Such an estimator has a true attribute ``on_host``. It compiles its own functions, and needs
    batches without padding.
    """
    return getattr(likelihood, "on_host", False)
