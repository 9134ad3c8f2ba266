"""The loss of a classifier of noisy data."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from gradlog.losses.base import add_noise
from gradlog.models import NoisyClassifier
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class NoisyCrossEntropy:
    """``E[-log p(c | x_t)]`` in nats, with log rho uniform from eps to t_max.

    The minimizer is the posterior of the class at every noise level (Song et al. 2021,
    arXiv:2011.13456, appendix I.1). It does not depend on how often each level is drawn.
    """

    process: SDE
    classifier: NoisyClassifier
    eps: float

    def __call__(
        self,
        params: Any,
        x0: Float[Array, "*D"],
        u: Float[Array, ""],
        key: jax.Array,
        condition: Int[Array, ""],
    ) -> Float[Array, ""]:
        """Return the loss of x0, of class ``condition``, at the level that u in [0, 1) selects."""
        low, high = self.process.log_rho(self.eps), self.process.log_rho(self.process.t_max)
        t = self.process.time_of_log_rho(low + u * (high - low))
        x, _ = add_noise(self.process, x0, t, key)
        return -self.classifier.log_probs(self.process, params, x, t)[condition]
