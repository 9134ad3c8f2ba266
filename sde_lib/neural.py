"""A path that is learned as a whole: the moments of x_t are networks of the datum and the time."""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from flax.linen.initializers import zeros_init
from jaxtyping import Array, Float

from gradlog.sde_lib.base import Kind, Process, Scalar, Time
from gradlog.sde_lib.pytree import pytree

LEAST_STD = 0.01  # of the noise at t = 0
_NEAREST = 1e-3  # the smallest 1 - t at which the diffusion before training is taken
MOVES = ("mean", "mean_and_std")


@pytree
class ConditionalPath(Process):
    """A Gaussian path of each datum, ``x_t = m(x0, t) + s(x0, t) z``, and the g(t) of its SDE.

    Read backward, the path of a datum solves ``dx = b dt + g dw`` with ``b = dx_t/dt - 1/2 g^2 grad
    log q(x_t | x0)``, whose marginals are those of the path at every g (Bartosh et al. 2024, NFDM,
    arXiv:2404.12940, section 3). The model has the same b with an estimate of x0. The prior is
    N(0, I). Times lie in [0, 1].
    """

    kind: ClassVar[Kind] = "neural"

    @abstractmethod
    def moments(
        self, x0: Float[Array, "*D"], t: Time
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
        """Return the mean m and ``log s`` of x_t for a datum."""

    @abstractmethod
    def log_g(self, t: Time) -> Scalar:
        """Return the natural logarithm of the diffusion."""

    def perturb(self, x0: Float[Array, "*D"], t: Time, z: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the sample of x_t for a datum x0 and standard normal noise z."""
        mean, log_std = self.moments(x0, t)
        return mean + jnp.exp(log_std) * z

    def backward_drift(
        self, x0: Float[Array, "*D"], t: Time, x: Float[Array, "*D"]
    ) -> Float[Array, "*D"]:
        """Return b at the point x of the path of x0, where ``grad log q = -z/s``."""
        t = jnp.asarray(t, float)
        mean, log_std = self.moments(x0, t)
        z = (x - mean) * jnp.exp(-log_std)
        _, rate = jax.jvp(lambda t: self.perturb(x0, t, z), (t,), (jnp.ones_like(t),))
        return rate + 0.5 * jnp.exp(2 * self.log_g(t) - log_std) * z

    def prior_log_prob(self, z: Float[Array, "*D"]) -> Scalar:
        """Return the log density of the prior ``N(0, I)`` at z, in nats."""
        return -0.5 * jnp.sum(z**2) - 0.5 * z.size * math.log(2 * math.pi)

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        """Return a sample of the prior."""
        return jax.random.normal(key, shape)

    def metrics(self) -> dict[str, Scalar]:
        """Return log g at three times, for the log of a training."""
        return {f"log_g_{t:.2f}": self.log_g(t) for t in (0.0, 0.5, 0.99)}


@pytree
class NeuralPath(ConditionalPath):
    """The path of `Neural` with its parameters."""

    params: Any
    neural: "Neural" = struct.field(pytree_node=False)

    def moments(self, x0: Float[Array, "*D"], t: Time):
        t = jnp.asarray(t, float)
        out = self.neural.network.apply({"params": self.params["moments"]}, x0.reshape(-1), t)
        bend = t * (1 - t) * jnp.reshape(jnp.asarray(out), (-1, *x0.shape))
        log_std = jnp.full_like(x0, (1 - t) * math.log(LEAST_STD))
        return (1 - t) * x0 + bend[0], log_std + bend[1] if len(bend) > 1 else log_std

    def log_g(self, t: Time) -> Scalar:
        t = jnp.asarray(t, float)
        out = self.neural.diffusion.apply({"params": self.params["diffusion"]}, jnp.zeros(0), t)
        alpha, sigma = linear_moments(jnp.minimum(t, 1 - _NEAREST))
        first = sigma * jnp.sqrt(2 * (1 / alpha - math.log(LEAST_STD)))
        # softplus(h) with h = softplus^-1(first) + the network
        h = first + jnp.log(-jnp.expm1(-first)) + jnp.asarray(out)[0]
        return jnp.log(jax.nn.softplus(h))


@dataclass(frozen=True)
class Neural(Process):
    """The path of NFDM, whose mean, standard deviation and diffusion are trained.

    Its networks are F, G and h: ``m = (1 - t) x0 + t (1 - t) F(x0, t)``, ``log s = (1 - t) log 0.01
    + t (1 - t) G(x0, t)`` and ``g = softplus(h(t))`` (Bartosh et al. 2024, arXiv:2404.12940). If
    only the mean moves, it is a path of DiffEnc (Nielsen et al. 2023, arXiv:2310.19789). Training
    begins with F = G = 0 and the g of that linear path's forward SDE. Bound, it is a `NeuralPath`.

    Attributes:
      shape: of a datum.
      moves: what depends on the datum: 'mean' or 'mean_and_std'.
      neural_hidden: width of the perceptrons.
      forward_network: for F and G, by default a perceptron; see `OfChannels`.

    Raises:
      ValueError: ``moves`` is unknown.
    """

    kind: ClassVar[Kind] = "neural"

    shape: tuple[int, ...]
    moves: str = "mean_and_std"
    neural_hidden: int = 128
    forward_network: nn.Module | None = None

    def __post_init__(self) -> None:
        if self.moves not in MOVES:
            raise ValueError(f"moves = {self.moves!r} is unknown; choose one of {list(MOVES)}")

    @property
    def network(self) -> nn.Module:
        """The network of the moments."""
        count = 1 + MOVES.index(self.moves)
        if self.forward_network is not None:
            return OfChannels(self.forward_network, self.shape, count)
        return Perceptron(self.neural_hidden, self._size * count)

    @property
    def diffusion(self) -> "Perceptron":
        """The network of g."""
        return Perceptron(self.neural_hidden, 1)

    @property
    def _size(self) -> int:
        return math.prod(self.shape)

    @property
    def learns(self) -> bool:
        return True  # also where the shape of the data is not known yet

    def init(self, key: Array) -> dict[str, Any]:
        """Return parameters of the linear path."""
        first, second = jax.random.split(key)
        return {
            "moments": self.network.init(first, jnp.zeros(self._size), 0.0)["params"],
            "diffusion": self.diffusion.init(second, jnp.zeros(0), 0.0)["params"],
        }

    def bind(self, params: dict[str, Any]) -> NeuralPath:
        """Return the path of these parameters."""
        return NeuralPath(params, self)

    def initial(self) -> NeuralPath:
        """Return the linear path, whatever its network: a large one is not made for this."""
        small = replace(self, forward_network=None)
        return small.bind(small.init(jax.random.key(0)))


def linear_moments(t: Time) -> tuple[Scalar, Scalar]:
    """Return alpha and sigma of the path before training, ``1 - t`` and ``0.01^(1 - t)``."""
    left = 1 - jnp.asarray(t, float)
    return left, jnp.exp(left * math.log(LEAST_STD))


class Perceptron(nn.Module):
    """A network of a vector and the time, which is zero before training."""

    hidden: int
    size: int

    @nn.compact
    def __call__(self, x: Float[Array, " inputs"], t: Time) -> Float[Array, " size"]:
        t = jnp.asarray(t, float)
        waves = [f(math.pi * k * t) for k in (1, 2, 4) for f in (jnp.sin, jnp.cos)]
        h = nn.Dense(self.hidden)(jnp.concatenate([x, jnp.stack([t, *waves])]))
        h = nn.Dense(self.hidden)(nn.swish(h))
        return nn.Dense(self.size, kernel_init=zeros_init())(nn.swish(h))


class OfChannels(nn.Module):
    """F, or F and G, by one network of the kind that models the score.

    Such a network returns an array like its input. So the datum is repeated along the channels, and
    the outputs are split there. Its label is ``999 t``, and it has no dropout here.
    """

    network: nn.Module
    shape: tuple[int, ...]
    count: int

    @nn.compact
    def __call__(self, x: Float[Array, " size"], t: Time) -> Float[Array, "count *D"]:
        joined = jnp.concatenate([x.reshape(self.shape)] * self.count, axis=-1)
        out = self.network(joined, 999 * jnp.asarray(t, float), train=False)
        return jnp.stack(jnp.split(out, self.count, axis=-1))
