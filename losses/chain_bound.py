"""The variational bound of a chain that is simulated."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.losses.random_keys import ExampleKeys
from gradlog.losses.stored_bound import StoredBound
from gradlog.models import BoundModel
from gradlog.sde_lib import DriftChain, Process

Scalar = Float[Array, ""]


@dataclass(frozen=True)
class ChainBound(StoredBound):
    """An upper bound on ``-log P`` of a stored datum in nats per dimension, by one path.

    ``E[-log prior(x_K) + sum_i log q(x_{i+1} | x_i) - log p(x_i | x_{i+1})]`` over d (Zhang & Chen
    2021, DiffFlow, arXiv:2110.07579, eq. 13). It is a bound at every number of steps, unlike the
    integral of Song et al. 2021 on a simulated path. Drift, noise and score all have gradients,
    through the points of the path. The metrics are both terms in nats per dimension.
    """

    accepts: ClassVar[type[Process]] = DriftChain

    def terms(
        self, model: BoundModel, x0: Float[Array, "*D"], u: Scalar, keys: ExampleKeys
    ) -> dict[str, Scalar]:
        del u
        last, steps = simulate_chain(model, x0, keys.integrand)
        prior = -model.process.prior_log_prob(last)
        return {"prior": prior / x0.size, "diffusion": steps / x0.size}


def simulate_chain(
    model: BoundModel, x0: Float[Array, "*D"], key: jax.Array
) -> tuple[Float[Array, "*D"], Scalar]:
    """Return x_K, and ``sum_i log q(x_{i+1} | x_i) - log p(x_i | x_{i+1})`` in nats, of one path.

    Both have the variance b_i, so ``2 pi b_i`` cancels.
    """
    process = model.process
    variances = process.variances

    def advance(x, row):
        step, key = row
        z = jax.random.normal(key, x.shape)
        end = process.forward_mean(x, step) + jnp.sqrt(variances[step]) * z
        score = model.score(end, process.end(step))
        back = process.backward_mean(end, step, score)
        return end, 0.5 * jnp.sum((x - back) ** 2 / variances[step] - z**2)

    count = len(variances)
    last, steps = jax.lax.scan(advance, x0, (jnp.arange(count), jax.random.split(key, count)))
    return last, jnp.sum(steps)
