"""Measure the cost and the error of each likelihood estimator on a trained model.

python benchmarks/likelihood.py [--config=FILE] [--workdir=DIR] [--images=N] [--json=FILE]

If the workdir has no model, the script trains that of the config. Every estimator gets the same
points x at eps: the first test images, dequantized, with ``start = as_sample``. Each repetition
has other probes, and the estimators take turns. `ode` and `quadrature` have the config's
tolerance. `scipy` and the reference `exact` have 1e-5, unless a flag sets it. The reference is
saved in the workdir. Two rows are `scipy` and `ode` with as many probes as the error of one probe
asks for, to know an image to 0.02 bits/dim: runs, like all rows. Their probes are carried along one
path. `quadrature, multistep` has one evaluation a node. `planned` evaluates images whose path is
not certain again with twice the nodes, and its costs include that.

Further rows have the goal 'mean': the mean of the whole test set by `quadrature` and by `planned`,
whose target is 0.001 bits/dim of the mean. Their `rms error` is the standard error of the mean by
the probes, and their bias the change by the last refinement of the nodes.

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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from trained import load_or_train

from gradlog.evaluation.devices import keys_by_index
from gradlog.evaluation.likelihood import likelihood_evaluator
from gradlog.experiment.run import Run
from gradlog.likelihood import (
    Likelihood,
    LogProb,
    ODELikelihood,
    OneDraw,
    Planned,
    Quadrature,
    runs_on_host,
    scipy_ode,
)
from gradlog.models import DiffusionModel
from gradlog.ode import LogRhoFlow, TimeFlow
from gradlog.storage import digest_arrays, write_json, write_npz

TARGET = 0.02  # bits/dim, of an image
TARGET_OF_MEAN = 0.001
_AT_ONCE = 4  # images of the reference
_TIMED_CALLS = 5  # of a bare evaluation
_FEW = 4  # images of a second look
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
    inner = stored.likelihood
    if isinstance(inner, Planned):
        shape, model = run.experiment.dataset.shape, run.experiment.model
        with jax.default_matmul_precision("float32"):
            measure = jax.jit(lambda params: inner.measure(model.bind(params), shape))
            return replace(inner, node_colors=inner.plan(measure(run.params()), shape))
    return inner


def program(run: Run, likelihood: Likelihood) -> Callable[[jax.Array, jax.Array], LogProb]:
    """Return a compiled ``(xs, keys) -> LogProb`` with float32 matrix products."""
    model, params = run.experiment.model, run.params()

    def evaluate(params, xs, keys):
        return likelihood(model.bind(params), xs, keys)

    evaluated = evaluate if runs_on_host(likelihood) else jax.jit(evaluate)
    finer = program(run, likelihood.tightened()) if isinstance(likelihood, Planned) else None

    def call(xs, keys):
        with jax.default_matmul_precision("float32"):
            found = jax.device_get(evaluated(params, xs, keys))
        return look_again(finer, found, xs, keys) if finer else found

    return call


def carry_probes(
    call: Callable[[jax.Array, jax.Array], LogProb], count: int
) -> Callable[[jax.Array, jax.Array], LogProb]:
    """Return the call of `scipy` with several probes of each image along its one path."""

    def signs(keys, xs):
        draw = lambda key, x: jax.random.rademacher(key, (count, *x.shape), x.dtype)  # noqa: E731
        return jax.vmap(draw)(keys, xs)

    @jax.jit
    def right_hand_side(model, t, xs, probes):
        def one(x, own):
            drift, pull_back = jax.vjp(lambda x: TimeFlow().velocity(model, t, x), x)
            traces = jax.vmap(lambda v: jnp.vdot(pull_back(v)[0], v))(own)
            return drift, jnp.mean(traces)

        return jax.vmap(one)(xs, probes)

    def carried(xs, keys):
        patches = {"random_signs": signs, "right_hand_side": right_hand_side}
        with mock.patch.multiple(scipy_ode, **patches):
            found = call(xs, keys)
        return replace(found, jvps=count * found.jvps)

    return carried


def look_again(
    finer: Callable[[jax.Array, jax.Array], LogProb], found: LogProb, xs: jax.Array, keys: jax.Array
) -> LogProb:
    """Return the results, with those of finer nodes for the images that are marked."""
    marked = np.flatnonzero(found.refine)
    for start in range(0, len(marked), _FEW):
        rows = np.resize(marked[start : start + _FEW], _FEW)  # of one shape: programs compile once
        again = finer(xs[rows], keys[rows])
        nfe, jvps = found.nfe[rows] + again.nfe, found.jvps[rows] + again.jvps
        again = replace(again, nfe=nfe, jvps=jvps)

        def put(old, new, rows=rows):
            old = np.array(old)
            old[rows] = new
            return old

        found = jax.tree.map(put, found, again)
    return found


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


def record(run: Run, name: str, xs: jax.Array, carried: int = 0) -> Record:
    """Return the record of an estimator that is compiled and has run once."""
    likelihood = load_likelihood(run, name)
    bare = bare_evaluations(likelihood, run.experiment.model, run.params(), xs)
    call = program(run, likelihood)
    call = carry_probes(call, carried) if carried else call
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


def row_of_mean(run: Run, name: str, title: str) -> dict[str, Any]:
    """Return the figures of the mean of the whole test set; errors are in bits/dim."""
    experiment, test = run.experiment, run.experiment.dataset.test
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    data = test[np.arange(len(test))]
    call = partial(evaluator, run.params(), data, experiment.streams["eval"])
    call()  # the first call compiles
    found = min((call() for _ in range(2)), key=lambda found: found.seconds)
    dims = data[0].size * math.log(2)
    return {
        "dataset": experiment.dataset.name,
        "estimator": title,
        "goal": "mean",
        "seconds_per_image": found.seconds / len(data),
        "forward_evaluations": float(found.values["nfe"].mean()),
        "jvp_evaluations": float(found.values["jvps"].mean()),
        "rms_error": float(np.sqrt(np.sum(found.standard_error**2))) / len(data) / dims,
        "bias": -float(found.values["discretization"].mean()) / dims,
    }


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table(title=f"{report['dataset']}, {report['images']} images, {report['device']}")
    for name in ("estimator", "s/image", "values", "products", "rms error", "reported", "bias"):
        table.add_column(name, justify="right")
    for name in (f"reaches {TARGET}", "overhead"):
        table.add_column(name, justify="right")
    for each in (each for each in report["rows"] if each["goal"] != "mean"):
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
    console = Console(width=140)
    console.print(table)
    for each in (each for each in report["rows"] if each["goal"] == "mean"):
        console.print(
            f"mean of the test set, {each['estimator']}: "
            f"{each['seconds_per_image']:.4f} s an image, "
            f"{each['forward_evaluations']:.0f} values, {each['jvp_evaluations']:.0f} products, "
            f"error {each['rms_error']:.5f}, last refinement {each['bias']:+.5f}"
        )


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
    scipy = record(open_run("scipy", tolerance(1e-5)), "scipy", xs)
    scipy.repeat(xs, jax.random.split(jax.random.key(arguments.repeats), len(xs)))
    rms = row("scipy", dataset, scipy, truth, dims)["rms_error"]
    carried = math.ceil((rms / TARGET) ** 2)
    settings = {
        "ode": ("ode", {}),
        f"ode, {probes} probes": ("ode", {"likelihood.probes": probes}),
        "quadrature": ("quadrature", {}),
        "quadrature, multistep": ("quadrature", _MULTISTEP),
        "planned": ("planned", {"likelihood.target": TARGET}),
    }
    records = {
        title: record(open_run(name, changes), name, xs)
        for title, (name, changes) in settings.items()
    }
    of_scipy = open_run("scipy", tolerance(1e-5))
    records |= {"scipy": scipy, f"scipy, {carried} probes": record(of_scipy, "scipy", xs, carried)}
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
    of_mean = {"likelihood.target": TARGET_OF_MEAN, "likelihood.target_of": "mean"}
    for name, changes in (("quadrature", {}), ("planned", of_mean)):
        report["rows"].append(row_of_mean(open_run(name, changes), name, name))
    show(report)
    if arguments.json:
        write_json(Path(arguments.json), report)


if __name__ == "__main__":
    main()
