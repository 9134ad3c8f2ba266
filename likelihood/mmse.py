"""The probability of levels by one integral over the signal-to-noise ratio."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import LogProb, PerExample
from gradlog.likelihood.bound import VariationalBound, make_bound
from gradlog.likelihood.divergences import sample_variance_of_mean
from gradlog.likelihood.parts import Part
from gradlog.models import BoundModel, Decoder

MMSE = Part("mmse", 24, "integral of the denoising errors over all signal-to-noise ratios")


@dataclass(frozen=True)
class MMSEBound(PerExample):
    """A lower bound on ``log P(x)`` of levels: half the integral of the errors of the denoiser.

    ``-log P(x) <= 1/2 int_0^inf E||x - x_hat(z)||^2 dsnr`` with ``z = sqrt(snr) x + eps``, for
    every denoiser x_hat. With the posterior mean it is an equality (Guo, Shamai & Verdu 2005,
    arXiv:cs/0412108; for one x: Kong, Brekelmans & Ver Steeg 2023, arXiv:2302.03792). The reason: x
    and x_hat are the drifts of two diffusions, whose KL divergence is the integral, and the first
    ends at x for certain.

    Between the noise levels of ``eps`` and t_max the denoiser is the model's. There ``dsnr/2 = -
    d(log rho) / rho^2`` and ``E||x - x_hat||^2 / rho^2 = E||sigma s + z||^2``, which is drawn as in
    `VariationalBound`. Beyond both ends it is one whose integral is known, so nothing is cut off:

    - below, where the noise is largest, the middle of the levels: ``snr/2 ||x - middle||^2``;
    - above, the posterior mean if all levels were as likely: ``E[-log p(x | z)]`` of the `Decoder`
      at eps. A noise of a tenth of a level costs 2e-6 nats for each dimension; the cost falls
      super-exponentially.

    The data must be the centers of levels. The standard error is unbiased.

    Attributes:
      inside: the bound whose draws between both ends are used.

    Raises:
      ValueError: in a call, if the model's dequantizer is not a `Decoder`.
    """

    inside: VariationalBound

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process, inside, decoder = model.process, self.inside, model.dequantizer
        if not isinstance(decoder, Decoder):
            raise ValueError(f"mmse needs the dequantizer Decoder, got {type(decoder).__name__}")
        time_key, above_key, end_key = jax.random.split(key, 3)
        low, high = process.log_rho(inside.eps), process.log_rho(process.t_max)
        drawn = inside.diffusion_terms(model, x, time_key)  # x.size minus the errors
        rho = jnp.exp(low)

        def decode(key):
            return decoder.log_decoder(x, x + rho * jax.random.normal(key, x.shape), rho)

        above = jax.lax.map(decode, jax.random.split(above_key, inside.ends))
        middle = 0.0 if decoder.centered else 0.5
        below = 0.5 * jnp.exp(-2 * high) * jnp.sum((x - middle) ** 2)
        variance = jnp.sum((drawn[:, 0] - drawn[:, 1]) ** 2) + sample_variance_of_mean(above)
        nats = jnp.sum(drawn) - x.size * (high - low) + jnp.mean(above) - below
        return LogProb(
            parts={MMSE: nats},
            errors={"time": jnp.sqrt(variance)},
            discretization=jnp.asarray(jnp.nan),
            latent=process.perturb(x, process.t_max, jax.random.normal(end_key, x.shape)),
            nfe=jnp.asarray(inside.samples),
            jvps=jnp.asarray(0),
            ok=jnp.isfinite(nats),
            freedom=jnp.asarray(inside.samples / 2),
        )


def make_mmse(samples: int, eps: float, chunk: int = 128) -> MMSEBound:
    """Return the bound with ``samples`` draws of the noise level, ``chunk`` evaluated at once.

    Raises:
      ValueError: ``samples`` is odd, or below two.
    """
    return MMSEBound(make_bound(samples, eps, chunk=chunk))
