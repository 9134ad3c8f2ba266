"""Measure the cost of checkpoints: the time that training loses to them, and a table by size.

python benchmarks/checkpoint.py [--config=FILE] [--steps=N] [--blocks=N] [--sizes=1e6,1e7]

Training: a block has as many steps as lie between two checkpoints. Blocks without and with a
checkpoint take turns in one process. A block with a checkpoint begins by saving (copy the arrays,
then beside the steps: Orbax, checksums of arrays and files, read back, fsync, retention). It ends
when the steps are done and the checkpoint is on disk. The script prints the median of the ratios
over blocks.

Table: the state is random float32 in 32 arrays. "blocking" is the time that training stands still,
"save" the time until all is on disk, "restore" the time to read with full verification, "verify"
the verification alone. "orbax write" and "orbax read" are Orbax's own times for the same arrays,
without checksums, reading back or fsync.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from gradlog.data import BatchStream
from gradlog.evaluation.score_training import initial_state, parallel_step, training_source
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
from gradlog.storage import Checkpoints, Retention, write_json
from gradlog.storage.state_arrays import read_arrays, write_arrays

_ARRAYS = 32


class Training:
    """A training without end."""

    def __init__(self, experiment: Experiment):
        self._step_fn = parallel_step(experiment)
        self._stream = BatchStream(
            training_source(experiment), experiment.training.batch_size, experiment.seed
        )
        self.state = self._step_fn.place(initial_state(experiment))
        self.position = 0

    def run(self, steps: int) -> None:
        """Do the next steps."""
        for _ in range(steps):
            self.position += 1
            batch = self._stream[self.position - 1]
            self.state, _ = self._step_fn(self.state, batch, self.position)
        jax.block_until_ready(self.state)

    def fetch(self) -> Any:
        """Return the state as a checkpoint gets it."""
        return self._step_fn.fetch(self.state)


def seconds(do: Callable[[], Any]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def cost_of_checkpoints(experiment: Experiment, folder: Path, steps: int, blocks: int) -> dict:
    """Return the seconds of each block without and with a checkpoint, and their ratios."""
    training, blocking = Training(experiment), []
    checkpoints = Checkpoints(folder, Retention(experiment.training.keep))

    def save() -> None:
        checkpoints.save(training.position, training.fetch(), {"held_out_loss": 1.0})

    def block() -> None:
        blocking.append(seconds(save))
        training.run(steps)
        checkpoints.finish()

    training.run(3)
    save()  # the first save also imports modules
    checkpoints.finish()
    pairs = [(seconds(lambda: training.run(steps)), seconds(block)) for _ in range(blocks)]
    alone = [
        seconds(lambda: _save_alone(checkpoints, training.position, save)) for _ in range(blocks)
    ]
    checkpoints.close()
    ratios = [with_one / without for without, with_one in pairs]
    state = training.fetch()
    return {
        "steps": steps,
        "bytes": sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state)),
        "milliseconds_a_step": 1e3 * statistics.median(without for without, _ in pairs) / steps,
        "blocking_milliseconds": 1e3 * statistics.median(blocking),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "milliseconds_of_a_save_alone": 1e3 * statistics.median(alone),
        "pairs": pairs,
    }


def _save_alone(checkpoints: Checkpoints, step: int, save: Callable[[], None]) -> None:
    """Save while nothing else runs: the largest possible cost."""
    shutil.rmtree(checkpoints.directory / str(step), ignore_errors=True)
    save()
    checkpoints.finish()


def cost_by_size(size: int, folder: Path, repeats: int) -> dict[str, float]:
    """Return the seconds of each operation on a state of ``size`` bytes."""
    rng = np.random.default_rng(0)
    shape = (max(size // 4 // _ARRAYS, 1),)
    state = {f"array{i}": rng.standard_normal(shape, np.float32) for i in range(_ARRAYS)}
    rows = [_operations(state, folder) for _ in range(repeats)]
    return {"bytes": size} | {
        name: statistics.median(row[name] for row in rows) for name in rows[0]
    }


def _operations(state: dict[str, np.ndarray], folder: Path) -> dict[str, float]:
    shutil.rmtree(folder, ignore_errors=True)
    checkpoints, alone = Checkpoints(folder / "checked"), folder / "alone"
    alone.mkdir(parents=True)
    found = {"blocking": seconds(lambda: checkpoints.save(1, state))}
    found["save"] = found["blocking"] + seconds(checkpoints.finish)
    found["restore"] = seconds(lambda: checkpoints.restore(1, state))
    found["verify"] = seconds(lambda: checkpoints.verify(1))
    checkpoints.close()
    found["orbax_write"] = seconds(lambda: write_arrays(alone, state))
    found["orbax_read"] = seconds(lambda: read_arrays(alone, list(state)))
    return found


def show(report: dict[str, Any]) -> None:
    """Print both results."""
    console, training = Console(), report["training"]
    low, high = training["ratio_range"]
    console.print(
        f"{report['config']}: {training['steps']} steps of {training['milliseconds_a_step']:.1f} "
        f"ms to a checkpoint of {training['bytes'] / 1e6:.1f} MB, which blocks "
        f"{training['blocking_milliseconds']:.1f} ms and alone would take "
        f"{training['milliseconds_of_a_save_alone']:.0f} ms"
    )
    console.print(f"ratio with / without: {training['ratio']:.4f} (blocks {low:.4f} .. {high:.4f})")
    names = list(report["sizes"][0])[1:]
    table = Table(title="seconds by size")
    for name in ("MB", *names):
        table.add_column(name.replace("_", " "), justify="right")
    for row in report["sizes"]:
        table.add_row(f"{row['bytes'] / 1e6:.0f}", *(f"{row[name]:.3f}" for name in names))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/digits.py")
    parser.add_argument("--steps", type=int, default=0, help="in a block; 0: the config's own")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--sizes", default="1e6,1e7,1e8,1e9", help="bytes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default="", help="on the disk to be measured")
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    config = load_config(arguments.config)
    experiment = build(config, load_dataset(config))
    steps = arguments.steps or experiment.training.checkpoint_every
    sizes = [int(float(size)) for size in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory(dir=arguments.folder or None) as base:
        report = {
            "config": arguments.config,
            "device": jax.devices()[0].device_kind,
            "cores": os.cpu_count(),
            "training": cost_of_checkpoints(
                experiment, Path(base, "training"), steps, arguments.blocks
            ),
            "sizes": [cost_by_size(size, Path(base, "size"), arguments.repeats) for size in sizes],
        }
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


if __name__ == "__main__":
    main()
