"""The bound of masked models as an objective: cross-entropy at masked positions."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from gradlog.losses.base import Loss
from gradlog.losses.random_keys import example_keys
from gradlog.models import BoundModel
from gradlog.sde_lib import Absorbing, Process

Tokens = Int[Array, "*D"]
DRAWS = ("count", "time")


@dataclass(frozen=True)
class MaskedCrossEntropy:
    """The bound on ``-log p(x) / d`` in nats per dimension, at one mask.

    With L positions and m masks at a uniform set A of positions, the bound of an absorbing process
    is ``sum_m reach(m) E_A (1/m) sum_{l in A} -log p(x_l | x outside of A)``, up to what the prior
    costs, which has no parameters. The weight ``L/m`` is what makes it a bound: a plain mean over
    the masked tokens, as BERT has it, bounds nothing.

    ``draws`` says what u selects. 'count': the number m, each with the same probability. A batch
    has stratified u, so that its m are spread evenly. 'time': the time t, from which the process
    draws the mask; for `OnePosition` this is the cross-entropy of one step of the chain. Both have
    one mean, and 'count' the lower variance.

    Raises:
      ValueError: ``draws`` is unknown.
    """

    accepts: ClassVar[type[Process]] = Absorbing

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
        """Return the loss of the stored example x at the mask that u and the key select."""
        keys, process, length = example_keys(key), model.process, x.size
        x0, _ = model.dequantize(keys.dequantization, x)
        if self.draws == "count":
            x_t, weight = draw_by_count(process, x0, u, keys.integrand)
        else:
            x_t = process.perturb(x0, u * process.t_max, keys.integrand)
            weight = process.weight(u, jnp.sum(x_t == process.mask), length)
        return Loss(weight * cross_entropy(model.conditioned(condition), x0, x_t) / length, {})


def check_draws(draws: str) -> None:
    """Check the name of what u selects.

    Raises:
      ValueError: it is unknown.
    """
    if draws not in DRAWS:
        raise ValueError(f"draws = {draws!r} is unknown; choose one of {sorted(DRAWS)}")


def draw_by_count(
    process: Absorbing, x0: Tokens, u: Float[Array, ""], key: jax.Array
) -> tuple[Tokens, Float[Array, ""]]:
    """Return x0 with ``m = 1 + floor(u L)`` masks, and the weight of their cross-entropy.

    The weight is ``reach(m) L / m``, so that the mean of the product over u and the key is the part
    of the bound that depends on the model, in nats.
    """
    length = x0.size
    place = jnp.minimum(jnp.floor(u * length).astype(int), length - 1)  # rounding may move u to one
    weight = process.reach(length)[place] * length / (place + 1)
    return process.mask_positions(x0, place + 1, key), weight


def cross_entropy(model: BoundModel, x0: Tokens, x_t: Tokens) -> Float[Array, ""]:
    """Return the sum over the masks of x_t of ``-log p(x0_l | x_t)``, in nats."""
    return -jnp.sum(jnp.where(x_t == model.process.mask, log_probs(model, x0, x_t), 0.0))


def log_probs(model: BoundModel, x0: Tokens, x_t: Tokens) -> Float[Array, "*D"]:
    """Return ``log p(x0_l | x_t)`` in nats for each position."""
    return jnp.take_along_axis(model.logits(x_t), x0[..., None], axis=-1)[..., 0]
