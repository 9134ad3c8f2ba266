"""Predictors: one step of the reverse-time SDE ``dx = [f x - g^2 s] dt + g dW``.

Each is a Gaussian transition with a mean and a standard deviation. As a step of the probability
flow it takes half the score and adds no noise (Song et al. 2021, arXiv:2011.13456, appendix D.3).
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sampling.base import MeanAndStd, Predictor, Scalar
from gradlog.sampling.transitions import added_noise_fraction, transition_coefficients


@dataclass(frozen=True)
class EulerMaruyama(Predictor):
    """The Euler-Maruyama step of the reverse SDE (Song et al. 2021, appendix G)."""

    probability_flow: bool = False

    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> MeanAndStd:
        f, g2 = model.process.drift_and_diffusion(t)
        step = t - t_next
        share, std = (0.5, jnp.zeros(())) if self.probability_flow else (1, jnp.sqrt(g2 * step))
        return x - step * (f * x - share * g2 * model.score(x, t)), std


@dataclass(frozen=True)
class ReverseDiffusion(Predictor):
    """The forward transition reversed to first order (Song et al. 2021, appendix E, eq. 46).

    ``x - (a - 1) x + G^2 s + G z``, with a and G of the forward transition. score_sde has this step
    for VE and for the chain of DDPM; for other processes its step is Euler-Maruyama.
    """

    probability_flow: bool = False

    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> MeanAndStd:
        a, G = transition_coefficients(model.process, t, t_next)
        share, std = (0.5, jnp.zeros(())) if self.probability_flow else (1, G)
        return (2 - a) * x + share * G**2 * model.score(x, t), std


@dataclass(frozen=True)
class Ancestral(Predictor):
    """The posterior ``q(x_{t'} | x_t, x0)`` at ``x0 = E[x0 | x_t]``; mean ``(x + G^2 s) / a``.

    Ho et al. 2020, arXiv:2006.11239, section 3.2, and for VE Song et al. 2021, appendix F. The
    variance is ``posterior``, ``G^2 sigma_{t'}^2 / sigma_t^2``, which is right for data without
    width, or ``beta``, ``G^2``, which is right for data of unit variance. score_sde uses ``beta``
    for VP and ``posterior`` for VE; diffusers calls them 'fixed_large' and 'fixed_small'.
    """

    ancestral_variance: Literal["posterior", "beta"] = "posterior"

    def __post_init__(self) -> None:
        if self.ancestral_variance not in ("posterior", "beta"):
            raise ValueError(
                f"ancestral_variance = {self.ancestral_variance!r} must be 'posterior' or 'beta'"
            )

    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> MeanAndStd:
        process = model.process
        a, G = transition_coefficients(process, t, t_next)
        mean = (x + G**2 * model.score(x, t)) / a
        if self.ancestral_variance == "beta":
            return mean, G
        return mean, process.sigma(t_next) * jnp.sqrt(added_noise_fraction(process, t, t_next))


@dataclass(frozen=True)
class NoPredictor(Predictor):
    """Leave x unchanged: the corrector alone goes down the levels."""

    @property
    def evaluations(self) -> int:
        return 0

    def mean_and_std(
        self, model: BoundModel, x: Float[Array, "*D"], t: Scalar, t_next: Scalar
    ) -> MeanAndStd:
        del model, t, t_next
        return x, jnp.zeros(())
