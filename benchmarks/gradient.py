"""Measure the cost of the gradient of a log density, for each adjoint method.

python benchmarks/gradient.py [--config=FILE] [--workdir=DIR] [--batch=N] [--json=FILE]

The network is that of a run, or of a config with fresh parameters. Fresh parameters are perturbed,
because the last layer of a fresh network is zero. The script prints a row for the log density of a
batch, for its gradient with respect to the points, and for that with respect to the parameters.
Columns are seconds to compile, temporary memory of the compiled program, seconds to run, and their
ratio to the log density. On CPU, XLA has no fast path for the reverse mode of a convolution inside
a loop, so figures on an accelerator are different.
"""

import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common import read_flags, save, seconds_of, show
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run
from gradlog.likelihood import AsSample, ODELikelihood, Rademacher, log_density_fn
from gradlog.ode import ADJOINTS, Adaptive, LogRhoFlow


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
    call = partial(compiled, *inputs)
    seconds_of(call)
    memory = compiled.memory_analysis()
    return {
        "compile_seconds": compile_seconds,
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", 0),
        "seconds": seconds_of(call, repeats),
    }


def points(experiment: Experiment, count: int):
    """Return test data as points of the model's space, and their keys."""
    keys = jax.random.split(jax.random.key(0), count)
    stored = jnp.asarray(experiment.dataset.test[np.arange(count)])
    xs, _ = jax.vmap(experiment.model.dequantizer)(keys, stored)
    return xs, keys


def main() -> None:
    # 'direct' always takes the largest number of steps.
    flags = read_flags(
        __doc__ or "",
        config="configs/digits.py",
        workdir="runs/digits",
        batch=4,
        tolerance=1e-4,
        max_steps=64,
        repeats=3,
    )
    # A program that comes from a cache would seem to compile in no time.
    jax.config.update("jax_enable_compilation_cache", False)
    experiment, params = load(flags.config, flags.workdir)
    inputs = (params, *points(experiment, flags.batch))
    rows = []
    for adjoint in ("checkpoint", *sorted(ADJOINTS.keys() - {"checkpoint"})):
        made = functions(experiment, adjoint, flags.tolerance, flags.max_steps)
        for name, function in made.items():
            row = {"adjoint": adjoint, "of": name, **measure(function, inputs, flags.repeats)}
            density = next((r["seconds"] for r in rows if r["adjoint"] == adjoint), row["seconds"])
            rows.append(row | {"times": row["seconds"] / density})
            print(f"{adjoint}, {name}: {row['seconds']:.3f} s", flush=True)
    columns = {
        "adjoint": "{adjoint}",
        "of": "{of}",
        "compile s": "{compile_seconds:.1f}",
        "temporary bytes": "{temporary_bytes:,}",
        "run s": "{seconds:.3f}",
        "times": "{times:.1f}",
    }
    show("log density and gradients of a batch", columns, rows)
    save(flags.json, {**vars(flags), "rows": rows})


if __name__ == "__main__":
    main()
