"""The estimator of the published codes: SciPy's solver over a whole batch at once."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gradlog.likelihood.base import LogProb, PriorLogProb, split_keys
from gradlog.likelihood.ode import path_parts
from gradlog.likelihood.parts import DIVERGENCE, EPS
from gradlog.likelihood.start import Start
from gradlog.models import BoundModel
from gradlog.ode import TimeFlow
from gradlog.sde_lib import SDE


@dataclass(frozen=True)
class SciPyLikelihood:
    """``log p_eps(x)`` exactly as score_sde and score_flow compute it, for comparisons with them.

    It integrates ``dx/dt = f x - g^2 s/2`` and its divergence (Song et al. 2021, arXiv:2011.13456,
    eq. 39) from eps to t_max by SciPy's RK45. The images of a batch and their log determinants form
    one float64 vector with one step size. Each image has one Rademacher probe, fixed along the
    path. Divergences are vector-Jacobian products, which ``jvps`` counts. The error norm is over
    the batch, so a result depends on its batch mates, and all images of a batch fail together. One
    probe gives no standard error. ``nfe`` is that of the solver, the same for each image.

    It runs on the host and cannot be traced. A model is compiled once for all its parameters.
    """

    rtol: float
    atol: float
    eps: float
    start: Start
    prior_log_prob: PriorLogProb | None = None

    on_host: ClassVar[bool] = True
    accepts = SDE

    def tightened(self) -> "SciPyLikelihood":
        """Return the same estimator with tolerances ten times smaller."""
        return replace(self, rtol=self.rtol / 10, atol=self.atol / 10)

    def __call__(
        self,
        model: BoundModel,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        start_keys, probe_keys = split_keys(keys)
        xs_eps, steps = _start_batch(self.start, self.eps, model, xs, start_keys)
        probes = random_signs(probe_keys, xs_eps)

        def field(t, states):
            return right_hand_side(model, t, states, probes)

        path = solve(field, xs_eps, (self.eps, float(model.process.t_max)), self.rtol, self.atol)
        process, prior = model.process, self.prior_log_prob
        ends = partial(path_parts, process, TimeFlow(), self.eps, prior_log_prob=prior)
        latent = jnp.asarray(path.states, xs_eps.dtype)
        unknown = jnp.full(len(xs), jnp.nan)
        return LogProb(
            parts=jax.vmap(lambda z: ends(latent=z))(latent)
            | {DIVERGENCE: path.integrals, EPS: steps},
            errors={"probes": unknown},
            discretization=unknown,
            latent=latent,
            nfe=jnp.full(len(xs), path.nfe + self.start.nfe),
            jvps=jnp.full(len(xs), path.nfe),
            ok=jnp.asarray(path.ok),
        )


@dataclass(frozen=True)
class Path:
    """The end of the path of a batch: states, integrals, evaluations and success."""

    states: Float[np.ndarray, "batch *D"]
    integrals: Float[np.ndarray, " batch"]
    nfe: int
    ok: Bool[np.ndarray, " batch"]


def solve(field, xs: Float[Array, "batch *D"], span: tuple[float, float], rtol, atol) -> Path:
    """Integrate states, and integrals that start at zero, along ``field(t, states)``.

    The field is evaluated in the precision of ``xs``; the solver works in float64.
    """

    def flat(t, y):
        rates = field(np.asarray(t, xs.dtype), y[: xs.size].reshape(xs.shape).astype(xs.dtype))
        return np.concatenate([np.ravel(rate) for rate in rates])

    y = np.concatenate([np.ravel(xs), np.zeros(len(xs))])
    # SciPy's choice of the first step does not return if the slope is not finite.
    if not np.all(np.isfinite(flat(span[0], y))):
        return _path(np.full(y.shape, np.nan), xs.shape, nfe=0, success=False)
    from scipy.integrate import solve_ivp  # half a second that other estimators do not need

    solution = solve_ivp(flat, span, y, method="RK45", rtol=rtol, atol=atol)
    return _path(solution.y[:, -1], xs.shape, nfe=solution.nfev, success=solution.success)


def _path(y: Float[np.ndarray, " n"], shape: tuple[int, ...], *, nfe: int, success: bool) -> Path:
    states, integrals = y[: -shape[0]].reshape(shape), y[-shape[0] :]
    finite = np.isfinite(states.reshape(shape[0], -1)).all(axis=1) & np.isfinite(integrals)
    return Path(states, integrals, nfe, finite & success)


@jax.jit
def right_hand_side(
    model: BoundModel,
    t: Float[Array, ""],
    xs: Float[Array, "batch *D"],
    probes: Float[Array, "batch *D"],
) -> tuple[Float[Array, "batch *D"], Float[Array, " batch"]]:
    """Return ``f x - g^2 s/2`` and its ``v^T J v`` for each x with its probe v, by reverse mode."""

    def one(x, v):
        drift, pull_back = jax.vjp(lambda x: TimeFlow().velocity(model, t, x), x)
        return drift, jnp.vdot(pull_back(v)[0], v)

    return jax.vmap(one)(xs, probes)


@jax.jit
def random_signs(keys: jax.Array, xs: Float[Array, "batch *D"]) -> Float[Array, "batch *D"]:
    """Return one probe for each x, in its precision."""
    return jax.vmap(lambda key, x: jax.random.rademacher(key, x.shape, x.dtype))(keys, xs)


@partial(jax.jit, static_argnums=(0, 1))
def _start_batch(start: Start, eps: float, model: BoundModel, xs, keys):
    return jax.vmap(lambda x, key: start(model, x, eps, key))(xs, keys)
