"""The point at which every objective looks at the score."""

import jax
from jaxtyping import Array, Float

from gradlog.sde_lib import SDE


def noised(
    process: SDE, x0: Float[Array, "*D"], t: Float[Array, ""], key: jax.Array
) -> tuple[Float[Array, "*D"], Float[Array, "*D"]]:
    """``x_t = alpha x0 + sigma z`` and the z it was made of, standard normal."""
    z = jax.random.normal(key, x0.shape)
    return process.perturb(x0, t, z), z
