"""The divergence at the nodes of a multistep path, with a number of products planned for each.

The variance of a random trace is concentrated in a few noise levels, and differs from model to
model. So a pilot measures it once for each model, on a few of its own samples, and the products go
where they reduce the variance most.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from gradlog.likelihood.base import LogProb, PerExample, PriorLogProb
from gradlog.likelihood.divergences.coloring import regular_partition
from gradlog.likelihood.ode import path_parts
from gradlog.likelihood.parts import DIVERGENCE, EPS
from gradlog.likelihood.quadrature import change_by_corrections, every_other, gregory
from gradlog.likelihood.start import AS_SAMPLE, Start
from gradlog.models import BoundModel
from gradlog.ode import ExponentialMultistep, LogRhoFlow
from gradlog.ode.node_traces import node_variances, variance_of_integral

Product = Callable[[Float[Array, "*D"]], Float[Array, "*D"]]

GOALS = ("image", "mean")

_MOST_COLORS = 16  # for each channel
_MOST_EXACT, _EXACT_AT_ONCE = 256, 128  # dimensions of an exact trace, and its products at once
_EXACT_SHARE = 0.5  # of its products: many at once take less time than as many one by one
_WORD = 32
_PILOT = 593159  # the address of its keys, which no estimate has
_PILOT_SAMPLES, _PILOT_PRODUCTS = 8, 16  # the second is at once, for each sample
_LEAST_INTERVALS = 10
_SAME = 1e-4  # of the largest entry; float32 leaves less in a Jacobian that is the same everywhere


class Pilot(NamedTuple):
    """Variances of random traces, as a few samples of a model show them.

    Attributes:
      variances: in nats^2, what each node adds for each number of colors.
      same: whether all samples have the same Jacobian at each node.
    """

    variances: Float[Array, "nodes counts"]
    same: Bool[Array, ""]


@dataclass(frozen=True)
class Planned(PerExample):
    """``log p_eps(x) = log prior(x_T) + volume + int div``, with colors planned node by node.

    `ExponentialMultistep` goes through ``intervals`` + 1 nodes, even in log rho, by one evaluation
    a node. There the trace of the Jacobian is estimated as by `Probing`, with random signs on one
    regular color of the dimensions at a time, by products with the Jacobian at that evaluation.
    Every node has its own number of colors and its own signs. Each product also gives the diagonal
    of its color, whose differences from node to node give the standard error. For fixed numbers of
    colors the estimate is unbiased but for the discretization. As many colors as dimensions make
    the trace exact. ``discretization`` and ``refine`` are those of `Quadrature`.

    Without ``node_colors`` every node has one. ``plan`` returns better numbers for a model.

    Attributes:
      order: of the multistep method.
      target: the standard error in bits/dim that ``plan`` aims at.
      target_of: what has that error: a single 'image', or the 'mean' over ``examples`` images.
      examples: the number of images of the mean.
      node_colors: the number of colors at each node, among `color_counts`; numbers for fewer or
        more nodes are stretched. None at all is an exact trace at every node.

    Raises:
      ValueError: ``intervals`` is odd or below 10, or ``target_of`` is unknown.
    """

    eps: float
    intervals: int = 24
    order: int = 4
    tolerance: float = 0.01
    target: float = 0.02
    target_of: str = "image"
    examples: int = 1
    start: Start = AS_SAMPLE
    prior_log_prob: PriorLogProb | None = None
    node_colors: Int[Array, " nodes"] | None = None

    def __post_init__(self):
        if self.intervals % 2 or self.intervals < _LEAST_INTERVALS:
            raise ValueError(
                f"intervals = {self.intervals} must be even and at least {_LEAST_INTERVALS}"
            )
        if self.target_of not in GOALS:
            raise ValueError(f"target_of = {self.target_of!r} is unknown; choose one of {GOALS}")

    def tightened(self) -> "Planned":
        """Return the same estimator with twice the nodes."""
        return replace(self, intervals=2 * self.intervals)

    # --- the estimate -------------------------------------------------------------------------

    def one(self, model: BoundModel, x: Float[Array, "*D"], key: jax.Array) -> LogProb:
        process, flow = model.process, LogRhoFlow()
        start_key, probe_key = jax.random.split(key)
        x_eps, step = self.start(model, x, self.eps, start_key)
        grid, weights = self._grid_and_weights(model)
        colors = self._colors_of_nodes(x.size)
        bits = random_bits(probe_key, len(grid), x.shape)

        def observe(node, state):
            velocity, product = jax.linearize(lambda y: flow.velocity(model, grid[node], y), state)
            if self._is_exact:
                return velocity, exact_diagonal(product, x.shape)
            signs = signs_of(bits[node], x.shape)
            return velocity, colored_diagonal(product, signs, colors[node])

        path = ExponentialMultistep(self.order).path(
            lambda s, y: flow.velocity(model, s, y),
            flow.state(process, x_eps, self.eps),
            grid,
            observe,
        )
        traces = jnp.sum(path.observed, axis=range(1, path.observed.ndim))
        exact = True if self._is_exact else colors >= x.size
        variance, freedom = variance_of_integral(path.observed, grid, weights, exact)
        latent = flow.data(process, path.state[-1], process.t_max)
        change = change_by_corrections(path, grid)
        return LogProb(
            parts=path_parts(process, flow, self.eps, latent, self.prior_log_prob)
            | {DIVERGENCE: jnp.vdot(weights, traces), EPS: step},
            errors={"probes": jnp.sqrt(variance)},
            discretization=jnp.vdot(weights - every_other(weights), traces) + change,
            latent=latent,
            nfe=path.nfe + self.start.nfe,
            jvps=jnp.sum(colors),
            ok=path.ok,
            freedom=freedom,
            refine=~(jnp.abs(change) <= self.tolerance * x.size * math.log(2)),
        )

    def _grid_and_weights(self, model: BoundModel) -> tuple[Float[Array, " nodes"], ...]:
        low, high = (model.process.log_rho(t) for t in (self.eps, model.process.t_max))
        return jnp.linspace(low, high, self.intervals + 1), (high - low) * gregory(self.intervals)

    @property
    def _is_exact(self) -> bool:
        return self.node_colors is not None and not len(self.node_colors)

    def _colors_of_nodes(self, dims: int) -> Int[Array, " nodes"]:
        if self.node_colors is None or self._is_exact:
            return jnp.full(self.intervals + 1, dims if self._is_exact else 1)
        nearest = np.rint(np.linspace(0, len(self.node_colors) - 1, self.intervals + 1)).astype(int)
        return jnp.asarray(self.node_colors)[nearest]

    # --- the plan -----------------------------------------------------------------------------

    def measure(self, model: BoundModel, shape: tuple[int, ...]) -> Pilot:
        """Return what a few samples of the model say about random traces.

        The variance is the median over the samples, with keys that no estimate has: one sample in
        sixteen can have several times the variance of the others. They are drawn along the same
        nodes, by steps of DDIM, since the variance need not be exact. Equal Jacobians are found by
        one further product, with the same vector for all samples.
        """
        process, flow = model.process, LogRhoFlow()
        grid, weights = self._grid_and_weights(model)
        dims, tiles = math.prod(shape), colorings(shape)
        counts = tuple(count for count in color_counts(shape) if count < dims) or (1,)
        choices = np.repeat(np.arange(len(counts)), counts)
        colors = np.concatenate([np.arange(count) for count in counts])

        def at_node(y, row):
            s, step, bits = row
            velocity, product = jax.linearize(lambda y: flow.velocity(model, s, y), y)
            signs = signs_of(bits, shape)

            def diagonal(choice_and_color):
                choice, color = choice_and_color
                v = jnp.where(tiles[choice] == color, signs, 0)
                return v * product(v)

            found = jax.lax.map(diagonal, (choices, colors), batch_size=_PILOT_PRODUCTS)
            denoised = y - velocity
            moved = denoised + jnp.exp(step) * (y - denoised)
            diagonals = jax.ops.segment_sum(found, choices, len(counts))
            return moved, (diagonals, product(jnp.ones(shape)))

        def of_sample(key):
            prior_key, probe_key = jax.random.split(key)
            z = process.prior_sample(prior_key, shape)
            steps = jnp.full(len(grid), grid[0] - grid[1])
            rows = grid[::-1], steps, random_bits(probe_key, len(grid), shape)
            start = flow.state(process, z, process.t_max)
            _, (diagonals, products) = jax.lax.scan(at_node, start, rows)
            return jax.vmap(node_variances, (1, None), 1)(diagonals[::-1], grid), products

        pilot_key = jax.random.fold_in(jax.random.key(0), _PILOT)
        of_each, products = jax.vmap(of_sample)(jax.random.split(pilot_key, _PILOT_SAMPLES))
        variances = weights[:, None] ** 2 * jnp.median(of_each, axis=0)
        exact = jnp.zeros((len(grid), len(color_counts(shape)) - len(counts)))
        distance = jnp.max(jnp.abs(products - products[0]))
        return Pilot(
            jnp.concatenate([variances, exact], axis=1),
            distance <= _SAME * jnp.max(jnp.abs(products)),
        )

    def cost_of_pilot(self, shape: tuple[int, ...]) -> dict[str, int]:
        """Return what ``measure`` evaluates, under the names of `LogProb`: 'nfe' and 'jvps'."""
        evaluations = _PILOT_SAMPLES * (self.intervals + 1)
        measured = (count for count in color_counts(shape) if count < math.prod(shape))
        return {"nfe": evaluations, "jvps": evaluations * (max(sum(measured), 1) + 1)}

    def plan(self, pilot: Pilot, shape: tuple[int, ...]) -> Int[np.ndarray, " nodes"]:
        """Return ``node_colors`` that reach the target by few products, for what a pilot measured.

        They are added one node after the other, where they reduce the variance most for each
        product, until the target is met or no node can have more. Up to 256 dimensions there are
        two reasons for an exact trace at every node, which is an empty array: it has at most twice
        as many products; or the Jacobian is the same at all samples, as for Gaussian data, so that
        a batch has its trace for the price of one image.
        """
        variances, dims = np.asarray(pilot.variances), math.prod(shape)
        nats = self.target * dims * math.log(2)
        allowed = nats**2 * (self.examples if self.target_of == "mean" else 1)
        nodes, counts = np.arange(len(variances)), np.asarray(color_counts(shape), np.int32)
        choices = np.zeros(len(variances), int)
        while np.sum(variances[nodes, choices]) > allowed:
            gain = variances[nodes, choices][:, None] - variances
            price = counts - counts[choices][:, None]
            rate = np.where(price > 0, gain / np.maximum(price, 1), 0)
            node, choice = np.unravel_index(np.argmax(rate), rate.shape)
            if rate[node, choice] <= 0:
                break
            choices[node] = choice
        colors = counts[choices]
        few = colors.sum() >= _EXACT_SHARE * dims * len(colors)
        return colors[:0] if dims <= _MOST_EXACT and (few or pilot.same) else colors


def color_counts(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of colors that a node may have.

    They are 1, and ``C 2^k`` up to ``16 C`` for images of C channels, else ``2^k`` up to 16, as far
    as there are dimensions; and the number of dimensions, which makes the trace exact, unless it is
    above 256.
    """
    dims, channels = math.prod(shape), shape[-1] if len(shape) == 3 else 1
    powers = (channels << k for k in range(_MOST_COLORS.bit_length()))
    exact = {dims} if dims <= _MOST_EXACT else set()
    return tuple(sorted({1, *(min(count, dims) for count in powers)} | exact))


def colorings(shape: tuple[int, ...]) -> Int[Array, "counts *D"]:
    """Return the color of each dimension, for each entry of `color_counts`."""
    return jnp.asarray(np.stack([regular_partition(shape, n) for n in color_counts(shape)]))


def colored_diagonal(product: Product, signs: Float[Array, "*D"], count: Int[Array, ""]):
    """Return ``v * (J v)``, an estimate of the diagonal of J, summed over the v of each color.

    Args:
      product: returns ``J v``.
      signs: random signs; each v is equal to them on its color, and zero elsewhere.
      count: the number of colors, among `color_counts`.
    """
    counts = jnp.asarray(color_counts(signs.shape))
    own = colorings(signs.shape)[jnp.searchsorted(counts, count)]

    def add(color, diagonal):
        v = jnp.where(own == color, signs, 0)
        return diagonal + v * product(v)

    return jax.lax.fori_loop(0, count, add, jnp.zeros(signs.shape))


def exact_diagonal(product: Product, shape: tuple[int, ...]) -> Float[Array, "*D"]:
    """Return the diagonal of J, by a product for each dimension, some at once."""
    dims = math.prod(shape)

    def entry(i):
        v = jax.nn.one_hot(i, dims).reshape(shape)
        return jnp.vdot(v, product(v))

    return jax.lax.map(entry, jnp.arange(dims), batch_size=_EXACT_AT_ONCE).reshape(shape)


def random_bits(key: jax.Array, nodes: int, shape: tuple[int, ...]) -> UInt32[Array, "nodes words"]:
    """Draw one bit for each node and dimension, at once: random numbers cost more than products."""
    return jax.random.bits(key, (nodes, -(-math.prod(shape) // _WORD)), jnp.uint32)


def signs_of(bits: UInt32[Array, " words"], shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Return the signs of a node, one for each dimension."""
    single = (bits[:, None] >> jnp.arange(_WORD, dtype=jnp.uint32)) & 1
    return 1 - 2 * single.ravel()[: math.prod(shape)].reshape(shape).astype(jnp.float32)
