"""The continuous-time variational bound."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from likelihood.base import LogProb, PriorLogProb, ScoreFn
from likelihood.divergence import sample_variance_of_mean
from likelihood.start import reconstruction
from sde_lib import SDE


@dataclass(frozen=True)
class VariationalBound:
    """A lower bound on the log density of x under the SDE's model (Song et al. 2021).

    arXiv:2101.09258, theorem 3 in its denoising form, with ``x`` carried to eps and the
    reconstruction ``q(x0 | x_eps) = N(x_eps/a + b^2 s/a, (b/a)^2 I)``; a, b are alpha, sigma(eps):

    ``log p(x) >= E log prior(x_T) - int d(log rho) E[||sigma s + z||^2 - ||z||^2]
    + d (log alpha_T - log alpha_eps) + E log q(x | x_eps) + H(N(a x, b^2 I))``.

    Each of the ``samples``, evaluated ``chunk`` at once, draws its own time, uniform in log rho,
    and its own noises. It bounds the likelihood of the SDE; the ODE's own may lie on either side
    when the score is imperfect.
    """

    samples: int
    eps: float
    prior_log_prob: PriorLogProb | None = None
    chunk: int = 128

    def __call__(
        self,
        sde: SDE,
        score_fn: ScoreFn,
        xs: Float[Array, "batch *D"],
        keys: jax.Array,
    ) -> LogProb:
        return jax.vmap(lambda x, key: self._one(sde, score_fn, x, key))(xs, keys)

    def _one(self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        draw = lambda key: self._draw(sde, score_fn, x, key)  # noqa: E731
        parts, latents = jax.lax.map(
            draw, jax.random.split(key, self.samples), batch_size=min(self.chunk, self.samples)
        )
        volume = x.size * (sde.log_alpha(sde.t_max) - sde.log_alpha(self.eps))
        per_draw = sum(parts.values(), start=jnp.zeros(self.samples))
        means = {name: jnp.mean(part) for name, part in parts.items()} | {"volume": volume}
        return LogProb(
            parts=means,
            errors={"time": jnp.sqrt(sample_variance_of_mean(per_draw))},
            discretisation=jnp.asarray(jnp.nan),
            latent=latents[0],
            nfe=jnp.asarray(2 * self.samples),
            jvps=jnp.asarray(0),
            ok=jnp.isfinite(per_draw.mean()),
        )

    def _draw(self, sde: SDE, score_fn: ScoreFn, x: Float[Array, "*D"], key: jax.Array):
        time_key, path_key, end_key, eps_key = jax.random.split(key, 4)
        latent = sde.perturb(x, sde.t_max, jax.random.normal(end_key, x.shape))
        parts = {
            "prior": (self.prior_log_prob or sde.prior_log_prob)(latent),
            "diffusion": self._diffusion(sde, score_fn, x, time_key, path_key),
            "eps": reconstruction(sde, score_fn, x, self.eps, jax.random.normal(eps_key, x.shape)),
        }
        return parts, latent

    def _diffusion(self, sde: SDE, score_fn: ScoreFn, x, time_key, path_key) -> Float[Array, ""]:
        """``-int d(log rho) [||sigma s + z||^2 - ||z||^2]`` at one uniform log rho."""
        low, high = sde.log_rho(self.eps), sde.log_rho(sde.t_max)
        t = sde.time_of_log_rho(jax.random.uniform(time_key, minval=low, maxval=high))
        z = jax.random.normal(path_key, x.shape)
        residual = sde.sigma(t) * score_fn(sde.perturb(x, t, z), t) + z
        return -(high - low) * (jnp.sum(residual**2) - jnp.sum(z**2))
