"""The last step of a sampler: to no noise at all."""

from jaxtyping import Array, Float

from gradlog.sampling.base import Scalar, ScoreFn
from gradlog.sde_lib import SDE


def posterior_mean(
    sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], t: Scalar | float
) -> Float[Array, "*D"]:
    """``E[x0 | x_t = x] = (x + sigma^2 s) / alpha`` (Tweedie; Efron 2011), in the data's space.

    What score_sde's last prediction comes to, which goes on from the smallest noise to none; it
    takes away noise that counts in FID (Jolicoeur-Martineau et al. 2021, arXiv:2009.05475).
    """
    return (x + sde.sigma(t) ** 2 * score_fn(x, t)) / sde.alpha(t)
