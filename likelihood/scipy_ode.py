"""SciPy's solver over a whole batch at once: the estimator of the published codes."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gradlog.likelihood.base import LogProb, PriorLogProb, two_keys
from gradlog.likelihood.ode import path_parts
from gradlog.likelihood.parts import DIVERGENCE, EPS
from gradlog.likelihood.start import Start
from gradlog.models import BoundModel
from gradlog.ode import TimeFlow
from gradlog.sde_lib import SDE, Process


@dataclass(frozen=True)
class SciPyLikelihood:
    """``log p_eps(x)`` exactly as score_sde and score_flow compute it; it exists to compare with.

    ``dx/dt = f x - g^2 s/2`` and its divergence (Song et al. 2021, arXiv:2011.13456, eq. 39) from
    eps to t_max by SciPy's RK45, the images of a batch and their log determinants one float64
    vector with one step size; a Rademacher probe for each image, fixed along the path; divergences
    by vector-Jacobian products, which ``jvps`` counts. The norm of the error is over the batch: a
    number depends on its batch mates, and where one image fails all of them do. One probe gives no
    standard error. ``nfe`` is the solver's, the same for each image.

    It runs on the host and cannot be traced. A model is compiled once, whatever its parameters.
    """

    rtol: float
    atol: float
    eps: float
    start: Start
    prior_log_prob: PriorLogProb | None = None

    on_host: ClassVar[bool] = True
    accepts: ClassVar[type[Process]] = SDE

    def tightened(self) -> "SciPyLikelihood":
        """The same with tolerances ten times smaller."""
        return replace(self, rtol=self.rtol / 10, atol=self.atol / 10)

    def __call__(
        self,
        model: BoundModel,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        start_keys, probe_keys = two_keys(keys)
        xs_eps, steps = _begin(self.start, self.eps, model, xs, start_keys)
        probes = random_signs(probe_keys, xs_eps)

        def field(t, states):
            return right_hand_side(model, t, states, probes)

        path = solve(field, xs_eps, (self.eps, float(model.process.t_max)), self.rtol, self.atol)
        process, prior = model.process, self.prior_log_prob
        ends = partial(path_parts, process, TimeFlow(), self.eps, prior_log_prob=prior)
        latent = jnp.asarray(path.states, xs_eps.dtype)
        nothing = jnp.full(len(xs), jnp.nan)
        return LogProb(
            parts=jax.vmap(lambda z: ends(latent=z))(latent)
            | {DIVERGENCE: path.integrals, EPS: steps},
            errors={"probes": nothing},
            discretization=nothing,
            latent=latent,
            nfe=jnp.full(len(xs), path.nfe + self.start.nfe),
            jvps=jnp.full(len(xs), path.nfe),
            ok=jnp.asarray(path.ok),
        )


@dataclass(frozen=True)
class Path:
    """Where a batch arrived, what it integrated on the way, in how many evaluations."""

    states: Float[np.ndarray, "batch *D"]
    integrals: Float[np.ndarray, " batch"]
    nfe: int
    ok: Bool[np.ndarray, " batch"]


def solve(field, xs: Float[Array, "batch *D"], span: tuple[float, float], rtol, atol) -> Path:
    """Carries states, and integrals that begin at zero, along ``field(t, states)``.

    The field is evaluated in the precision of ``xs``; the solver works in float64.
    """

    def flat(t, y):
        rates = field(np.asarray(t, xs.dtype), y[: xs.size].reshape(xs.shape).astype(xs.dtype))
        return np.concatenate([np.ravel(rate) for rate in rates])

    y = np.concatenate([np.ravel(xs), np.zeros(len(xs))])
    # From a slope that is not finite SciPy's choice of a first step never returns.
    if not np.all(np.isfinite(flat(span[0], y))):
        return _path(np.full(y.shape, np.nan), xs.shape, nfe=0, success=False)
    from scipy.integrate import solve_ivp  # half a second, of no use to other estimators

    found = solve_ivp(flat, span, y, method="RK45", rtol=rtol, atol=atol)
    return _path(found.y[:, -1], xs.shape, nfe=found.nfev, success=found.success)


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
    """``f x - g^2 s/2`` and ``v^T J v`` of it for each x with its probe v, by reverse mode."""

    def one(x, v):
        drift, pull_back = jax.vjp(lambda x: TimeFlow().velocity(model, t, x), x)
        return drift, jnp.vdot(pull_back(v)[0], v)

    return jax.vmap(one)(xs, probes)


@jax.jit
def random_signs(keys: jax.Array, xs: Float[Array, "batch *D"]) -> Float[Array, "batch *D"]:
    """One probe for each x, in its precision."""
    return jax.vmap(lambda key, x: jax.random.rademacher(key, x.shape, x.dtype))(keys, xs)


@partial(jax.jit, static_argnums=(0, 1))
def _begin(start: Start, eps: float, model: BoundModel, xs, keys):
    return jax.vmap(lambda x, key: start(model, x, eps, key))(xs, keys)
