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
from gradlog.storage import write_json
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
            if bench.is_expensive(name) and block >= EXPENSIVE_BLOCKS:
                continue
            started = time.perf_counter()
            for _ in range(counts[name]):
                jax.block_until_ready(step(bench.params, key))
            seconds[name].append((time.perf_counter() - started) / counts[name])
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
    """Print the table."""
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
