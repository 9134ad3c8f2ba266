"""Compare the training step with a bare one: forward, backward and Adam of the same network.

python benchmarks/train_step.py [--config=FILE ...] [--against=FILE] [--steps=N] [--json=FILE]

All run on the same data in one process, in turn, block by block. The bare step is one jitted
function without clipping and averages: network, mean square, gradient and Adam for a fixed noised
batch. The framework's step adds what training needs: reading the batch, dequantization, times,
noise, clipping, the moving average, and the mean over devices. The script prints the median of each
over blocks, and the median ratio, in time and in CPU time, which other processes change less.
``--against`` takes the training step of another configuration in place of the bare one, such as
that of a fixed process against those of learned ones.
"""

import argparse
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


def measure(runs: dict, steps: int, blocks: int) -> dict[str, np.ndarray]:
    """Return time and CPU time of a step of each in every block, in seconds; they take turns."""
    for run in runs.values():
        run(3)
    found = {name: np.empty((blocks, 2)) for name in runs}
    for block in range(blocks):
        for name, run in runs.items():
            started = np.array([time.perf_counter(), time.process_time()])
            run(steps)
            ended = np.array([time.perf_counter(), time.process_time()])
            found[name][block] = (ended - started) / steps
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=["configs/digits.py"], nargs="+")
    parser.add_argument("--against", help="a config whose step replaces the bare one")
    parser.add_argument("--steps", type=int, default=40, help="steps in a block")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    if jax.device_count() > 1:
        parser.error("the bare step runs on one device: make one visible, not more")
    experiments = {file: load_experiment(file) for file in arguments.config}
    first = next(iter(experiments.values()))
    batch_size = first.training.batch_size
    if arguments.against:
        reference = arguments.against
        experiments = {reference: load_experiment(reference)} | experiments
    else:
        reference = "bare"
    if any(each.training.batch_size != batch_size for each in experiments.values()):
        parser.error("all configurations must have the same batch size")
    runs = {} if arguments.against else {"bare": bare_step(first, batch_size)}
    runs |= {file: framework_step(each, batch_size) for file, each in experiments.items()}
    seconds = measure(runs, arguments.steps, arguments.blocks)
    rows = []
    for name, blocks in seconds.items():
        ratios = blocks / seconds[reference]
        time_ratio, cpu_ratio = np.median(ratios, axis=0)
        rows.append(
            {
                "step": name,
                "milliseconds": 1e3 * float(np.median(blocks[:, 0])),
                "cpu_milliseconds": 1e3 * float(np.median(blocks[:, 1])),
                "images_per_second": batch_size / float(np.median(blocks[:, 0])),
                "ratio": float(time_ratio),
                "ratio_range": [float(ratios[:, 0].min()), float(ratios[:, 0].max())],
                "cpu_ratio": float(cpu_ratio),
            }
        )
    report = {
        "reference": reference,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "batch_size": batch_size,
        "rows": rows,
    }
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


def show(report: dict) -> None:
    """Print the table."""
    table = Table(title=f"batch {report['batch_size']}, {report['device']}; ratios to the first")
    for name in ("step", "ms", "CPU ms", "images/s", "ratio", "blocks", "CPU ratio"):
        table.add_column(name, justify="right")
    for row in report["rows"]:
        low, high = row["ratio_range"]
        table.add_row(
            row["step"],
            *(f"{row[name]:.2f}" for name in ("milliseconds", "cpu_milliseconds")),
            f"{row['images_per_second']:.0f}",
            f"{row['ratio']:.3f}",
            f"{low:.3f} .. {high:.3f}",
            f"{row['cpu_ratio']:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
