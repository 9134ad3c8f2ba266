"""Hutch++: the trace on the Jacobian's dominant range, and Hutchinson's estimator on the rest."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import Field, IndependentDraws, Probes, random_signs


@dataclass(frozen=True)
class HutchPP(IndependentDraws):
    """Hutch++ (Meyer, Musco, Musco, Woodruff 2021, arXiv:2010.09649, algorithm 1).

    ``tr(Q^T J Q) + v^T P J P v`` with ``P = I - Q Q^T`` and Q an orthonormal basis of ``J G``. The
    ``rank`` columns of G are random signs, drawn once: Q follows the Jacobian along the path. Each
    of the ``probes`` draws has its own v of random signs. The mean is the trace for every Q; the
    variance for a fixed Q is ``2 sum_{a != b} (P S P)_ab^2``. The draws share Q, and their spread
    gives the error of their mean. The ``2 rank + probes`` products pay off if the spectrum decays.
    If J is close to a multiple of the identity, as for trained denoisers of images, the same number
    of random signs has a ten times smaller error. Gradients hold Q fixed, which leaves them
    unbiased.

    Raises:
      ValueError: ``rank`` exceeds the dimensions, when the probes are drawn.
    """

    probes: int = 1
    rank: int = 8

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> Probes:
        dims = math.prod(shape)
        if self.rank > dims:
            raise ValueError(
                f"hutchpp needs rank <= {dims}, the dimensions of the data; got rank = {self.rank}"
            )
        sketch_key, probe_key = jax.random.split(key)
        sketch = random_signs(sketch_key, (self.rank, *shape))
        return sketch, random_signs(probe_key, (self.probes, *shape))

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        sketch, v = (rows.reshape(len(rows), -1).astype(x.dtype) for rows in probes)
        value, jvp = jax.linearize(f, x)
        product = jax.vmap(lambda row: jvp(row.reshape(x.shape)).ravel())
        # Householder's Q is orthonormal even for a rank deficient J G, where it has no derivative.
        Q = jax.lax.stop_gradient(jnp.linalg.qr(product(sketch).T)[0])
        residual = v - (v @ Q) @ Q.T
        rest = jnp.sum(residual * product(residual), axis=1)
        return value, jnp.sum(Q.T * product(Q.T)) + rest

    def products(self, dims: int) -> int:
        del dims
        return 2 * self.rank + self.probes
