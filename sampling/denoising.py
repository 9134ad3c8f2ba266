"""The last step of a sampler: to no noise at all."""

from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import Scalar


def posterior_mean(
    model: BoundModel, x: Float[Array, "*D"], t: Scalar | float
) -> Float[Array, "*D"]:
    """``E[x0 | x_t = x] = (x + sigma^2 s) / alpha`` (Tweedie; Efron 2011), in the data's space.

    What score_sde's last prediction comes to, which goes on from the smallest noise to none; it
    takes away noise that counts in FID (Jolicoeur-Martineau et al. 2021, arXiv:2009.05475).
    """
    return (x + model.process.sigma(t) ** 2 * model.score(x, t)) / model.process.alpha(t)
