"""Training a generator by two density estimators: of the data, and of what it generates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from gradlog.losses.noising import noised
from gradlog.sde_lib import SDE

# ``(x, t) -> nats``, up to a constant for each t.
LogDensityFn = Callable[[Any, Any], Float[Array, ""]]


@dataclass(frozen=True)
class GeneratorKL:
    """``log q(x_t) - log p(x_t)`` at a generated x0: in the mean ``KL(q_t || p_t)``, in nats.

    Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
    arXiv:2001.02728: p_t and q_t are the laws of data and of generated samples with noise, each
    known by its denoising density estimator, an energy trained by DSM at the level t. Both enter
    up to a constant, which no gradient sees.

    To be differentiated through x0, q held fixed: what q's own change would add to the gradient of
    the KL is ``E_q grad log q = 0``. That holds for the q of the generator as it is, so its
    estimator must follow it.
    """

    process: SDE
    data_log_density: LogDensityFn
    generated_log_density: LogDensityFn

    def __call__(
        self, x0: Float[Array, "*D"], t: Float[Array, ""] | float, key: jax.Array
    ) -> Float[Array, ""]:
        x, _ = noised(self.process, x0, t, key)  # pyright: ignore
        return self.generated_log_density(x, t) - self.data_log_density(x, t)
