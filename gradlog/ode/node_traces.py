"""The integral of a trace along a path, from one random estimate of the diagonal at each node.

With random signs v on a set of dimensions, ``v * (J v)`` is an estimate of the diagonal of J there,
and its sum one of the trace. The diagonal changes smoothly from node to node, and the errors at the
nodes are independent. So differences of the estimates at neighboring nodes show the variance, and
one estimate a node is enough to know the error of the integral.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Diagonals = Float[Array, "nodes *D"]
Weights = Float[Array, " nodes"]

_WIDTH = 4  # nodes of an interpolating cubic, and of a difference that is zero for parabolas
# Gauss-Legendre's rule on [0, 1], exact for cubics.
_POINTS, _SHARES = np.polynomial.legendre.leggauss(2)
_POINTS, _SHARES = (_POINTS + 1) / 2, _SHARES / 2


def cubic_weights(grid: Float[Array, " nodes"]) -> Weights:
    """Return weights that integrate over an uneven grid the cubic through the four nearest nodes.

    Raises:
      ValueError: there are fewer than four nodes.
    """
    nodes, start = _windows(len(grid)), np.clip(np.arange(len(grid) - 1) - 1, 0, len(grid) - _WIDTH)
    # Explicitly: JAX may keep a NumPy constant in the precision in which it was used first.
    inside, shares = (jnp.asarray(each, grid.dtype) for each in (_POINTS, _SHARES))
    points = grid[:-1, None] + jnp.diff(grid)[:, None] * inside
    own = grid[nodes[start]]
    pieces = jnp.einsum("ijp,p->ij", _lagrange(own, points), shares) * jnp.diff(grid)[:, None]
    return jnp.zeros(len(grid)).at[nodes[start].ravel()].add(pieces.ravel())


def variance_of_integral(
    diagonals: Diagonals,
    grid: Float[Array, " nodes"],
    weights: Weights,
    exact: Bool[Array, " nodes"] | bool = False,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the variance of ``sum_k weights_k sum_i diagonals_ki``, and its degrees of freedom.

    The variance of the trace by random signs is ``2 sum_{a != b} S_ab^2`` with S the symmetric part
    of J, over pairs that share a product. The estimates of the diagonal have the variances ``sum_{b
    != a} J_ab^2``, so that twice their sum is that variance, or more if J is not symmetric. It
    includes the third difference of the true diagonal. Both make it larger and never smaller.

    Args:
      diagonals: one estimate at each node, by signs that differ from node to node.
      grid: the nodes, which may be uneven; at least four.
      weights: those of the integral.
      exact: nodes whose diagonal has no error.
    """
    shares = weights**2 * node_variances(diagonals, grid, exact)
    total = jnp.sum(shares)
    # The squares of half of the dimensions are independent: an entry J_ab is in the errors of two.
    freedom = diagonals[0].size / 2 * total**2 / jnp.where(total > 0, jnp.sum(shares**2), 1)
    return total, jnp.where(total > 0, jnp.maximum(freedom, 1.0), jnp.inf)


def node_variances(
    diagonals: Diagonals,
    grid: Float[Array, " nodes"],
    exact: Bool[Array, " nodes"] | bool = False,
) -> Float[Array, " nodes"]:
    """Return the variance of the trace at each node: see `variance_of_integral`.

    Each four nodes in a row have one difference. Its square is divided among those of them that are
    not exact.
    """
    nodes = _windows(len(grid))
    own = grid[nodes]
    gaps = own[:, :, None] - own[:, None, :]
    factors = 1 / jnp.prod(jnp.where(jnp.eye(_WIDTH, dtype=bool), 1.0, gaps), axis=2)
    shares = factors**2 / jnp.sum(factors**2, axis=1, keepdims=True)
    noisy = jnp.where(jnp.broadcast_to(jnp.asarray(exact), len(grid))[nodes], 0.0, shares)
    rows = diagonals.reshape(len(grid), -1)
    signed = jnp.sign(factors) * jnp.sqrt(shares)
    squares = jnp.sum(jnp.einsum("wj,wji->wi", signed, rows[nodes]) ** 2, axis=1)
    parts = jnp.sum(noisy, axis=1)
    squares = jnp.where(parts > 0, squares / jnp.where(parts > 0, parts, 1.0), 0.0)
    seen = jnp.zeros((2, len(grid))).at[:, nodes.ravel()]
    total, count = seen.add(jnp.stack([(noisy * squares[:, None]).ravel(), noisy.ravel()]))
    return jnp.where(count > 0, 2 * total / jnp.where(count > 0, count, 1.0), 0.0)


def _windows(nodes: int) -> np.ndarray:
    """Return the numbers of each four nodes in a row."""
    if nodes < _WIDTH:
        raise ValueError(f"{nodes} nodes are too few: {_WIDTH} or more are needed")
    return np.arange(nodes - _WIDTH + 1)[:, None] + np.arange(_WIDTH)


def _lagrange(
    nodes: Float[Array, "rows 4"], points: Float[Array, "rows points"]
) -> Float[Array, "rows 4 points"]:
    """Return Lagrange's polynomials of the nodes of each row at points."""
    gaps = nodes[:, :, None] - nodes[:, None, :]
    same = np.eye(_WIDTH, dtype=bool)
    factors = (points[:, None, None, :] - nodes[:, None, :, None]) / jnp.where(same, 1.0, gaps)[
        ..., None
    ]
    return jnp.prod(jnp.where(same[None, :, :, None], 1.0, factors), axis=2)
