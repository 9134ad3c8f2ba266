"""The loss of a generator, from density estimators of the data and of the generated samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from gradlog.losses.base import add_noise
from gradlog.sde_lib import SDE

# ``(x, t) -> nats``, up to a constant for each t.
LogDensityFn = Callable[[Any, Any], Float[Array, ""]]


@dataclass(frozen=True)
class GeneratorKL:
    """``log q(x_t) - log p(x_t)`` at a generated x0; its mean is ``KL(q_t || p_t)`` in nats.

    Bigdeli et al. 2020, "Learning Generative Models using Denoising Density Estimators",
    arXiv:2001.02728. The densities p_t and q_t are those of noisy data and of noisy generated
    samples. Each is modeled by its denoising density estimator: an energy trained by DSM at the
    level t. Both are known up to a constant, which does not change the gradient.

    Differentiate through x0 and hold q fixed. The change of q itself adds ``E_q grad log q = 0`` to
    the gradient of the KL. This holds for the q of the present generator, so its estimator must
    follow the generator.
    """

    process: SDE
    data_log_density: LogDensityFn
    generated_log_density: LogDensityFn

    def __call__(
        self, x0: Float[Array, "*D"], t: Float[Array, ""] | float, key: jax.Array
    ) -> Float[Array, ""]:
        x, _ = add_noise(self.process, x0, t, key)  # pyright: ignore
        return self.generated_log_density(x, t) - self.data_log_density(x, t)
