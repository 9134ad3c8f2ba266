"""Measure the cost and the error of each likelihood estimator on a trained model.

python benchmarks/likelihood.py [--config=FILE] [--workdir=DIR] [--images=N] [--json=FILE]

If the workdir has no model, the script trains that of the config. Every estimator gets the same
points x at eps: the first test images, dequantized, with ``start = as_sample``. Each repetition has
other probes, and the estimators take turns. `ode` and `quadrature` have the config's tolerance.
`scipy` and the reference `exact` have 1e-5, unless a flag sets it. The reference is saved in the
workdir.

- ``s/image``: the wall time of a batch, the median over repetitions, divided by its images.
- ``rms error``, ``bias``: in bits/dim. The first is that of single images, the second that of the
  mean, with its standard error.
- ``s to 0.02``: ``seconds x (rms / 0.02)^2``, the time to know one image to 0.02 bits/dim.
- ``overhead``: the wall time divided by that of the bare evaluations, each timed alone as one
  jitted function. Their number is what the slowest image of the batch needs.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from bare import bare_evaluations, executed, median_seconds, timed
from rich.console import Console
from rich.table import Table
from trained import load_or_train

from gradlog.evaluation.devices import keys_by_index
from gradlog.likelihood import Likelihood, LogProb, OneDraw, runs_on_host
from gradlog.experiment.run import Run
from gradlog.storage import digest_arrays, write_json, write_npz

TARGET = 0.02  # bits/dim
_AT_ONCE = 4  # images of the reference
_OWN = {"likelihood.start": "as_sample", "likelihood.probes": 1, "likelihood.chunk": 64}


@dataclass
class Record:
    """The repetitions of one estimator, and of its bare evaluations."""

    likelihood: Likelihood
    call: Callable[[jax.Array, jax.Array], LogProb]
    bare: dict[str, Callable[[], Any]]
    seconds: list[float] = field(default_factory=list)
    results: list[LogProb] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    def repeat(self, xs: jax.Array, keys: jax.Array) -> None:
        """Once more, with the evaluations it took timed alone right after."""
        seconds, result = timed(lambda: self.call(xs, keys))
        counts = executed(self.likelihood, result, xs[0].size)
        self.seconds.append(seconds)
        self.results.append(result)
        self.alone.append(sum(n * median_seconds(self.bare[kind]) for kind, n in counts.items()))

    def mean(self, name: str) -> float:
        """Of a count, over images and repetitions."""
        return float(np.mean([getattr(result, name) for result in self.results]))


def points(run: Run, count: int) -> jax.Array:
    """The first test images, dequantized."""
    experiment, indices = run.experiment, np.arange(count)
    keys = keys_by_index(experiment.streams["eval"], indices)
    x = jnp.asarray(experiment.dataset.test[indices])
    return jax.vmap(lambda key, x: experiment.dequantization(key, x)[0])(keys, x)


def likelihood_of(run: Run, name: str) -> Likelihood:
    """An estimator of the run, of points of the model's space."""
    stored = run.experiment.estimators[name].likelihood
    assert isinstance(stored, OneDraw)
    return stored.likelihood


def program(run: Run, likelihood: Likelihood) -> Callable[[jax.Array, jax.Array], LogProb]:
    """``(xs, keys) -> LogProb``, compiled, with the matrix products of an evaluation."""
    model, sde, params = run.experiment.model, run.experiment.sde, run.params()

    def evaluate(params, xs, keys):
        return likelihood(sde, model.score_fn(sde, params), xs, keys)

    evaluated = evaluate if runs_on_host(likelihood) else jax.jit(evaluate)

    def call(xs, keys):
        with jax.default_matmul_precision("float32"):
            return jax.device_get(evaluated(params, xs, keys))

    return call


def reference(run: Run, xs: jax.Array) -> np.ndarray:
    """Log densities by the exact trace, nats; from the workdir if they are there."""
    exact = likelihood_of(run, "exact")
    name = f"exact-{digest_arrays((run.params(), xs, repr(exact)))}.npz"
    path = run.workdir.root / "benchmarks" / name
    if not path.exists():
        call = program(run, exact)
        keys = jax.random.split(jax.random.key(0), _AT_ONCE)
        parts = [xs[i : i + _AT_ONCE] for i in range(0, len(xs), _AT_ONCE)]
        write_npz(path, {"nats": np.concatenate([call(part, keys).nats for part in parts])})
    with np.load(path) as stored:
        return stored["nats"]


def record(run: Run, name: str, xs: jax.Array) -> Record:
    """An estimator, compiled and warm."""
    likelihood, experiment = likelihood_of(run, name), run.experiment
    bare = bare_evaluations(likelihood, experiment.sde, experiment.model, run.params(), xs)
    call = program(run, likelihood)
    call(xs, jax.random.split(jax.random.key(0), len(xs)))
    return Record(likelihood, call, bare)


def row(name: str, dataset: str, record: Record, truth: np.ndarray, dims: int) -> dict[str, Any]:
    """The figures of one estimator; errors in bits/dim."""
    in_bits = partial(np.multiply, 1 / (dims * math.log(2)))
    nats = np.stack([result.nats for result in record.results]).astype(np.float64)
    reported = np.stack([result.standard_error for result in record.results])
    errors = in_bits(truth - nats)
    seconds = statistics.median(record.seconds) / nats.shape[1]
    rms = float(np.sqrt(np.mean(errors**2)))
    ratios = [
        took / alone for took, alone in zip(record.seconds, record.alone, strict=True) if alone
    ]
    return {
        "dataset": dataset,
        "estimator": name,
        "seconds_per_image": seconds,
        "forward_evaluations": record.mean("nfe"),
        "jvp_evaluations": record.mean("jvps"),
        "rms_error": rms,
        "reported_error": float(in_bits(np.sqrt(np.mean(reported**2)))),
        "bias": float(errors.mean()),
        "bias_standard_error": float(errors.std(ddof=1) / math.sqrt(errors.size)),
        "seconds_to_target": seconds * (rms / TARGET) ** 2,
        "overhead": statistics.median(ratios) if ratios else None,
    }


def show(report: dict[str, Any]) -> None:
    """The table, and how many times sooner than the first estimator each reaches the target."""
    table = Table(title=f"{report['dataset']}, {report['images']} images, {report['device']}")
    for name in ("estimator", "s/image", "values", "products", "rms error", "reported", "bias"):
        table.add_column(name, justify="right")
    for name in (f"s to {TARGET}", "times sooner", "overhead"):
        table.add_column(name, justify="right")
    first = report["rows"][0]["seconds_to_target"]
    for each in report["rows"]:
        table.add_row(
            each["estimator"],
            f"{each['seconds_per_image']:.4f}",
            f"{each['forward_evaluations']:.0f}",
            f"{each['jvp_evaluations']:.0f}",
            f"{each['rms_error']:.5f}",
            f"{each['reported_error']:.5f}",
            f"{each['bias']:+.5f} ± {each['bias_standard_error']:.5f}",
            f"{each['seconds_to_target']:.4f}",
            f"{first / each['seconds_to_target']:.1f}",
            f"{each['overhead']:.3f}" if each["overhead"] else "-",
        )
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/digits.py")
    parser.add_argument("--workdir", default="runs/digits")
    parser.add_argument("--images", type=int, default=16, help="points with an exact reference")
    parser.add_argument("--copies", type=int, default=4, help="of each point in a batch")
    parser.add_argument("--repeats", type=int, default=5, help="batches of each estimator")
    parser.add_argument("--reference_rtol", type=float, default=1e-5)
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    def opened(*names, rtol=None):
        tight = {} if rtol is None else {"likelihood.rtol": rtol, "likelihood.atol": rtol}
        settings = {**_OWN, **tight, "eval.estimators": names}
        return load_or_train(arguments.config, arguments.workdir, settings)

    run, scipy = opened("ode", "quadrature"), opened("scipy", rtol=1e-5)
    distinct = points(run, arguments.images)
    truth = reference(opened("exact", rtol=arguments.reference_rtol), distinct)
    truth = np.tile(truth, arguments.copies)
    xs = jnp.tile(distinct, (arguments.copies, *(1 for _ in distinct.shape[1:])))
    owners = {"scipy": scipy, "ode": run, "quadrature": run}
    records = {name: record(owner, name, xs) for name, owner in owners.items()}
    for seed in range(arguments.repeats):
        keys = jax.random.split(jax.random.key(seed), len(xs))
        for each in records.values():
            each.repeat(xs, keys)
    dataset = run.experiment.dataset.name
    report = {
        "dataset": dataset,
        "config": arguments.config,
        "device": jax.devices()[0].device_kind,
        "images": arguments.images,
        "reference_rtol": arguments.reference_rtol,
        "evaluations_of_each": arguments.copies * arguments.repeats,
        "target": TARGET,
        "rows": [row(n, dataset, each, truth, xs[0].size) for n, each in records.items()],
    }
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


if __name__ == "__main__":
    main()
