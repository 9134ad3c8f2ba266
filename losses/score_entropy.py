"""Score entropy: the cost of wrong ratios of probabilities, for processes that jump."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.masked import check_draws
from gradlog.losses.random_keys import example_keys
from gradlog.models import BoundModel
from gradlog.sde_lib import JumpProcess, Process

Tokens = Int[Array, "*D"]
_RESOLUTION = 2.0**-24  # half a step of u in float32: at 0 and 1 a ratio or a rate is infinite


@dataclass(frozen=True)
class ScoreEntropy:
    """The bound on ``-log p(x) / d`` in nats per dimension, at one time.

    Its mean over u and the key is the bound, for the prior of a `JumpProcess` costs nothing. With
    masks it equals the cross-entropy (`MaskedCrossEntropy`) at every draw, because the model is
    normalized. With `Uniform` it is the bound of Schiff et al. 2024, arXiv:2412.10193.

    ``draws`` says what u selects: the 'count' of noisy tokens, or the 'time'. Both have one mean,
    and 'count' the lower variance.

    Raises:
      ValueError: ``draws`` is unknown.
    """

    accepts: ClassVar[type[Process]] = JumpProcess

    draws: str = "count"

    def __post_init__(self) -> None:
        check_draws(self.draws)

    def __call__(
        self,
        model: BoundModel,
        x: Num[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        condition: Int[Array, ""] | None = None,
    ) -> Loss:
        """Return the loss of the stored example x at the noise that u and the key select."""
        keys, process = example_keys(key), model.process
        x0, _ = model.dequantize(keys.dequantization, x)
        if self.draws == "count":
            x_t, t, weight = process.perturb_by_count(x0, u, keys.integrand)
        else:
            t, weight = jnp.clip(u, _RESOLUTION, 1 - _RESOLUTION), 1.0
            x_t = process.perturb(x0, t, keys.integrand)
        nats = weight * score_entropy(model.conditioned(condition), x0, x_t, t)
        return Loss(nats / x.size, {})


def score_entropy(
    model: BoundModel, x0: Tokens, x_t: Tokens, t: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the cost in nats, for each unit of time, of the model's reverse jumps from x_t.

    ``sum_l sum_y rate(y -> x_l) (s_y - r_y log s_y + r_y (log r_y - 1))``, with the ratios s of the
    model and r of the datum (Lou et al. 2023, arXiv:2310.16834, section 3). Each term is the
    divergence of two Poisson processes, so none is negative. It is computed as ``r (e^d - 1 - d)``,
    ``d = log s/r``, which does not cancel in float32 where both agree.
    """
    process = model.process
    log_r = process.log_ratios(jnp.log(jax.nn.one_hot(x0, process.levels)), x_t, t)
    log_s = process.log_ratios(model.logits(x_t, t), x_t, t)
    possible = jnp.isfinite(log_r)
    d = jnp.where(possible, log_s - log_r, 0.0)
    excess = jnp.exp(log_r) * (jnp.expm1(d) - d)
    return jnp.sum(process.jump_rates(x_t, t) * jnp.where(possible, excess, jnp.exp(log_s)))
