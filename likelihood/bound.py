"""Variational bounds: in continuous time, and of a diffusion of K steps."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample, PriorLogProb, check_pairs
from gradlog.likelihood.bound_forms import FORMS, Form, control_slopes
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import DIFFUSION, EPS, PRIOR, VOLUME
from gradlog.likelihood.start import reconstruction
from gradlog.models import BoundModel
from gradlog.sde_lib import SDE, GaussianPath, Process, sum_over

Scalar = Float[Array, ""]
Level = Float[Array, "..."]

_DRAWS_PER_END = 8  # draws of time for one draw of the end terms, whose variance is far smaller


@dataclass(frozen=True)
class VariationalBound(PerExample):
    """A lower bound on the log density of x under the SDE's model (Song et al. 2021).

    arXiv:2101.09258, theorem 3. The path starts at eps, with the reconstruction ``q(x0 | x_eps) =
    N(x_eps/a + b^2 s/a, (b/a)^2 I)``; a, b are alpha, sigma at eps:

    ``log p(x) >= E log prior(x_T) - int d(log rho) (E||sigma s + z||^2 - d)
    + d (log alpha_T - log alpha_eps) + E[log q(x | x_eps) - log N(x_eps; a x, b^2 I)]``.

    Log rho is drawn in proportion to ``g^2/sigma^2 dt`` and stratified: two of the ``samples`` fall
    into each of equal cells, each with noises of its own. With ``steps`` each is rounded up to the
    end of its step, which gives the bound of the diffusion with these steps. The standard error
    comes from the differences inside the cells and is unbiased. The bound is on the likelihood of
    the SDE; that of the ODE may lie on either side if the score is imperfect. ``chunk`` draws are
    evaluated at once.

    ``churn`` r is that of the sampler whose likelihood is bounded: it has the diffusion ``r g`` and
    the reverse drift ``f - (1 + r^2)/2 g^2 s``, of which r = 1 is the reverse SDE and r -> 0 the
    flow. Then ``E||sigma s + z||^2`` has the factor ``(1 + r^2)^2 / (4 r^2)``: the squared
    difference of the drifts over twice the squared diffusion (Girsanov), as in the bound of DDIM's
    steps (Song, Meng & Ermon 2021, arXiv:2010.02502, theorem 1). It is least for r = 1.

    Raises:
      ValueError: ``samples`` is odd or below two, or ``churn`` is not positive.
    """

    samples: int
    eps: float
    form: Form
    steps: "StepGrid | None" = None
    prior_log_prob: PriorLogProb | None = None
    chunk: int = 128
    churn: float = 1.0

    def __post_init__(self):
        if not self.churn > 0:
            raise ValueError(f"churn = {self.churn} must be above 0; the flow itself has no bound")
        check_pairs(self.samples)

    @property
    def accepts(self) -> type[Process]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.steps.accepts if self.steps else GaussianPath

    @property
    def ends(self) -> int:
        """The number of draws of the terms at eps and at t_max."""
        return max(2, self.samples // _DRAWS_PER_END)

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process = model.process
        time_key, end_key = jax.random.split(key)
        diffusion = self.diffusion_terms(model, x, time_key)
        ends, latents = self._map(lambda k: self._end_terms(model, x, k), end_key, self.ends)
        variance = jnp.sum((diffusion[:, 0] - diffusion[:, 1]) ** 2)
        variance += sample_variance_of_mean(ends[PRIOR] + ends[EPS])
        return LogProb(
            parts={name: jnp.mean(part) for name, part in ends.items()}
            | {
                DIFFUSION: jnp.sum(diffusion),
                VOLUME: sum_over(process.log_alpha(process.t_max) - process.log_alpha(self.eps), x),
            },
            errors={"time": jnp.sqrt(variance)},
            discretization=jnp.asarray(jnp.nan),
            latent=latents[0],
            nfe=jnp.asarray(self.samples + self.ends),
            jvps=jnp.asarray(self.samples * self.form.jvps),
            ok=jnp.isfinite(variance),
            freedom=jnp.asarray(self.samples / 2),
        )

    def diffusion_terms(
        self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array
    ) -> Float[Array, "cells 2"]:
        """Return the contribution of each draw to ``-int d(log rho) (E(sigma s + z)^2 - 1)``."""
        process = model.process

        def draw(position_and_key):
            position, key = position_and_key
            time_key, noise_key, form_key = jax.random.split(key, 3)
            share = 2 * (position // 2 + jax.random.uniform(time_key)) / self.samples
            t, rate = process.level(self.eps, share)
            cost = rate
            if self.steps is not None:
                t, cost = self.steps(process, self.eps, share)
            z = jax.random.normal(noise_key, x.shape)
            value, square = self.form(model, x, t, z, form_key)
            sums = (jnp.sum(cost * each) for each in (value, square, z**2))
            return jnp.mean(process.log_rho(t)), *sums, sum_over(cost, x), sum_over(rate, x)

        drawn = self._map(draw, key, self.samples, numbered=True)
        log_rho, value, square, noise, mean_noise, volume = (a.reshape(-1, 2) for a in drawn)
        slope = control_slopes(log_rho, square, noise, self.form.trend)
        churned = (1 + self.churn**2) ** 2 / (4 * self.churn**2)
        controlled = churned * (value - slope * (noise - mean_noise))
        return (volume - controlled) / self.samples

    def _end_terms(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array):
        """Return the terms of the prior and of eps at one draw each, and the latent."""
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
        inputs = (jnp.arange(count), keys) if numbered else keys
        return jax.lax.map(draw, inputs, batch_size=min(self.chunk, count))


def _prior_control(
    process: GaussianPath, x: Float[Array, "*D"], z: Float[Array, "*D"]
) -> Float[Array, ""]:
    """Return a control of mean zero: the noise of ``log N(x_T; 0, prior_std^2 I)`` at this draw."""
    scale = process.sigma(process.t_max) / jnp.asarray(process.prior_std)
    signal = process.alpha(process.t_max) / jnp.asarray(process.prior_std)
    return jnp.sum(0.5 * scale**2 * (z**2 - 1) + scale * signal * z * x)


def _even_in_log_rho(process: SDE, eps: float, count: int) -> Float[Array, " edges"]:
    return jnp.linspace(process.log_rho(eps), process.log_rho(process.t_max), count + 1)


def _even_in_time(process: SDE, eps: float, count: int) -> Float[Array, " edges"]:
    return jax.vmap(process.log_rho)(jnp.linspace(eps, process.t_max, count + 1))


GRIDS: dict[str, Callable[[SDE, float, int], Float[Array, " edges"]]] = {
    "log_rho": _even_in_log_rho,
    "t": _even_in_time,
}


@dataclass(frozen=True)
class StepGrid:
    """The steps of a discrete diffusion: a call rounds a share of the way up to a step's end.

    The call returns the time there, and what takes the place of ``d(log rho)/d(share)`` in the sum
    over steps. The term of a step from log rho ``l`` to ``l'`` in the discrete bound is a KL
    divergence of two Gaussians with the posterior's variance: ``1/2 expm1(2 (l' - l)) E||sigma s +
    z||^2`` at the end l' (Kingma et al. 2021, arXiv:2107.00630, eq. 13 and 14, ``SNR = rho^-2``).
    Relative to ``(l' - l) E||sigma s + z||^2`` it has the factor ``expm1(2 (l' - l)) / (2 (l' -
    l))``, which tends to one. So a sum over steps is an integral whose time is rounded up. Where
    log rho is an array, each step even in t has an equal share of the draws.

    Raises:
      ValueError: ``count`` is below one, or the variable is unknown.
    """

    count: int
    variable: str = "log_rho"

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"vlb_steps = {self.count} must be at least 1")
        if self.variable not in GRIDS:
            raise ValueError(
                f"variable = {self.variable!r} is unknown; choose one of {sorted(GRIDS)}"
            )

    @property
    def accepts(self) -> type[Process]:
        return GaussianPath if self.variable == "t" else SDE

    def __call__(self, process: GaussianPath, eps: float, share: Scalar) -> tuple[Scalar, Level]:
        if not isinstance(process, SDE):
            k = jnp.ceil(share * self.count).clip(1, self.count)
            end, start = (eps + i / self.count * (process.t_max - eps) for i in (k, k - 1))
            width = process.log_rho(end) - process.log_rho(start)
            return end, self.count * 0.5 * jnp.expm1(2 * width)
        edges = GRIDS[self.variable](process, eps, self.count)
        log_rho = edges[0] + share * (edges[-1] - edges[0])
        k = jnp.searchsorted(edges, log_rho, side="left").clip(1, self.count)
        width = edges[k] - edges[k - 1]
        factor = jnp.expm1(2 * width) / (2 * width)
        return process.time_of_log_rho(edges[k]), (edges[-1] - edges[0]) * factor


def make_bound(
    samples: int,
    eps: float,
    form: str = "dsm",
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
    churn: float = 1.0,
) -> VariationalBound:
    """Return the bound in continuous time, in its DSM or SSM form.

    Raises:
      ValueError: the form is unknown, ``samples`` is odd, or ``churn`` is not positive.
    """
    if form not in FORMS:
        raise ValueError(f"form = {form!r} is unknown; choose one of {sorted(FORMS)}")
    return VariationalBound(samples, eps, FORMS[form], None, prior_log_prob, chunk, churn)


def make_vlb(
    samples: int,
    eps: float,
    vlb_steps: int = 1000,
    variable: str = "log_rho",
    prior_log_prob: PriorLogProb | None = None,
    chunk: int = 128,
) -> VariationalBound:
    """Return the bound of a diffusion with ``vlb_steps`` steps (Ho et al. 2020).

    arXiv:2006.11239, eq. 5. The steps are even in log rho or in t. If ``samples`` is a multiple of
    ``2 vlb_steps``, every step of a grid even in log rho has the same number of draws. Otherwise
    steps are drawn, stratified.

    Raises:
      ValueError: the variable is unknown, or a number is out of range.
    """
    steps = StepGrid(vlb_steps, variable)
    return VariationalBound(samples, eps, FORMS["dsm"], steps, prior_log_prob, chunk)
