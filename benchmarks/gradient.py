"""Measure the cost of the gradient of a log density, for each adjoint method.

python benchmarks/gradient.py [--config=FILE] [--workdir=DIR] [--batch=N] [--json=FILE]

The network is that of a run, or of a config with fresh parameters. Fresh parameters are perturbed,
because the last layer of a fresh network is zero. The script prints a row for the log density of a
batch, for its gradient with respect to the points, and for that with respect to the parameters.
Columns are seconds to compile, temporary memory of the compiled program, seconds to run, and their
ratio to the log density. On CPU, XLA has no fast path for the reverse mode of a convolution inside
a loop, so figures on an accelerator are different.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run
from gradlog.likelihood import AsSample, ODELikelihood, Rademacher, log_density_fn
from gradlog.ode import ADJOINTS, Adaptive, LogRhoFlow
from gradlog.storage import write_json


def load(config_file: str, workdir: str):
    """Return an experiment and parameters of its network."""
    if Path(workdir, "config.json").exists():
        run = Run.open(workdir)
        return run.experiment, run.params()
    config = load_config(config_file)
    experiment = build(config, load_dataset(config))
    fresh = jax.jit(experiment.model.init, static_argnums=1)(
        experiment.streams["init"], experiment.dataset.shape
    )
    noise = np.random.default_rng(0)
    perturb = lambda leaf: leaf + 0.02 * noise.normal(size=leaf.shape).astype(leaf.dtype)  # noqa: E731
    return experiment, jax.tree.map(perturb, fresh)


def functions(experiment: Experiment, adjoint: str, tolerance: float, max_steps: int) -> dict:
    """Return the sum of log densities over a batch, and its gradients: ``f(params, xs, keys)``."""
    likelihood = ODELikelihood(
        Adaptive(tolerance, tolerance, max_steps, adjoint),
        LogRhoFlow(),
        Rademacher(),
        eps=1e-3,
        start=AsSample(),
    )
    one = log_density_fn(likelihood, experiment.model.bind)

    def total(params, xs, keys):
        return jnp.sum(jax.vmap(one, (None, 0, 0))(params, xs, keys))

    return {
        "log density": total,
        "gradient by x": jax.grad(total, argnums=1),
        "gradient by parameters": jax.grad(total),
    }


def measure(function, inputs, repeats: int) -> dict:
    """Return seconds to compile, bytes of temporary memory, and median seconds to run."""
    started = time.perf_counter()
    compiled = jax.jit(function).lower(*inputs).compile()
    compile_seconds = time.perf_counter() - started
    jax.block_until_ready(compiled(*inputs))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(compiled(*inputs))
        seconds.append(time.perf_counter() - started)
    memory = compiled.memory_analysis()
    return {
        "compile_seconds": compile_seconds,
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
        "seconds": statistics.median(seconds),
    }


def points(experiment: Experiment, count: int):
    """Return test data as points of the model's space, and their keys."""
    keys = jax.random.split(jax.random.key(0), count)
    stored = jnp.asarray(experiment.dataset.test[np.arange(count)])
    xs, _ = jax.vmap(experiment.model.dequantizer)(keys, stored)
    return xs, keys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/digits.py")
    parser.add_argument("--workdir", default="runs/digits", help="a run with trained parameters")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument(
        "--max_steps", type=int, default=64, help="steps that 'direct' always takes"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    # A program that comes from a cache would seem to compile in no time.
    jax.config.update("jax_enable_compilation_cache", False)
    experiment, params = load(arguments.config, arguments.workdir)
    inputs = (params, *points(experiment, arguments.batch))
    rows, console = [], Console()
    for adjoint in ("checkpoint", *sorted(ADJOINTS.keys() - {"checkpoint"})):
        made = functions(experiment, adjoint, arguments.tolerance, arguments.max_steps)
        for name, function in made.items():
            measured = measure(function, inputs, arguments.repeats)
            rows.append({"adjoint": adjoint, "of": name, **measured})
            console.print(f"{adjoint}, {name}: {measured['seconds']:.3f} s")
    show(rows)
    report = {**vars(arguments), "device": jax.devices()[0].device_kind, "rows": rows}
    del report["json"]
    if arguments.json:
        write_json(Path(arguments.json), report)


def show(rows: list[dict]) -> None:
    """Print the table; "times" compares with the log density under the same adjoint."""
    table = Table(title="log density and gradients of a batch")
    for name in ("adjoint", "of", "compile s", "temporary MB", "run s", "times"):
        table.add_column(name, justify="right")
    for row in rows:
        memory, seconds = row["temporary_bytes"], row["seconds"]
        own = next(r["seconds"] for r in rows if r["adjoint"] == row["adjoint"])
        table.add_row(
            row["adjoint"],
            row["of"],
            f"{row['compile_seconds']:.1f}",
            "-" if memory is None else f"{memory / 1e6:.1f}",
            f"{seconds:.3f}",
            f"{seconds / own:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
