"""Measure the cost of a step of each objective and the variance of its gradient, by dimension.

python benchmarks/objectives.py [--dims=2,64,768] [--blocks=5] [--draws=1024] [--json=FILE]

The data are draws of a mixture of four Gaussians in d dimensions, whose score is known. The network
is an MLP after a short training by denoising, the same for all objectives. A step computes the
value and the gradient of the mean loss of 64 examples, with times uniform in log rho and the
likelihood weighting. The objectives take turns, block by block, and ratios compare times of the
same block.

The variance is that of one example's gradient, summed over parameters. A batch of n has 1/n of it.
The noise is its square root divided by the norm of the mean gradient of explicit score matching.
"""

import math
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from benchmarks.common import read_flags, save, seconds_of, show
from gradlog.distributions import GaussianMixture
from gradlog.losses import (
    INTEGRANDS,
    ExplicitScoreMatching,
    Integrand,
    Likelihood,
    ScoreMatching,
    UniformLogRho,
)
from gradlog.models import NOISE_LABELS, DiffusionModel, Preconditioned
from gradlog.sde_lib import VP
from gradlog.theory.gradients import GradientMeter, GradientMoments

BATCH, MODES, STD, EPS = 64, 4, 0.5, 1e-3
TRAINED = 50  # steps of training before gradients are measured
# Exact traces cost d products. Above so many dimensions, take fewer blocks, draws and chunks.
EXPENSIVE_DIMS, EXPENSIVE_BLOCKS, EXPENSIVE_DRAWS, EXPENSIVE_CHUNK = 256, 2, 64, 8
CHUNK = 32  # gradients at once


def mixture(dims: int) -> GaussianMixture:
    """Return equal modes at distance 2 from the origin, which overlap at large noise."""
    directions = jax.random.normal(jax.random.key(0), (MODES, dims))
    means = 2 * directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    return GaussianMixture(jnp.full(MODES, 1 / MODES), means, jnp.full(MODES, STD))


class PlainMLP(nn.Module):
    """An MLP without normalization.

    With normalization the Jacobian grows without bound where all inputs vanish. In the plane that
    effect would dominate the measurement.
    """

    hidden: int = 256
    num_layers: int = 3

    @nn.compact
    def __call__(self, x, label, *, train: bool):
        del train
        h = jnp.append(x.reshape(-1), label)
        for _ in range(self.num_layers):
            h = nn.swish(nn.Dense(self.hidden)(h))
        return nn.Dense(x.size)(h).reshape(x.shape)


class Bench:
    """The losses of all objectives on one mixture: ``(params, key)``, for one example each."""

    def __init__(self, dims: int):
        self.oracle = mixture(dims)
        spread = float(jnp.sqrt(jnp.mean(self.oracle.means**2) + STD**2))
        self._model = DiffusionModel(
            VP(), PlainMLP(), Preconditioned(spread), NOISE_LABELS["log_rho"]()
        )
        self.losses = {name: self._make_loss(member) for name, member in INTEGRANDS.items()}
        self.params = self._train(self._model.init(jax.random.key(1), (dims,)))

    def _make_loss(self, member: type):
        needs_law = member is ExplicitScoreMatching
        integrand: Integrand = member(self.oracle) if needs_law else member()
        objective = ScoreMatching(integrand, Likelihood(), UniformLogRho(), EPS)

        def one(params, key):
            data_key, time_key, loss_key = jax.random.split(key, 3)
            x0, u = self.oracle.sample(data_key), jax.random.uniform(time_key)
            return objective.at_point(self._model.bind(params), x0, u, loss_key)

        return one

    def is_expensive(self, name: str) -> bool:
        """Return whether one step of an objective takes seconds."""
        return name == "ism" and self.oracle.shape[0] > EXPENSIVE_DIMS

    def step(self, name: str):
        """Return the compiled value and gradient of a batch's mean."""

        def mean(params, key):
            keys = jax.random.split(key, BATCH)
            return jnp.mean(jax.vmap(self.losses[name], (None, 0))(params, keys))

        return jax.jit(jax.value_and_grad(mean))

    def _train(self, params: Any) -> Any:
        """Return parameters after TRAINED steps of Adam: neither random nor fully trained."""
        optimizer, step = optax.adam(1e-3), self.step("dsm")
        state = optimizer.init(params)
        update = jax.jit(optimizer.update)
        for key in jax.random.split(jax.random.key(2), TRAINED):
            _, grads = step(params, key)
            updates, state = update(grads, state)
            params = optax.apply_updates(params, updates)
        return params

    def moments(self, name: str, draws: int, chunk: int) -> GradientMoments:
        """Return moments of the gradient of one example, at the trained parameters."""
        keys = jax.random.split(jax.random.key(3), draws)
        return GradientMeter(self.losses[name], chunk)(self.params, keys)


def measure_steps(bench: Bench, blocks: int) -> dict[str, list[float]]:
    """Return seconds per step of each objective in every block; the objectives take turns."""
    key = jax.random.key(4)
    steps = {name: partial(bench.step(name), bench.params, key) for name in bench.losses}
    counts = {}
    for name, step in steps.items():
        seconds_of(step)  # it compiles
        # A block of each is to take about 0.3 seconds, and at least one step.
        counts[name] = max(1, round(0.3 / seconds_of(step)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for block in range(blocks):
        for name, step in steps.items():
            if not bench.is_expensive(name) or block < EXPENSIVE_BLOCKS:
                each = [seconds_of(step) for _ in range(counts[name])]
                seconds[name].append(statistics.mean(each))
    return seconds


def measure(dims: int, blocks: int, draws: int) -> list[dict]:
    """Return a row for each objective: the cost of its step, the variance of its gradient."""
    bench = Bench(dims)
    seconds = measure_steps(bench, blocks)
    moments = {}
    for name in bench.losses:
        size = (EXPENSIVE_DRAWS, EXPENSIVE_CHUNK) if bench.is_expensive(name) else (draws, CHUNK)
        moments[name] = bench.moments(name, *size)
    explicit = moments["esm"]
    return [
        {
            "dims": dims,
            "objective": name,
            "milliseconds": 1e3 * statistics.median(times),
            "over_dsm": statistics.median(
                a / b for a, b in zip(times, seconds["dsm"], strict=False)
            ),
            "noise": found.total_variance**0.5 / explicit.mean_norm,
            "variance_over_esm": found.total_variance / explicit.total_variance,
            "variance_over_esm_error": _ratio_error(found, explicit),
            "draws": found.draws,
        }
        for (name, times), found in zip(seconds.items(), moments.values(), strict=True)
    ]


def _ratio_error(found: GradientMoments, explicit: GradientMoments) -> float:
    relative = [each.standard_error / each.total_variance for each in (found, explicit)]
    own = 0.0 if found is explicit else math.hypot(*relative)
    return own * found.total_variance / explicit.total_variance


def main() -> None:
    # The number of draws of a gradient is even.
    flags = read_flags(__doc__ or "", dims=(2, 64, 768), blocks=5, draws=1024)
    columns = {
        "d": "{dims}",
        "objective": "{objective}",
        "ms": "{milliseconds:.2f}",
        "/ dsm": "{over_dsm:.2f}",
        "noise": "{noise:.1f}",
        "variance / esm": "{variance_over_esm:.2f} ± {variance_over_esm_error:.2f}",
        "draws": "{draws}",
    }
    rows = []
    for dims in flags.dims:
        found = measure(dims, flags.blocks, flags.draws)
        show(f"step of {BATCH} examples, {jax.devices()[0].device_kind}", columns, found)
        rows += found
    save(flags.json, {"batch_size": BATCH, "rows": rows})


if __name__ == "__main__":
    main()
