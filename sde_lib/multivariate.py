"""A noise schedule for each dimension, the same for all data or chosen by a latent of the datum."""

import dataclasses
import itertools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from gradlog.sde_lib.base import Process, Scalar
from gradlog.sde_lib.learned_gamma import BetweenEnds, LearnedEnds, MonotonePolynomial
from gradlog.sde_lib.log_snr import LogSNR
from gradlog.sde_lib.pytree import pytree

_MOST_SETS = 128  # that are enumerated for an exact KL
_MOST_ORDERS = 24  # of one set that are enumerated
_TEMPERATURE = 0.5  # of the relaxed sets, which give a gradient by the encoder


@pytree
class PixelGammaPath(BetweenEnds):
    """A path whose gamma is an array: each dimension has noise levels of its own.

    MuLAN (Sahoo et al. 2024, arXiv:2312.13236, section 3). The variational bound is the line
    integral ``sum_d int dgamma_d/2 E(sigma s + z)_d^2``. It depends on the way between the ends,
    unless all dimensions go it together.
    """

    def metrics(self) -> dict[str, Scalar]:
        """Return the mean of gamma at five times, and its spread over the dimensions halfway."""
        return super().metrics() | {"spread_0.50": jnp.std(self.gamma(0.5))}


@dataclasses.dataclass(frozen=True)
class Multivariate(LearnedEnds):
    """A variance-preserving path with a learned gamma for each dimension (Sahoo et al. 2024).

    MuLAN, arXiv:2312.13236. In each dimension gamma' is proportional to ``(a t^2 + b t + c)^2``. At
    the start all are linear. With ``latents`` the three numbers are functions of a latent z of the
    datum: z is a set of ``latent_ones`` of so many elements. Then the process is a `LatentPath`,
    else a `PixelGammaPath`.

    Attributes:
      shape: that of the data; () for one gamma.
      gamma_min: gamma at t = 0, in training at the start if the ends are learned.
      gamma_max: gamma at t = 1, likewise.
      learn_ends: whether the ends of each dimension are trained too.
      latents: number of elements of which z is a set; 0 for the same gamma for all data.
      latent_ones: number of elements in z.
      latent_hidden: width of the network from a datum to z, and of that from z to gamma.

    Raises:
      ValueError: gamma_min is not below gamma_max, or the set is not smaller than its elements.
    """

    shape: tuple[int, ...] = ()
    gamma_min: float = -13.3
    gamma_max: float = 5.0
    learn_ends: bool = False
    latents: int = 0
    latent_ones: int = 2
    latent_hidden: int = 64

    def __post_init__(self) -> None:
        LogSNR(self.gamma_min, self.gamma_max)
        if self.latents and not 0 < self.latent_ones < self.latents:
            raise ValueError(
                f"latent_ones = {self.latent_ones} must lie between 0 and latents = {self.latents}"
            )

    def init(self, key: Array) -> dict[str, Any]:
        """Return parameters of schedules that are linear in t, or almost with a latent."""
        params: dict[str, Any] = {"inside": MonotonePolynomial(self.shape).init(key)}
        if self.latents:
            inputs = {"encoder": math.prod(self.shape), "map": self.latents}
            for (name, size), network in zip(inputs.items(), self._networks, strict=True):
                key, own = jax.random.split(key)
                params[name] = network.init(own, jnp.zeros(size))["params"]
        return params | self.init_ends(self.shape)

    def bind(self, params: dict[str, Any]) -> "PixelGammaPath | LatentPath":
        """Return the path of these parameters, or the paths of all latents."""
        low, high = (jnp.broadcast_to(end, self.shape) for end in self.bind_ends(params))
        schedule = MonotonePolynomial(self.shape)
        path = PixelGammaPath(low, high, inside=params["inside"], schedule=schedule)
        if not self.latents:
            return path
        return LatentPath(path, params["encoder"], params["map"], self._networks, self.latent_ones)

    @property
    def has_map(self) -> bool:
        return True

    def initial(self) -> PixelGammaPath:
        """Return the path before training; with latents that of the first set."""
        bound = super().initial()
        if isinstance(bound, LatentPath):
            return bound.given(jnp.zeros(self.latents).at[: self.latent_ones].set(1.0))
        return bound

    @property
    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Networks from a flattened datum to the logits of z, and from z to changes of a, b, c."""
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        hidden, numbers = nn.Dense(self.latent_hidden), 3 * math.prod(self.shape)
        encoder = nn.Sequential((hidden, nn.swish, nn.Dense(self.latents)))
        return encoder, nn.Sequential((hidden, nn.swish, nn.Dense(numbers, kernel_init=small)))


@pytree
class LatentPath(Process):
    """A path for each latent z of a datum: a set, as an array of zeros and ones.

    The bound on ``-log p(x)`` is that of the path given z, for z drawn from ``q(z | x)``, plus
    ``KL(q(z | x) || p(z))``. Under the prior all sets are equally probable. Gamma sees the datum
    only through z.

    Attributes:
      path: the path whose numbers z changes.
      encoder_params: of the network from a datum to the logits of z.
      map_params: of the network from z to the changes.
      networks: both networks.
      ones: number of elements in z.
    """

    path: PixelGammaPath
    encoder_params: Any
    map_params: Any
    networks: tuple[nn.Module, nn.Module] = struct.field(pytree_node=False)
    ones: int = struct.field(pytree_node=False)

    def encode(self, x0: Float[Array, "*D"], key: Array) -> tuple[Float[Array, " n"], Scalar]:
        """Draw z for a point of the model's space, and return its KL from the prior in nats.

        The KL is exact where there are few sets, and otherwise that of the draw.
        """
        logits: Any = self.networks[0].apply({"params": self.encoder_params}, x0.reshape(-1))
        z = draw_set(logits, self.ones, key)
        if math.comb(len(logits), self.ones) <= _MOST_SETS:
            return z, kl_of_sets(logits, self.ones)
        return z, kl_of_draw(logits, self.ones, z)

    def draw(self, key: Array) -> Float[Array, " n"]:
        """Draw z from the prior."""
        n = self.networks[0].layers[-1].features  # pyright: ignore[reportAttributeAccessIssue]
        return draw_set(jnp.zeros(n), self.ones, key)

    def given(self, z: Float[Array, " n"]) -> PixelGammaPath:
        """Return the path of a latent."""
        changes: Any = self.networks[1].apply({"params": self.map_params}, z)
        shape = self.path.inside["a"].shape
        changed = dict(zip("abc", changes.reshape(3, *shape), strict=True))
        inside = jax.tree.map(jnp.add, self.path.inside, changed)
        return dataclasses.replace(self.path, inside=inside)

    def metrics(self) -> dict[str, Scalar]:
        return {}


def draw_set(logits: Float[Array, " n"], ones: int, key: Array) -> Float[Array, " n"]:
    """Draw a set of elements without replacement, as zeros and ones (Gumbel top-k).

    Elements are drawn one after the other in proportion to ``exp(logits)`` (Plackett-Luce; Kool et
    al. 2019, arXiv:1903.06059). The gradient is that of a relaxed set: a sum of softmaxes, each
    without what was drawn before (Xie & Ermon 2019, arXiv:1901.10517). It is biased.
    """
    scores = logits + jax.random.gumbel(key, logits.shape)
    hard = jnp.zeros_like(logits).at[jax.lax.top_k(scores, ones)[1]].set(1.0)
    relaxed, left = jnp.zeros_like(logits), scores / _TEMPERATURE
    for _ in range(ones):
        share = jax.nn.softmax(left)
        relaxed += share
        left += jnp.log(jnp.maximum(1 - share, 1e-6)) / _TEMPERATURE
    return relaxed + jax.lax.stop_gradient(hard - relaxed)


def log_prob_of_set(logits: Float[Array, " n"], z: Float[Array, " n"]) -> Scalar:
    """Return the log probability that `draw_set` returns z, over all orders of its elements.

    It is the probability that all elements of z have a larger Gumbel score than all others:
    ``int_0^1 prod_{i in z} (1 - u^{w_i}) du`` with ``w_i = exp(logit_i) / sum_{j not in z}
    exp(logit_j)`` (Kool et al. 2020, arXiv:2002.06043, appendix B). The integral over ``log u/(1 -
    u)`` is a sum of even steps, whose error is far below float32's.
    """
    odds = np.arange(-25.0, 30.0, 0.25)
    log_u, log_rest = -np.logaddexp(0, -odds), -np.logaddexp(0, odds)
    log_w = logits - jax.nn.logsumexp(jnp.where(z > 0.5, -jnp.inf, logits))
    each = jnp.log(-jnp.expm1(jnp.exp(log_w)[:, None] * jnp.asarray(log_u, jnp.float32)))
    inside = jnp.sum(jnp.where(z[:, None] > 0.5, each, 0.0), axis=0)
    return jax.nn.logsumexp(inside + jnp.asarray(log_u + log_rest + math.log(0.25), jnp.float32))


def kl_of_draw(logits: Float[Array, " n"], ones: int, z: Float[Array, " n"]) -> Scalar:
    """Return ``log q(z) - log p(z)`` at a draw z in nats, with equally probable sets under p.

    Its mean is `kl_of_sets`. So is that of its gradient, which is ``(log q - log p) grad log q``.
    """
    log_q = log_prob_of_set(logits, jax.lax.stop_gradient(z))
    ratio = jax.lax.stop_gradient(log_q) + math.log(math.comb(len(logits), ones))
    return ratio + ratio * (log_q - jax.lax.stop_gradient(log_q))


def kl_of_sets(logits: Float[Array, " n"], ones: int) -> Scalar:
    """Return the KL in nats of the sets of `draw_set` from equally probable sets, by enumeration.

    It is the KL of the set, not of one element of it, which would be less.
    """
    members = np.array(list(itertools.combinations(range(len(logits)), ones)))
    if math.factorial(ones) <= _MOST_ORDERS:  # the sum over orders costs far less than the integral
        orders = members[:, list(itertools.permutations(range(ones)))]
        log_q = jax.nn.logsumexp(log_prob_of_orders(logits, orders), axis=1)
    else:
        sets = np.zeros((len(members), len(logits)), np.float32)
        np.put_along_axis(sets, members, 1.0, axis=1)
        log_q = jax.vmap(log_prob_of_set, (None, 0))(logits, jnp.asarray(sets))
    return jnp.sum(jnp.exp(log_q) * log_q) + math.log(len(members))


def log_prob_of_orders(
    logits: Float[Array, " n"], orders: Int[np.ndarray, "*batch ones"]
) -> Float[Array, "*batch"]:
    """Return the log probability that elements are drawn in these orders (Plackett-Luce)."""
    total, left = (
        jnp.zeros(orders.shape[:-1]),
        jnp.broadcast_to(logits, (*orders.shape[:-1], len(logits))),
    )
    for drawn in np.moveaxis(orders, -1, 0):
        total += logits[drawn] - jax.nn.logsumexp(left, axis=-1)
        left = jnp.where(np.arange(len(logits)) == drawn[..., None], -jnp.inf, left)
    return total
