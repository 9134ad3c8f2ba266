"""Denoising score matching, with the target of one example or of a reference batch."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.distributions import Empirical
from gradlog.losses.kernels import GaussianKernel, Kernel
from gradlog.models import BoundModel


def denoising_integrand(
    model: BoundModel,
    x0: Float[Array, "*D"],
    t: Float[Array, ""],
    z: Float[Array, "*D"],
) -> Float[Array, ""]:
    """Return ``1/2 ||sigma s(alpha x0 + sigma z) + z||^2`` in nats."""
    return 0.5 * jnp.sum(denoising_residual(model, x0, t, z) ** 2)


def denoising_residual(
    model: BoundModel,
    x0: Float[Array, "*D"],
    t: Float[Array, ""],
    z: Float[Array, "*D"],
) -> Float[Array, "*D"]:
    """Return ``sigma s(alpha x0 + sigma z) + z``."""
    return model.process.sigma(t) * model.score(model.process.perturb(x0, t, z), t) + z


@dataclass(frozen=True)
class DenoisingScoreMatching:
    """``sigma^2/2 ||s(x_t) - grad log p(x_t|x0)||^2 = 1/2 ||sigma s(x_t) + z||^2`` (Vincent 2011).

    With the weighting ``sigma^2`` and a network that predicts z, this is DDPM's simple loss. Its
    expectation is that of explicit score matching plus half the mean posterior variance of the
    conditional score, ``1/2 (d - sigma^2 E||grad log p_t||^2)``.

    A reference batch makes the target less noisy (Xu et al. 2023, arXiv:2302.00670, eq. 6). It is
    the score of the mixture around x0 and other examples: the mean of their targets, weighted by
    the posterior probability of each given x_t. One example is denoising score matching, infinitely
    many are explicit score matching. In between the minimizer is off by O(1/reference).

    Attributes:
      reference: number of examples in a target, x0 included.
      draw: returns one training example in the model's space; needed for more than one.
      kernel: the law of the noise z; for Gaussian noise ``-z`` is its score.

    Raises:
      ValueError: a reference batch is asked for with noise that is not Gaussian.
    """

    reference: int = 1
    draw: Callable[[jax.Array], Float[Array, "*D"]] | None = None
    kernel: Kernel = field(default_factory=GaussianKernel)

    def __post_init__(self) -> None:
        if self.reference > 1 and not isinstance(self.kernel, GaussianKernel):
            raise ValueError(
                f"reference = {self.reference} needs the kernel 'gaussian', got "
                f"{type(self.kernel).__name__}: choose reference = 1"
            )

    def __call__(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, ""]:
        return jnp.sum(self.per_dimension(model, x0, t, key))

    def per_dimension(
        self,
        model: BoundModel,
        x0: Float[Array, "*D"],
        t: Float[Array, ""],
        key: jax.Array,
    ) -> Float[Array, "*D"]:
        """Return the terms of the sum over dimensions."""
        process = model.process
        n = self.kernel.sample(key, x0.shape)
        x = process.perturb(x0, t, n)
        if self.reference == 1:
            return 0.5 * (process.sigma(t) * model.score(x, t) - self.kernel.score(n)) ** 2
        assert self.draw is not None, "a reference batch needs a function that draws examples"
        keys = jax.random.split(jax.random.fold_in(key, 1), self.reference - 1)
        others = jax.vmap(self.draw)(keys)
        batch = Empirical(jnp.concatenate([x0[None], others]))
        error = model.score(x, t) - batch.score_fn(process)(x, t)
        return 0.5 * (process.sigma(t) * error) ** 2
