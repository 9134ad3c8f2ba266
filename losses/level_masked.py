"""The bound of a masked model whose tokens have rates of their own, which it trains."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.random_keys import example_keys
from gradlog.models import BoundModel
from gradlog.sde_lib import LevelMasking, Process

Tokens = Int[Array, "*D"]
_RESOLUTION = 2.0**-24  # half a step of u in float32: at 0 and 1 a rate or a log is infinite


@dataclass(frozen=True)
class LevelMaskedBound:
    """The bound on ``-log p(x) / d`` in nats per dimension, at one time and two masks.

    Which masks are drawn depends on the rates. So the gradient of the mean by the rates has a term
    ``E[cost grad log q(masks)]``. It is estimated by two draws, each of which is the other's
    baseline (leave-one-out; Shi et al. 2024, arXiv:2406.04329, section 6 and appendix H). A step
    costs two evaluations. The masks cannot be drawn by their number: it depends on the data.
    """

    accepts: ClassVar[type[Process]] = LevelMasking

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the loss of the stored example x at the time u; the key draws the masks."""
        keys, process = example_keys(key), model.process
        x0, _ = model.dequantize(keys.dequantization, x)
        t, model = clip_time(u), model.conditioned(condition)
        draws = [process.perturb(x0, t, each) for each in jax.random.split(keys.integrand)]
        first, second = (masked_cost(model, x0, x_t, t) for x_t in draws)
        log_q = process.log_prob(draws[0], x0, t) - process.log_prob(draws[1], x0, t)
        # It is zero, and has the gradient of the law of the masks.
        of_law = jax.lax.stop_gradient(first - second) * (log_q - jax.lax.stop_gradient(log_q))
        return Loss(0.5 * (first + second + of_law) / x.size, process.metrics())


def clip_time(u: Float[Array, ""]) -> Float[Array, ""]:
    """Return the time of a uniform u, inside of (0, 1)."""
    return jnp.clip(u, _RESOLUTION, 1 - _RESOLUTION)


def masked_cost(
    model: BoundModel, x0: Tokens, x_t: Tokens, t: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the cost of the reverse from ``x_t``, in nats for each unit of time.

    With the rates r_v and the model's probabilities m_v behind a mask it is the divergence of two
    Poisson processes, ``sum_v r_v m_v - r_x - r_x log m_x`` for each mask with the token x (Shi et
    al. 2024, section 6). With one rate r for all tokens ``- r log m_x`` is left: `Masking`'s.
    """
    rates = model.process.rates(t)
    log_probs = model.process.behind_masks(model.logits(x_t, t), t)
    log_prob = jnp.take_along_axis(log_probs, x0[..., None], axis=-1)[..., 0]
    cost = jnp.exp(log_probs) @ rates - rates[x0] - rates[x0] * log_prob
    return jnp.sum(jnp.where(x_t == model.process.mask, cost, 0.0))
