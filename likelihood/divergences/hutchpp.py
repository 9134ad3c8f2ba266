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

    ``tr(Q^T J Q) + v^T P J P v`` with ``P = I - Q Q^T`` and Q an orthonormal basis of ``J G``, G
    being ``rank`` columns of random signs, drawn once: Q follows the Jacobian along the path. Each
    of the ``probes`` draws has its own v, of random signs. Its mean is the trace whatever Q is, and
    its variance given Q is ``2 sum_{a != b} (P S P)_ab^2``: the draws share Q, and their spread
    tells the error of their mean. Worth its ``2 rank + probes`` products where the spectrum decays;
    where J is close to a multiple of the identity, as on trained denoisers of images, as many
    random signs err ten times less. Gradients hold Q fixed, which leaves them unbiased.

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
        value, along = jax.linearize(f, x)
        product = jax.vmap(lambda row: along(row.reshape(x.shape)).ravel())
        # Householder's Q is orthonormal even where J S has not full rank; its derivative is not.
        Q = jax.lax.stop_gradient(jnp.linalg.qr(product(sketch).T)[0])
        residual = v - (v @ Q) @ Q.T
        rest = jnp.sum(residual * product(residual), axis=1)
        return value, jnp.sum(Q.T * product(Q.T)) + rest

    def products(self, dims: int) -> int:
        del dims
        return 2 * self.rank + self.probes
