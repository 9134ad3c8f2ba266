"""The reverse of a chain whose drift is learned."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Sample
from gradlog.sde_lib import DriftChain


@dataclass(frozen=True)
class ChainReverse:
    """The steps of the model whose density `losses.ChainBound` bounds, from the prior to the data.

    Zhang & Chen 2021, DiffFlow, arXiv:2110.07579, eq. 8. With ``denoise`` the last step adds no
    noise.
    """

    accepts = DriftChain

    denoise: bool = True

    @property
    def evaluations(self) -> int | None:
        """The process knows the number of its steps, not the sampler."""
        return None

    def __call__(self, model: BoundModel, z: Float[Array, "*D"], key: jax.Array) -> Sample:
        process = model.process
        count = len(process.variances)

        def step(x, row):
            index, key = row
            mean = process.backward_mean(x, index, model.score(x, process.end(index)))
            std = jnp.sqrt(process.variances[index]) * jnp.where(self.denoise & (index == 0), 0, 1)
            return mean + std * jax.random.normal(key, x.shape), None

        rows = jnp.arange(count)[::-1], jax.random.split(key, count)
        x, _ = jax.lax.scan(step, z, rows)
        return Sample(x, jnp.asarray(count), jnp.all(jnp.isfinite(x)))
