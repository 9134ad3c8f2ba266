"""Measure the cost and the error of each likelihood estimator on a trained model.

python benchmarks/likelihood.py [--config=FILE] [--workdir=DIR] [--images=N] [--json=FILE]

If the workdir has no model, the script trains that of the config. Every estimator gets the same
points x at eps: the first test images, dequantized, with ``start = as_sample``. Each repetition
has other probes, and the estimators take turns. `ode` and `quadrature` have the config's
tolerance. `scipy` and the reference `exact` have 1e-5, unless a flag sets it. The reference is
saved in the workdir. One row is `ode` with as many probes as the error of one probe asks for, to
know an image to 0.02 bits/dim: a run, like all rows. `quadrature, multistep` has one evaluation a
node.

- ``s/image``: the wall time of a batch, the median over repetitions, divided by its images.
- ``rms error``, ``bias``: in bits/dim. The first is that of single images, the second that of the
  mean, with its standard error.
- ``overhead``: the wall time divided by that of the bare evaluations, each timed alone as one
  jitted function. Their number is what the slowest image of the batch needs.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from trained import load_or_train

from gradlog.evaluation.devices import keys_by_index
from gradlog.experiment.run import Run
from gradlog.likelihood import (
    Likelihood,
    LogProb,
    ODELikelihood,
    OneDraw,
    Quadrature,
    runs_on_host,
)
from gradlog.models import DiffusionModel
from gradlog.ode import LogRhoFlow
from gradlog.storage import digest_arrays, write_json, write_npz

TARGET = 0.02  # bits/dim
_AT_ONCE = 4  # images of the reference
_TIMED_CALLS = 5  # of a bare evaluation
_OWN = {"likelihood.start": "as_sample", "likelihood.probes": 1, "likelihood.chunk": 64}
_MULTISTEP = {
    "likelihood.path": "multistep",
    "likelihood.rounds": 0,
    "likelihood.node_divergence": "probing",
    "likelihood.node_probes": 1,
    "likelihood.colors": 2,
}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds and the result of a call."""
    started = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - started, result


def median_seconds(call: Callable[[], Any]) -> float:
    """Return the median time of a few calls in a row."""
    return statistics.median(timed(call)[0] for _ in range(_TIMED_CALLS))


def bare_evaluations(
    likelihood: Likelihood, model: DiffusionModel, params: Any, xs: jax.Array
) -> dict[str, Callable[[], Any]]:
    """Return the evaluations of an estimator by kind: functions of a whole batch."""
    process = model.bind(params).process
    coordinates = jnp.linspace(process.log_rho(0.1), process.log_rho(0.9), len(xs))

    def value(params, log_rho, y):
        return LogRhoFlow().velocity(model.bind(params), log_rho, y)

    def traced(divergence, params, log_rho, y, seed: Any = 0):
        probes = divergence.draw(jax.random.key(seed), y.shape)
        return divergence(partial(value, params, log_rho), y, probes)

    def halves(divergence, params, log_rho, y):
        call = partial(traced, divergence, params, log_rho, y)
        return jax.vmap(call, out_axes=(None, 0))(jnp.arange(2))

    def alone(fn, *arguments):
        mapped = jax.jit(jax.vmap(fn, (None, *(0 for _ in arguments))))
        with jax.default_matmul_precision("float32"):
            compiled = mapped.lower(params, *arguments).compile()
        jax.block_until_ready(compiled(params, *arguments))
        return lambda: compiled(params, *arguments)

    if isinstance(likelihood, ODELikelihood):
        return {"both": alone(partial(traced, likelihood.divergence), coordinates, xs)}
    if isinstance(likelihood, Quadrature):
        nodes = jax.vmap(partial(traced, likelihood.node_divergence), (None, 0, 0))
        several = partial(jnp.repeat, repeats=likelihood.node_chunk, axis=1)
        side_by_side = [several(each[:, None]) for each in (coordinates, xs)]
        return {
            "value": alone(value, coordinates, xs),
            "halves": alone(partial(halves, likelihood.node_divergence), coordinates, xs),
            "nodes": alone(nodes, *side_by_side),
        }
    return {}


def executed(likelihood: Likelihood, result: LogProb, dims: int) -> dict[str, int]:
    """Return how many evaluations of each kind the slowest image of a batch took."""
    if isinstance(likelihood, ODELikelihood):
        return {"both": int(result.nfe.max())}
    if isinstance(likelihood, Quadrature):
        nodes = likelihood.intervals + 1
        further = result.jvps // likelihood.node_divergence.products(dims) - 2 * nodes
        rounds = int(further.max()) // (2 * nodes)
        return {
            "value": int((result.nfe - further).max()) - nodes,
            "halves": nodes,
            "nodes": rounds * -(-2 * nodes // likelihood.node_chunk),
        }
    return {}


@dataclass
class Record:
    """Times and results of one estimator, and the times of its bare evaluations."""

    likelihood: Likelihood
    call: Callable[[jax.Array, jax.Array], LogProb]
    bare: dict[str, Callable[[], Any]]
    seconds: list[float] = field(default_factory=list)
    results: list[LogProb] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    def repeat(self, xs: jax.Array, keys: jax.Array) -> None:
        """Run the estimator once more, then time the evaluations that it took."""
        seconds, result = timed(lambda: self.call(xs, keys))
        counts = executed(self.likelihood, result, xs[0].size)
        self.seconds.append(seconds)
        self.results.append(result)
        self.alone.append(sum(n * median_seconds(self.bare[kind]) for kind, n in counts.items()))

    def mean(self, name: str) -> float:
        """Return the mean of a count over images and repetitions."""
        return float(np.mean([getattr(result, name) for result in self.results]))


def points(run: Run, count: int) -> jax.Array:
    """Return the first test images, dequantized."""
    experiment, indices = run.experiment, np.arange(count)
    keys = keys_by_index(experiment.streams["eval"], indices)
    x = jnp.asarray(experiment.dataset.test[indices])
    return jax.vmap(lambda key, x: experiment.model.dequantizer(key, x)[0])(keys, x)


def load_likelihood(run: Run, name: str) -> Likelihood:
    """Return the run's estimator for points of the model's space."""
    stored = run.experiment.estimators[name].likelihood
    assert isinstance(stored, OneDraw)
    return stored.likelihood


def program(run: Run, likelihood: Likelihood) -> Callable[[jax.Array, jax.Array], LogProb]:
    """Return a compiled ``(xs, keys) -> LogProb`` with float32 matrix products."""
    model, params = run.experiment.model, run.params()

    def evaluate(params, xs, keys):
        return likelihood(model.bind(params), xs, keys)

    evaluated = evaluate if runs_on_host(likelihood) else jax.jit(evaluate)

    def call(xs, keys):
        with jax.default_matmul_precision("float32"):
            return jax.device_get(evaluated(params, xs, keys))

    return call


def reference(run: Run, xs: jax.Array) -> np.ndarray:
    """Return log densities by the exact trace in nats; read them if the workdir has them."""
    exact = load_likelihood(run, "exact")
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
    """Return the record of an estimator that is compiled and has run once."""
    likelihood = load_likelihood(run, name)
    bare = bare_evaluations(likelihood, run.experiment.model, run.params(), xs)
    call = program(run, likelihood)
    call(xs, jax.random.split(jax.random.key(0), len(xs)))
    return Record(likelihood, call, bare)


def row(name: str, dataset: str, record: Record, truth: np.ndarray, dims: int) -> dict[str, Any]:
    """Return the figures of one estimator; errors are in bits/dim."""
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
        "goal": "image" if rms <= TARGET else None,
        "overhead": statistics.median(ratios) if ratios else None,
    }


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title=f"{report['dataset']}, {report['images']} images, {report['device']}")
    for name in ("estimator", "s/image", "values", "products", "rms error", "reported", "bias"):
        table.add_column(name, justify="right")
    for name in (f"reaches {TARGET}", "overhead"):
        table.add_column(name, justify="right")
    for each in report["rows"]:
        table.add_row(
            each["estimator"],
            f"{each['seconds_per_image']:.4f}",
            f"{each['forward_evaluations']:.0f}",
            f"{each['jvp_evaluations']:.0f}",
            f"{each['rms_error']:.5f}",
            f"{each['reported_error']:.5f}",
            f"{each['bias']:+.5f} ± {each['bias_standard_error']:.5f}",
            "yes" if each["goal"] else "no",
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

    def open_run(name, settings):
        overrides = {**_OWN, **settings, "eval.estimators": (name,)}
        return load_or_train(arguments.config, arguments.workdir, overrides)

    def tolerance(rtol):
        return {"likelihood.rtol": rtol, "likelihood.atol": rtol}

    run = open_run("ode", {})
    distinct = points(run, arguments.images)
    truth = reference(open_run("exact", tolerance(arguments.reference_rtol)), distinct)
    truth = np.tile(truth, arguments.copies)
    xs = jnp.tile(distinct, (arguments.copies, *(1 for _ in distinct.shape[1:])))
    dataset, dims = run.experiment.dataset.name, xs[0].size

    ode = record(run, "ode", xs)
    ode.repeat(xs, jax.random.split(jax.random.key(arguments.repeats), len(xs)))
    rms = row("ode", dataset, ode, truth, dims)["rms_error"]
    probes = math.ceil((rms / TARGET) ** 2)
    settings = {
        "scipy": ("scipy", tolerance(1e-5)),
        "ode": ("ode", {}),
        f"ode, {probes} probes": ("ode", {"likelihood.probes": probes}),
        "quadrature": ("quadrature", {}),
        "quadrature, multistep": ("quadrature", _MULTISTEP),
    }
    records = {
        title: record(open_run(name, changes), name, xs)
        for title, (name, changes) in settings.items()
    }
    for seed in range(arguments.repeats):
        keys = jax.random.split(jax.random.key(seed), len(xs))
        for each in records.values():
            each.repeat(xs, keys)
    report = {
        "dataset": dataset,
        "config": arguments.config,
        "device": jax.devices()[0].device_kind,
        "images": arguments.images,
        "reference_rtol": arguments.reference_rtol,
        "evaluations_of_each": arguments.copies * arguments.repeats,
        "target": TARGET,
        "rows": [row(title, dataset, each, truth, dims) for title, each in records.items()],
    }
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


if __name__ == "__main__":
    main()
