"""The boundary term of implicit score matching: what integration by parts leaves at edges."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial.legendre import Legendre

ScoreFn = Callable[[Float[Array, " 1"]], Float[Array, " 1"]]


def boundary_term(score_fn: ScoreFn, low: float, high: float) -> Float[Array, ""]:
    """Return ``[p s]`` at the ends of ``U[low, high]``, in nats per squared unit of x.

    ``E_p[s' + s^2/2] = 1/2 E_p(s - grad log p)^2 - 1/2 E_p(grad log p)^2 + [p s]``, and implicit
    score matching leaves the last term out, because a density that vanishes has none (Hyvarinen
    2005, theorem 1). For the uniform law it is ``(s(high) - s(low))/(high - low)``.
    """
    ends = (score_fn(jnp.full(1, end))[0] for end in (high, low))
    return (next(ends) - next(ends)) / (high - low)


def implicit_minimizer(degree: int) -> Legendre:
    """Return the polynomial that minimizes ``E[s' + s^2/2]`` under ``U[-1, 1]``.

    It is ``-sum (2l + 1) P_l`` over odd l up to the degree, where the true score is zero. Each
    Legendre polynomial has ``1/2 [P_l] = 1`` and ``E P_l^2 = 1/(2l + 1)``.
    """
    orders = np.arange(degree + 1)
    return Legendre(np.where(orders % 2 == 1, -(2.0 * orders + 1), 0.0))


def implicit_minimum(degree: int) -> float:
    """Return the minimum of ``E[s' + s^2/2]`` over polynomials: ``-1/2 sum (2l + 1)``, odd l.

    It falls without end in the degree, where the true score has 0.
    """
    count = (degree + 1) // 2
    return -0.5 * count * (2 * count + 1)
