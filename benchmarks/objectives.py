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

import argparse
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.table import Table

from gradlog.distributions import Distribution, GaussianMixture
from gradlog.losses import (
    OBJECTIVES,
    ExplicitScoreMatching,
    Likelihood,
    Objective,
    ScoreMatchingLoss,
    UniformLogRho,
)
from gradlog.models import LABELS, Preconditioned, ScoreModel
from gradlog.sde_lib import VP
from gradlog.storage import write_json
from gradlog.theory.gradients import GradientMoments, gradient_moments

BATCH, MODES, STD, EPS = 64, 4, 0.5, 1e-3
TRAINED = 50  # steps of training before gradients are measured
# Exact traces cost d products: above so many, fewer blocks, and fewer draws of fewer at once.
DEAR_DIMS, DEAR_BLOCKS, DEAR_DRAWS, DEAR_CHUNK = 256, 2, 64, 8
CHUNK = 32  # gradients at once


def mixture(dims: int) -> GaussianMixture:
    """Equal modes at distance 2 from the origin: apart, and overlapping from some noise on."""
    directions = jax.random.normal(jax.random.key(0), (MODES, dims))
    means = 2 * directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    return GaussianMixture(jnp.full(MODES, 1 / MODES), means, jnp.full(MODES, STD))


class PlainMLP(nn.Module):
    """Without normalization, under which the Jacobian grows without bound where all inputs vanish.

    In the plane that alone would be most of what is measured.
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
    """The losses of all objectives on one mixture, of one example each: ``(params, key)``."""

    def __init__(self, dims: int):
        self.oracle = mixture(dims)
        spread = float(jnp.sqrt(jnp.mean(self.oracle.means**2) + STD**2))
        self._model = ScoreModel(PlainMLP(), Preconditioned(spread), LABELS["log_rho"]())
        self.losses = {
            name: self._loss(_make(OBJECTIVES[name], self.oracle)) for name in OBJECTIVES
        }
        self.params = self._trained(self._model.init(jax.random.key(1), (dims,)))

    def _loss(self, objective: Objective):
        loss = ScoreMatchingLoss(VP(), self._model, objective, Likelihood(), UniformLogRho(), EPS)

        def one(params, key):
            data_key, time_key, loss_key = jax.random.split(key, 3)
            x0, u = self.oracle.sample(data_key), jax.random.uniform(time_key)
            return loss(params, x0, u, loss_key, train=False)

        return one

    def is_dear(self, name: str) -> bool:
        """Whether one step of it takes seconds."""
        return name == "ism" and self.oracle.shape[0] > DEAR_DIMS

    def step(self, name: str):
        """The compiled value and gradient of a batch's mean."""

        def mean(params, key):
            keys = jax.random.split(key, BATCH)
            return jnp.mean(jax.vmap(self.losses[name], (None, 0))(params, keys))

        return jax.jit(jax.value_and_grad(mean))

    def _trained(self, params: Any) -> Any:
        """After TRAINED steps of Adam: neither where all is wrong nor where nothing is left."""
        optimizer, step = optax.adam(1e-3), self.step("dsm")
        state = optimizer.init(params)
        update = jax.jit(optimizer.update)
        for key in jax.random.split(jax.random.key(2), TRAINED):
            _, grads = step(params, key)
            updates, state = update(grads, state)
            params = optax.apply_updates(params, updates)
        return params

    def moments(self, name: str, draws: int, chunk: int) -> GradientMoments:
        """Of the gradient of one example, at the trained parameters."""
        keys = jax.random.split(jax.random.key(3), draws)
        return gradient_moments(self.losses[name], self.params, keys, chunk=chunk)


def _make(member: type, oracle: Distribution) -> Objective:
    return member(oracle) if member is ExplicitScoreMatching else member()


def measure_steps(bench: Bench, blocks: int) -> dict[str, list[float]]:
    """Seconds per step of each objective in every block, the objectives in turn."""
    key, steps = jax.random.key(4), {name: bench.step(name) for name in bench.losses}
    counts = {}
    for name, step in steps.items():
        jax.block_until_ready(step(bench.params, key))
        started = time.perf_counter()
        jax.block_until_ready(step(bench.params, key))
        # A block of each is to take about 0.3 seconds, and at least one step.
        counts[name] = max(1, round(0.3 / (time.perf_counter() - started)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for block in range(blocks):
        for name, step in steps.items():
            if bench.is_dear(name) and block >= DEAR_BLOCKS:
                continue
            started = time.perf_counter()
            for _ in range(counts[name]):
                jax.block_until_ready(step(bench.params, key))
            seconds[name].append((time.perf_counter() - started) / counts[name])
    return seconds


def measure(dims: int, blocks: int, draws: int) -> list[dict]:
    """A row for each objective: the cost of its step, the variance of its gradient."""
    bench = Bench(dims)
    seconds = measure_steps(bench, blocks)
    moments = {}
    for name in bench.losses:
        size = (DEAR_DRAWS, DEAR_CHUNK) if bench.is_dear(name) else (draws, CHUNK)
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", default="2,64,768", help="of the data, a list with commas")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--draws", type=int, default=1024, help="of gradients, even")
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()
    dims = [int(word) for word in arguments.dims.split(",")]
    rows = []
    for d in dims:
        found = measure(d, arguments.blocks, arguments.draws)
        show(found)
        rows += found
    if arguments.json:
        report = {"device": jax.devices()[0].device_kind, "batch_size": BATCH, "rows": rows}
        write_json(Path(arguments.json), report)


def show(rows: list[dict]) -> None:
    """The table."""
    table = Table(title=f"step of {BATCH} examples, {jax.devices()[0].device_kind}")
    for name in ("d", "objective", "ms", "/ dsm", "noise", "variance / esm", "draws"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row["dims"]),
            row["objective"],
            f"{row['milliseconds']:.2f}",
            f"{row['over_dsm']:.2f}",
            f"{row['noise']:.1f}",
            f"{row['variance_over_esm']:.2f} +- {row['variance_over_esm_error']:.2f}",
            str(row["draws"]),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
