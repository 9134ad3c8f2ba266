"""A chain whose drift is a network: f is no linear function of x, so x_t has no closed form."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import Kind, Process, Scalar, Time
from gradlog.sde_lib.neural import Perceptron
from gradlog.sde_lib.pytree import pytree


@pytree
class DriftChain(Process):
    """The steps of `LearnedDrift` with its parameters.

    Attributes:
      params: of the drift and of the noise.
      learned: the process.
    """

    kind: ClassVar[Kind] = "chain"

    params: Any
    learned: "LearnedDrift" = struct.field(pytree_node=False)

    @property
    def variances(self) -> Float[Array, " steps"]:
        """The variance that each step adds."""
        return jax.nn.sigmoid(self.params["logits"])

    def forward_mean(self, x: Float[Array, "*D"], step: Int[Array, ""]) -> Float[Array, "*D"]:
        """Return the mean of the point after a step."""
        b = self.variances[step]
        return jnp.sqrt(1 - b) * x + b * self._drift(x, step)

    def backward_mean(
        self, x: Float[Array, "*D"], step: Int[Array, ""], score: Float[Array, "*D"]
    ) -> Float[Array, "*D"]:
        """Return the model's mean of the point before a step, by the score at its end x."""
        b = self.variances[step]
        return (x + b * (score - self._drift(x, step))) / jnp.sqrt(1 - b)

    def end(self, step: Int[Array, ""]) -> Scalar:
        """Return the time at the end of a step."""
        return (step + 1) / self.learned.chain_steps

    def sigma(self, t: Time) -> Scalar:
        """Return the standard deviation of the noise in x_t without the network."""
        kept = jnp.cumsum(jnp.log1p(-self.variances))
        step = jnp.round(jnp.asarray(t) * len(kept)).astype(int) - 1
        return jnp.sqrt(-jnp.expm1(kept[jnp.clip(step, 0)]))

    def prior_log_prob(self, z: Float[Array, "*D"]) -> Scalar:
        """Return the log density of the prior ``N(0, I)`` at z, in nats."""
        return -0.5 * jnp.sum(z**2) - 0.5 * z.size * math.log(2 * math.pi)

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        """Return a sample of the prior."""
        return jax.random.normal(key, shape)

    def metrics(self) -> dict[str, Scalar]:
        """Return the variances of the first and of the last step, for the log of a training."""
        return {"b_first": self.variances[0], "b_last": self.variances[-1]}

    def _drift(self, x: Float[Array, "*D"], step: Int[Array, ""]) -> Float[Array, "*D"]:
        network, t = self.learned.network, step / self.learned.chain_steps
        out: Any = network.apply({"params": self.params["drift"]}, x.reshape(-1), t)
        return out.reshape(x.shape)


@dataclass(frozen=True)
class LearnedDrift(Process):
    """``x_{i+1} = sqrt(1 - b_i) x_i + b_i f(x_i, t_i) + sqrt(b_i) z`` with a network f.

    Steps of an SDE whose drift is VP's and a network's (DiffFlow, Zhang & Chen 2021,
    arXiv:2110.07579). Drift and noise are trained by the bound of the chain, which is a bound at
    every number of steps. Paths are simulated, so a step of training costs all steps of the chain:
    this is for points, not for images. Training begins with f = 0 and the noise of VP. Bound, it is
    a `DriftChain`.

    Attributes:
      shape: of a datum.
      beta_min: noise rate at t = 0, in training at the start.
      beta_max: noise rate at t = 1, likewise.
      chain_steps: number of steps.
      drift_hidden: width of the network.
    """

    kind: ClassVar[Kind] = "chain"

    shape: tuple[int, ...]
    beta_min: float = 0.1
    beta_max: float = 20.0
    chain_steps: int = 32
    drift_hidden: int = 64

    @property
    def network(self) -> Perceptron:
        """The network of the drift."""
        return Perceptron(self.drift_hidden, math.prod(self.shape))

    def init(self, key: Array) -> dict[str, Any]:
        """Return parameters of a chain without the network."""
        middles = (np.arange(self.chain_steps) + 0.5) / self.chain_steps
        betas = self.beta_min + middles * (self.beta_max - self.beta_min)
        rate = betas / self.chain_steps  # of a step: b = 1 - exp(-rate)
        drift = self.network.init(key, jnp.zeros(math.prod(self.shape)), 0.0)["params"]
        return {"drift": drift, "logits": jnp.asarray(np.log(np.expm1(rate)), jnp.float32)}

    def bind(self, params: dict[str, Any]) -> DriftChain:
        """Return the chain of these parameters."""
        return DriftChain(params, self)
