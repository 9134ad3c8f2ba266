"""Variational bounds: continuous in time, and of a diffusion of K steps."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample, PriorLogProb
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.integrands import FORMS, Form, control_slopes
from gradlog.likelihood.parts import DIFFUSION, EPS, PRIOR, VOLUME
from gradlog.likelihood.start import reconstruction
from gradlog.likelihood.steps import Steps
from gradlog.models import BoundModel
from gradlog.sde_lib import SDE

_DRAWS_PER_END = 8  # draws of time to one of the ends, whose variance is far smaller


@dataclass(frozen=True)
class VariationalBound(PerExample):
    """A lower bound on the log density of x under the SDE's model (Song et al. 2021).

    arXiv:2101.09258, theorem 3, with ``x`` carried to eps and the reconstruction
    ``q(x0 | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)``; a, b are alpha, sigma(eps):

    ``log p(x) >= E log prior(x_T) - int d(log rho) (E||sigma s + z||^2 - d)
    + d (log alpha_T - log alpha_eps) + E[log q(x | x_eps) - log N(x_eps; a x, b^2 I)]``.

    Log rho, which is drawn in proportion to ``g^2/sigma^2 dt``, is stratified: two of the
    ``samples`` fall into each of equal cells, each with its own noises. With ``steps`` each is
    rounded up to the end of its step: the bound of the diffusion that has these steps. The error
    comes from the differences inside the cells and is unbiased. It bounds the likelihood of the
    SDE; the ODE's own may lie on either side when the score is imperfect. ``chunk`` draws are
    evaluated at once.

    Raises ValueError unless ``samples`` is even.
    """

    samples: int
    eps: float
    form: Form
    steps: Steps | None = None
    prior_log_prob: PriorLogProb | None = None
    chunk: int = 128

    def __post_init__(self):
        if self.samples < 2 or self.samples % 2:
            raise ValueError(
                f"samples = {self.samples} must be even and at least 2: two for each cell of time"
            )

    @property
    def ends(self) -> int:
        """How many draws are made of the terms at eps and at t_max."""
        return max(2, self.samples // _DRAWS_PER_END)

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process = model.process
        time_key, end_key = jax.random.split(key)
        diffusion = self._diffusion(model, x, time_key)
        ends, latents = self._map(lambda k: self._end(model, x, k), end_key, self.ends)
        variance = jnp.sum((diffusion[:, 0] - diffusion[:, 1]) ** 2)
        variance += sample_variance_of_mean(ends[PRIOR] + ends[EPS])
        return LogProb(
            parts={name: jnp.mean(part) for name, part in ends.items()}
            | {
                DIFFUSION: jnp.sum(diffusion),
                VOLUME: x.size * (process.log_alpha(process.t_max) - process.log_alpha(self.eps)),
            },
            errors={"time": jnp.sqrt(variance)},
            discretization=jnp.asarray(jnp.nan),
            latent=latents[0],
            nfe=jnp.asarray(self.samples + self.ends),
            jvps=jnp.asarray(self.samples * self.form.jvps),
            ok=jnp.isfinite(variance),
            freedom=jnp.asarray(self.samples / 2),
        )

    def _diffusion(
        self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array
    ) -> Float[Array, "cells 2"]:
        """``-int d(log rho) (E||sigma s + z||^2 - d)``: what each draw adds to it."""
        process = model.process
        low, high = process.log_rho(self.eps), process.log_rho(process.t_max)

        def draw(position_and_key):
            position, key = position_and_key
            time_key, noise_key, form_key = jax.random.split(key, 3)
            share = 2 * (position // 2 + jax.random.uniform(time_key)) / self.samples
            log_rho, weight = self._round(process, low + share * (high - low))
            z = jax.random.normal(noise_key, x.shape)
            t = process.time_of_log_rho(log_rho)
            value, square = self.form(model, x, t, z, form_key)
            return log_rho, weight, value, square, jnp.sum(z**2)

        drawn = self._map(draw, key, self.samples, numbered=True)
        log_rho, weight, value, square, noise = (a.reshape(-1, 2) for a in drawn)
        slope = control_slopes(log_rho, square, noise, self.form.trend)
        controlled = weight * (value - slope * (noise - x.size))
        return (high - low) / self.samples * (x.size - controlled)

    def _round(self, process: SDE, log_rho: Float[Array, ""]):
        if self.steps is None:
            return log_rho, jnp.ones_like(log_rho)
        return self.steps(process, self.eps, log_rho)

    def _end(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array):
        """The prior's term and that of eps at one draw of each."""
        process = model.process
        last, first = jax.random.normal(key, (2, *x.shape))
        latent = process.perturb(x, process.t_max, last)
        prior = (self.prior_log_prob or process.prior_log_prob)(latent)
        parts = {
            PRIOR: prior + _prior_control(process, x, last),
            EPS: reconstruction(model, x, self.eps, first),
        }
        return parts, latent

    def _map(self, draw: Callable, key: jax.Array, count: int, *, numbered: bool = False):
        keys = jax.random.split(key, count)
        over = (jnp.arange(count), keys) if numbered else keys
        return jax.lax.map(draw, over, batch_size=min(self.chunk, count))


def _prior_control(process: SDE, x: Float[Array, "*D"], z: Float[Array, "*D"]) -> Float[Array, ""]:
    """Of mean zero: what ``log N(x_T; 0, prior_std^2 I)`` lacks at this draw of x_T."""
    scale = process.sigma(process.t_max) / jnp.asarray(process.prior_std)
    signal = process.alpha(process.t_max) / jnp.asarray(process.prior_std)
    return 0.5 * scale**2 * (jnp.sum(z**2) - x.size) + scale * signal * jnp.vdot(z, x)


def make_bound(
    samples: int,
    eps: float,
    form: str = "dsm",
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
) -> VariationalBound:
    """The bound in continuous time, in its DSM or SSM form.

    Raises ValueError where the form is unknown or ``samples`` is odd.
    """
    if form not in FORMS:
        raise ValueError(f"form = {form!r} is unknown; choose one of {sorted(FORMS)}")
    return VariationalBound(samples, eps, FORMS[form], None, prior_log_prob, chunk)


def make_vlb(
    samples: int,
    eps: float,
    vlb_steps: int = 1000,
    variable: str = "log_rho",
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
) -> VariationalBound:
    """The bound of a diffusion of ``vlb_steps`` steps, even in log rho or in t (Ho et al. 2020).

    arXiv:2006.11239, eq. 5. With ``samples`` a multiple of ``2 vlb_steps`` every step of a grid
    even in log rho has equally many; otherwise steps are drawn, stratified.

    Raises ValueError where the variable is unknown or a number is impossible.
    """
    steps = Steps(vlb_steps, variable)
    return VariationalBound(samples, eps, FORMS["dsm"], steps, prior_log_prob, chunk)
