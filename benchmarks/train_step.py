"""Compare the training step with a bare one: forward, backward and Adam of the same network.

python benchmarks/train_step.py [--config=FILE] [--against=FILE] [--steps=N] [--json=FILE]

Both run on the same data in one process, in turn, block by block. The bare step is one jitted
function without clipping and averages: network, mean square, gradient and Adam for a fixed noised
batch. The framework's step adds what training needs: reading the batch, dequantization, times,
noise, clipping, the moving average, and the mean over devices. The script prints the median of each
over blocks, and the median ratio. ``--against`` takes the training step of another configuration in
place of the bare one, such as that of a learned process against a fixed one.
"""

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from gradlog.data import BatchStream
from gradlog.evaluation.score_training import initial_state, parallel_step
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
from gradlog.storage import write_json


def load_experiment(file: str) -> Experiment:
    """Return the experiment of a configuration, with its data."""
    config = load_config(file)
    return build(config, load_dataset(config))


def framework_step(experiment: Experiment, batch_size: int):
    """Return ``run(n)``, which reads batches and does the next n steps of training."""
    mapped = parallel_step(experiment)
    stream = BatchStream(experiment.dataset.train, batch_size, 0)
    state = mapped.place(initial_state(experiment))
    position = 0

    def run(steps: int) -> None:
        nonlocal state, position
        for _ in range(steps):
            position += 1
            state, _ = mapped(state, stream[position - 1], position)
        jax.block_until_ready(state)

    return run


def bare_step(experiment: Experiment, batch_size: int):
    """Return ``run(n)``: n steps of forward, backward and Adam on one noised batch."""
    network, shape = experiment.model.network, experiment.dataset.shape
    x = jax.random.normal(jax.random.key(1), (batch_size, *shape))
    label = jnp.linspace(-1.0, 1.0, batch_size)
    init = jax.jit(experiment.model.init, static_argnums=1)
    params = init(experiment.streams["init"], shape)["network"]
    optimizer = optax.adam(1e-4)
    state = (params, optimizer.init(params))

    def loss(params, key):
        keys = jax.random.split(key, batch_size)

        def apply(x, label, key) -> Any:
            return network.apply({"params": params}, x, label, train=True, rngs={"dropout": key})

        return jnp.mean((jax.vmap(apply)(x, label, keys) - x) ** 2)

    @partial(jax.jit, donate_argnums=(0,))
    def step(state, key):
        params, opt_state = state
        grads = jax.grad(loss)(params, key)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state

    key = jax.random.key(0)

    def run(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state = step(state, key)
        jax.block_until_ready(state)

    return run


def measure(runs: dict, steps: int, blocks: int) -> dict[str, list[float]]:
    """Return seconds per step of each in every block; the runs take turns."""
    for run in runs.values():
        run(3)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(blocks):
        for name, run in runs.items():
            started = time.perf_counter()
            run(steps)
            seconds[name].append((time.perf_counter() - started) / steps)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/digits.py")
    parser.add_argument("--against", help="a config whose step replaces the bare one")
    parser.add_argument("--steps", type=int, default=40, help="steps in a block")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    if jax.device_count() > 1:
        parser.error("the bare step runs on one device: make one visible, not more")
    experiment = load_experiment(arguments.config)
    batch_size = experiment.training.batch_size
    if arguments.against:
        other = load_experiment(arguments.against)
        if other.training.batch_size != batch_size:
            parser.error("--against must have the batch size of --config")
        reference, step = arguments.against, framework_step(other, batch_size)
    else:
        reference, step = "bare", bare_step(experiment, batch_size)
    runs = {reference: step, "framework": framework_step(experiment, batch_size)}
    seconds = measure(runs, arguments.steps, arguments.blocks)
    ratios = np.array(seconds["framework"]) / np.array(seconds[reference])
    rows = [
        {
            "step": name,
            "milliseconds": 1e3 * statistics.median(times),
            "images_per_second": batch_size / statistics.median(times),
        }
        for name, times in seconds.items()
    ]
    report = {
        "config": arguments.config,
        "reference": reference,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "batch_size": batch_size,
        "rows": rows,
        "ratio": float(np.median(ratios)),
        "ratio_range": [float(ratios.min()), float(ratios.max())],
    }
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


def show(report: dict) -> None:
    """Print the table."""
    table = Table(title=f"{report['config']}, batch {report['batch_size']}, {report['device']}")
    for name in ("step", "ms", "images/s"):
        table.add_column(name, justify="right")
    for row in report["rows"]:
        table.add_row(row["step"], f"{row['milliseconds']:.2f}", f"{row['images_per_second']:.0f}")
    console = Console()
    console.print(table)
    ratio, (low, high) = report["ratio"], report["ratio_range"]
    console.print(
        f"ratio framework / {report['reference']}: {ratio:.3f} (blocks {low:.3f} .. {high:.3f})"
    )


if __name__ == "__main__":
    main()
