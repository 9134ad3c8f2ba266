"""The variational bound of a chain that is simulated."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import DIFFUSION, PRIOR
from gradlog.losses import simulate_chain
from gradlog.models import BoundModel
from gradlog.sde_lib import DriftChain


@dataclass(frozen=True)
class ChainLikelihood(PerExample):
    """A lower bound on the log density of x under the reverse chain; see `losses.ChainBound`.

    It is the mean over ``samples`` paths, with the standard error of their spread. ``chunk`` paths
    are simulated at once.

    Raises:
      ValueError: ``samples`` is below two.
    """

    accepts = DriftChain

    samples: int
    chunk: int = 128

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples = {self.samples} must be at least 2 for a standard error")

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        def path(key):
            last, steps = simulate_chain(model, x, key)
            return last, {PRIOR: model.process.prior_log_prob(last), DIFFUSION: -steps}

        keys = jax.random.split(key, self.samples)
        ends, parts = jax.lax.map(path, keys, batch_size=min(self.chunk, self.samples))
        variance = sample_variance_of_mean(parts[PRIOR] + parts[DIFFUSION])
        return LogProb(
            parts={name: jnp.mean(part) for name, part in parts.items()},
            errors={"time": jnp.sqrt(variance)},
            discretization=jnp.asarray(jnp.nan),
            latent=ends[0],
            nfe=jnp.asarray(self.samples * len(model.process.variances)),
            jvps=jnp.zeros((), int),
            ok=jnp.isfinite(variance),
            freedom=jnp.asarray(self.samples - 1.0),
        )
