"""Uniform noise on tokens: each position is replaced by any token, each as likely."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gradlog.sde_lib.base import Kind, Scalar, Time
from gradlog.sde_lib.discrete import JumpProcess, Tokens
from gradlog.sde_lib.pytree import pytree

_RESOLUTION = 2.0**-24  # half a step of float32's uniform numbers: at 0 and 1 a rate is infinite


@pytree
class Uniform(JumpProcess):
    """Each position is replaced by time t with probability t, by a uniformly drawn token.

    Austin et al. 2021, arXiv:2107.03006; in continuous time Schiff et al. 2024, arXiv:2412.10193.
    What replaces a token may be the same one. At ``t = 1`` nothing of the datum is left, exactly:
    the prior is uniform and costs nothing. Nothing in x says which tokens were replaced, so the
    network sees the time. The time is the share of replaced tokens, ``alpha = 1 - t``: another
    schedule would change neither the bound nor its integrand over this share.

    Attributes:
      levels: the number of tokens.
    """

    kind: ClassVar[Kind] = "replacements"
    levels: int = struct.field(pytree_node=False)

    def perturb(self, x0: Tokens, t: Time, key: Array) -> Tokens:
        where_key, token_key = jax.random.split(key)
        replaced = jax.random.uniform(where_key, x0.shape) < t
        return jnp.where(replaced, self.prior_sample(token_key, x0.shape), x0)

    def prior_sample(self, key: Array, shape: tuple[int, ...]) -> Tokens:
        return jax.random.randint(key, shape, 0, self.levels, self.dtype)

    def perturb_by_count(self, x0: Tokens, u: Scalar, key: Array) -> tuple[Tokens, Scalar, Scalar]:
        """Return x0 with ``m = floor(u (L + 1))`` tokens replaced, at the time of the last of them.

        Tokens are replaced at independent uniform times, so the m-th of L times has the density ``m
        C(L, m) t^(m-1) (1-t)^(L-m)``. This is ``m/t`` times the probability of m replaced tokens at
        t, so the weight is ``(L + 1) t/m``. At small t a wrong token costs about ``log(1/t)/t``;
        the weight cancels the pole. With uniform t the variance is infinite. If m = 0, t is the
        first of L + 1 times, with the weight 1.
        """
        length = x0.size
        time_key, token_key = jax.random.split(key)
        count = jnp.minimum(jnp.floor(u * (length + 1)).astype(int), length)
        times = jax.random.uniform(time_key, (length + 1,))
        ranks = jnp.argsort(jnp.argsort(times[:-1])).reshape(x0.shape)
        last = jnp.sort(times[:-1])[jnp.maximum(count - 1, 0)]
        t = jnp.clip(jnp.where(count > 0, last, jnp.min(times)), _RESOLUTION, 1 - _RESOLUTION)
        x_t = jnp.where(ranks < count, self.prior_sample(token_key, x0.shape), x0)
        weight = jnp.where(count > 0, (length + 1) * t / jnp.maximum(count, 1), 1.0)
        return x_t, t, weight

    def log_law(self, log_probs: Float[Array, "*D levels"], t: Time) -> Float[Array, "*D levels"]:
        """Return the log law of tokens at t whose clean ones have these log probabilities."""
        t = jnp.asarray(t)
        return jnp.logaddexp(log_probs + jnp.log1p(-t), jnp.log(t / self.levels))

    def jump_rates(self, x: Tokens, t: Time) -> Float[Array, "*D levels"]:
        """Return ``-alpha' / (levels alpha)`` for all other tokens."""
        other = x[..., None] != jnp.arange(self.levels)
        return jnp.where(other, 1 / (self.levels * (1 - jnp.asarray(t))), 0.0)

    def log_ratios(
        self, log_probs: Float[Array, "*D levels"], x: Tokens, t: Time
    ) -> Float[Array, "*D levels"]:
        law = self.log_law(log_probs, t)
        return law - jnp.take_along_axis(law, x[..., None], axis=-1)

    def leaving_laws(
        self, log_probs: Float[Array, "*D levels"], x: Tokens, t: Time, t_next: Time
    ) -> tuple[Float[Array, "*D"], Float[Array, "*D levels"]]:
        """Return how likely each token at t was another one at ``t_next`` < t, and which, in logs.

        By Bayes' rule the token at ``t_next`` was y with a probability proportional to that of y
        there, times that of a move from y to the token at t (Austin et al. 2021, eq. 3).
        """
        moved = (t - t_next) / (1 - t_next)  # share of tokens replaced in between
        law = self.log_law(log_probs, t_next) + jnp.log(moved / self.levels)
        is_own = x[..., None] == jnp.arange(self.levels)
        others = jnp.where(is_own, -jnp.inf, law)
        total = jax.nn.logsumexp(others, axis=-1)
        stays = jnp.sum(jnp.where(is_own, law, 0.0), axis=-1)
        stays += jnp.log1p((1 - moved) * self.levels / moved)
        return jax.nn.sigmoid(total - stays), others
