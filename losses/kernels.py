"""Kernels of noise for denoising score matching: the law of n in ``x_t = alpha x0 + sigma n``."""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Kernel(Protocol):
    """The law of the noise n, of mean zero and known score; n has independent entries.

    Denoising score matching works with every differentiable kernel (Vincent 2011, section 4.2):
    ``grad_x log p(x_t|x0)`` is the score at n over sigma. The minimizer is the score of the data
    with this noise. Processes, samplers and likelihoods are those of Gaussian noise.
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        """Return a draw of n."""
        ...

    def score(self, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the gradient of the log density at n."""
        ...


@dataclass(frozen=True)
class GaussianKernel:
    """The standard normal law; the noise of every process."""

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        return jax.random.normal(key, shape)

    def score(self, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return -n


@dataclass(frozen=True)
class LaplaceKernel:
    """The Laplace law of variance one: ``-sqrt(2) |n|_1``, up to a constant, is its log density.

    Data ``N(m, v)`` with such noise of scale ``b = sigma/sqrt(2)`` have the score ``(B - A)/(b (A +
    B))`` at ``y = x - m``, with ``A = exp(-y/b) Phi((y - v/b)/sqrt(v))`` and
    ``B = exp(y/b) Phi(-(y + v/b)/sqrt(v))``.
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        return jax.random.laplace(key, shape) / math.sqrt(2)

    def score(self, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return -math.sqrt(2) * jnp.sign(n)


@dataclass(frozen=True)
class AnisotropicKernel:
    """A Gaussian whose stds over the dimensions, in their order, are geometric around one.

    Where its std is c, data ``N(m, v)`` with such noise have the score
    ``-(x - m)/(v + sigma^2 c^2)``.

    Attributes:
      anisotropy: the last std over the first.
    """

    anisotropy: float = 10.0

    def stds(self, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        """Return the standard deviation of each entry."""
        end = 0.5 * math.log(self.anisotropy)
        return jnp.exp(jnp.linspace(-end, end, math.prod(shape))).reshape(shape)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*D"]:
        return self.stds(shape) * jax.random.normal(key, shape)

    def score(self, n: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return -n / self.stds(n.shape) ** 2


KERNELS: dict[str, type] = {
    "anisotropic": AnisotropicKernel,
    "gaussian": GaussianKernel,
    "laplace": LaplaceKernel,
}
