"""Measure the cost and the error of each likelihood estimator where the truth is known.

python benchmarks/likelihood.py [--config=FILE] [--workdir=DIR] [--images=N] [--json=FILE]
python benchmarks/likelihood.py --oracle=32 [--images=N] [--json=FILE]

The first form measures a trained model: that of the workdir, or of the config if the workdir has
none, which is trained then. Every estimator gets the same points x at eps: the first test images,
dequantized, with ``start = as_sample``. The reference is `exact`, and is saved in the workdir: with
a tolerance of 1e-5, or on the nodes of --reference. The second form measures a Gaussian
distribution of natural images with three channels, whose score and density are known: 3,072
dimensions with --oracle=32.

A batch has --copies of each of the --images points. Each repetition has other probes. The
estimators take turns, at least twice each, until each has run for --seconds. `ode` and `quadrature`
have the config's tolerance, `scipy` has 1e-5. Two rows are `scipy` and `ode` with --probes, by
default as many as the error of one probe asks for, to know an image to 0.017 bits/dim: runs, like
all rows. Their probes are carried along one path. `quadrature, multistep` has one evaluation a
node. `exact, multistep` has the exact trace at the nodes of `planned`: its error is that of the
nodes alone. `planned` evaluates images whose path is not certain again with twice the nodes, and
its costs include that. Rows that begin as --skip says, with commas between, are left out.

Further rows have the goal 'mean': the mean of the first --mean_images test images, by default of
all (-1: no such rows), by `quadrature`, by `quadrature, multistep` with one color, and by `planned`
with a target of 0.0008 bits/dim of the mean. Their `rms error` is the standard error of the mean by
the probes, and their bias the change by the last refinement of the nodes. The costs of `planned`
include the pilot.

- ``s/image``: the wall time of a batch, the median over repetitions, divided by its images.
- ``rms error``, ``bias``: in bits/dim. The first is that of single images, the second that of the
  mean, with its standard error.
- ``goal``: 'image' if the rms error is 0.02 or less; 'mean' in rows of the mean, whether or not
  they reach 0.001.
- ``overhead``: the wall time without second looks, divided by that of the bare evaluations, each
  timed alone as one jitted function. Their number is what the slowest image of the batch needs.
- ``compile``: seconds. Programs that are in the cache of JAX_COMPILATION_CACHE_DIR have none.
- ``memory``: of temporary arrays.
"""

import itertools
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

from benchmarks.common import load_or_train, read_flags, save, seconds_of, show
from gradlog.compilation_cache import store_compiled_programs
from gradlog.distributions import natural_images
from gradlog.evaluation.devices import keys_by_index
from gradlog.evaluation.likelihood import evaluated_source, likelihood_evaluator
from gradlog.experiment.build import check_config
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config
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
from gradlog.likelihood.planned import colored_diagonal
from gradlog.models import BoundModel
from gradlog.ode import LogRhoFlow, TimeFlow
from gradlog.sde_lib import VP
from gradlog.storage import digest_arrays, write_npz

TARGET = 0.02  # bits/dim, of an image
TARGET_OF_MEAN = 0.0008  # the nodes may add as much as the rest to 0.001
_AT_ONCE = 4  # images of the reference
_TIMED_CALLS = 5  # of a bare evaluation
_FEW = 4  # images of a second look
_LEAST_BATCHES = 2
_AIM = 0.85  # the error of one probe has an error itself
_OWN = {"likelihood.start": "as_sample", "likelihood.probes": 1, "likelihood.chunk": 64}
MULTISTEP = "quadrature, multistep"
_MULTISTEP = {
    "path": "multistep",
    "rounds": 0,
    "node_divergence": "probing",
    "node_probes": 1,
    "colors": 3,
}


@dataclass(frozen=True)
class Subject:
    """A model that is measured, with points x at eps and their log densities in nats."""

    name: str
    config: Any
    bind: Callable[[Any], BoundModel]
    params: Any
    xs: jax.Array
    truth: np.ndarray

    def likelihood(self, name: str, **settings: Any) -> Likelihood:
        """Return an estimator of the config, for points of the model's space."""
        config = self.config.copy_and_resolve_references()
        dotted = {f"likelihood.{key}": value for key, value in settings.items()}
        config.update_from_flattened_dict({**_OWN, **dotted, "eval.estimators": (name,)})
        stored = check_config(config).estimators[name].likelihood
        assert isinstance(stored, OneDraw)
        inner, shape = stored.likelihood, self.xs.shape[1:]
        if isinstance(inner, Planned):
            with jax.default_matmul_precision("float32"):
                measure = jax.jit(lambda params: inner.measure(self.bind(params), shape))
                return replace(inner, node_colors=inner.plan(measure(self.params), shape))
        return inner

    def repeat(self, copies: int) -> "Subject":
        """Return the subject with several copies of each point."""
        several = (copies, *(1 for _ in self.xs.shape[1:]))
        return replace(self, xs=jnp.tile(self.xs, several), truth=np.tile(self.truth, copies))


def compiled(lowered: Any) -> tuple[Any, float | None]:
    """Return a compiled program and its seconds; None if it was in the cache."""
    found: list[str] = []
    note = lambda event, **_: found.append(event)  # noqa: E731
    jax.monitoring.register_event_listener(note)
    seconds, program = timed(lowered.compile)
    jax.monitoring.unregister_event_listener(note)
    return program, None if "/jax/compilation_cache/cache_hits" in found else seconds


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds and the result of a call."""
    started = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - started, result


def bare_evaluations(
    likelihood: Likelihood, subject: Subject
) -> dict[str | int, Callable[[], Any]]:
    """Return the evaluations of an estimator by kind: functions of a whole batch.

    Those of `Planned` at a node have their number of colors for a kind.
    """
    bind, params, xs = subject.bind, subject.params, subject.xs
    process = bind(params).process
    coordinates = jnp.linspace(process.log_rho(0.1), process.log_rho(0.9), len(xs))

    def value(params, log_rho, y):
        return LogRhoFlow().velocity(bind(params), log_rho, y)

    def traced(divergence, params, log_rho, y, seed: Any = 0):
        probes = divergence.draw(jax.random.key(seed), y.shape)
        return divergence(partial(value, params, log_rho), y, probes)

    def halves(divergence, params, log_rho, y):
        call = partial(traced, divergence, params, log_rho, y)
        return jax.vmap(call, out_axes=(None, 0))(jnp.arange(2))

    def colored(params, log_rho, y, count):
        velocity, product = jax.linearize(partial(value, params, log_rho), y)
        signs = jax.random.rademacher(jax.random.key(0), y.shape, y.dtype)
        return velocity, colored_diagonal(product, signs, count)

    def alone(fn, *arguments):
        mapped = jax.jit(jax.vmap(fn, (None, *(0 for _ in arguments))))
        with jax.default_matmul_precision("float32"):
            compiled = mapped.lower(params, *arguments).compile()
        jax.block_until_ready(compiled(params, *arguments))
        return lambda: compiled(params, *arguments)

    if isinstance(likelihood, ODELikelihood):
        return {"both": alone(partial(traced, likelihood.divergence), coordinates, xs)}
    if isinstance(likelihood, Quadrature) and likelihood.node_divergence.is_random:
        nodes = jax.vmap(partial(traced, likelihood.node_divergence), (None, 0, 0))
        several = partial(jnp.repeat, repeats=likelihood.node_chunk, axis=1)
        side_by_side = [several(each[:, None]) for each in (coordinates, xs)]
        return {
            "value": alone(value, coordinates, xs),
            "halves": alone(partial(halves, likelihood.node_divergence), coordinates, xs),
            "nodes": alone(nodes, *side_by_side),
        }
    if isinstance(likelihood, Planned):
        colors = np.unique(np.asarray(likelihood.node_colors))
        at_node = {int(c): alone(colored, coordinates, xs, jnp.full(len(xs), c)) for c in colors}
        return {"value": alone(value, coordinates, xs), **at_node}
    return {}


def executed(likelihood: Likelihood, result: LogProb, dims: int) -> dict[str | int, int]:
    """Return how many evaluations of each kind the slowest image of a batch took."""
    if isinstance(likelihood, ODELikelihood):
        return {"both": int(result.nfe.max())}
    if isinstance(likelihood, Quadrature) and likelihood.node_divergence.is_random:
        nodes = likelihood.intervals + 1
        further = result.jvps // likelihood.node_divergence.products(dims) - 2 * nodes
        rounds = int(further.max()) // (2 * nodes)
        return {
            "value": int((result.nfe - further).max()) - nodes,
            "halves": nodes,
            "nodes": rounds * -(-2 * nodes // likelihood.node_chunk),
        }
    if isinstance(likelihood, Planned):
        kinds, counts = np.unique(np.asarray(likelihood.node_colors), return_counts=True)
        at_node = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
        return {"value": int(result.nfe.min()) - int(counts.sum()), **at_node}
    return {}


@dataclass
class Program:
    """A compiled estimator, with what it took to compile and the memory of temporary arrays."""

    call: Callable[[jax.Array, jax.Array], LogProb]
    compile_seconds: float | None = None
    megabytes: float | None = None

    @classmethod
    def of(cls, likelihood: Likelihood, subject: Subject, xs: jax.Array) -> "Program":
        """Compile an estimator with float32 matrix products for points of this shape."""
        keys = jax.random.split(jax.random.key(0), len(xs))
        bind, params = subject.bind, subject.params

        def evaluate(params, xs, keys):
            return likelihood(bind(params), xs, keys)

        def call(xs, keys):
            with jax.default_matmul_precision("float32"):
                return jax.device_get(program(params, xs, keys))

        if runs_on_host(likelihood):
            program = evaluate
            return cls(call)
        with jax.default_matmul_precision("float32"):
            program, seconds = compiled(jax.jit(evaluate).lower(params, xs, keys))
        return cls(call, seconds, program.memory_analysis().temp_size_in_bytes / 1e6)


@dataclass
class Record:
    """Times and results of one estimator, and the times of its bare evaluations."""

    likelihood: Likelihood
    program: Program
    finer: Program | None
    bare: dict[str | int, Callable[[], Any]]
    seconds: list[float] = field(default_factory=list)
    results: list[LogProb] = field(default_factory=list)
    overheads: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, subject: Subject, likelihood: Likelihood, carried: int = 0) -> "Record":
        """Return the record of an estimator that is compiled and has run once."""
        program = Program.of(likelihood, subject, subject.xs)
        if carried:
            program = replace(program, call=carry_probes(program.call, carried))
        finer = None
        if isinstance(likelihood, Planned):
            finer = Program.of(likelihood.tightened(), subject, subject.xs[:_FEW])
            both = program.compile_seconds, finer.compile_seconds
            program = replace(program, compile_seconds=sum(filter(None, both)) or None)
        if runs_on_host(likelihood):
            program.call(subject.xs, jax.random.split(jax.random.key(0), len(subject.xs)))
        return cls(likelihood, program, finer, bare_evaluations(likelihood, subject))

    def repeat(self, xs: jax.Array, keys: jax.Array) -> None:
        """Run the estimator once more, then time the evaluations that it took."""
        seconds, result = timed(lambda: self.program.call(xs, keys))
        counts = executed(self.likelihood, result, xs[0].size)
        alone = sum(n * seconds_of(self.bare[kind], _TIMED_CALLS) for kind, n in counts.items())
        if alone:
            self.overheads.append(seconds / alone)
        if self.finer:
            found, finer = result, self.finer.call
            further, result = timed(lambda: look_again(finer, found, xs, keys))
            seconds += further
        self.seconds.append(seconds)
        self.results.append(result)

    def mean(self, name: str) -> float:
        """Return the mean of a count over images and repetitions."""
        return float(np.mean([getattr(result, name) for result in self.results]))


def trained(run: Run, name: str, count: int, intervals: int) -> Subject:
    """Return the model of a run, with the first test images, dequantized; see `reference`."""
    experiment, indices = run.experiment, np.arange(count)
    keys = keys_by_index(experiment.streams["eval"], indices)
    x = jnp.asarray(experiment.dataset.test[indices])
    xs = jax.vmap(lambda key, x: experiment.model.dequantizer(key, x)[0])(keys, x)
    params = run.params()
    subject = Subject(name, experiment.config, experiment.model.bind, params, xs, np.zeros(count))
    folder = run.workdir.root / "benchmarks"
    return replace(subject, truth=reference(subject, folder, intervals))


def oracle(config: Any, side: int, count: int) -> Subject:
    """Return natural images with three channels, whose score and density are known."""
    process, law, eps = VP(), natural_images((side, side, 3)), config.likelihood.eps
    sample = lambda key: law.sample_at(key, process.alpha(eps), process.sigma(eps))  # noqa: E731
    xs = jax.vmap(sample)(jax.random.split(jax.random.key(4), count))
    density = law.log_density_fn(process)
    truth = np.asarray(jax.jit(jax.vmap(lambda x: density(x, eps)))(xs))
    model = BoundModel(process, law.score_fn(process))
    return Subject(f"natural images, {xs[0].size}", config, lambda _: model, {}, xs, truth)


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


def reference(subject: Subject, folder: Path, intervals: int) -> np.ndarray:
    """Return log densities by the exact trace in nats; read those that the folder has.

    The path has adaptive steps, or this number of intervals if it is not 0.
    """
    even = {"path": "multistep", "intervals": intervals} if intervals else {}
    exact = subject.likelihood("exact", rtol=1e-5, atol=1e-5, **even)
    keys, found, call = jax.random.split(jax.random.key(0), _AT_ONCE), [], None
    for start in range(0, len(subject.xs), _AT_ONCE):
        part = subject.xs[start : start + _AT_ONCE]
        path = folder / f"exact-{digest_arrays((subject.params, part, repr(exact)))}.npz"
        if not path.exists():
            call = call or Program.of(exact, subject, part).call
            write_npz(path, {"nats": np.asarray(call(part, keys[: len(part)]).nats)})
        with np.load(path) as stored:
            found.append(stored["nats"])
    return np.concatenate(found)


def row(title: str, subject: Subject, record: Record) -> dict[str, Any]:
    """Return the figures of one estimator; errors are in bits/dim."""
    in_bits = partial(np.multiply, 1 / (subject.xs[0].size * math.log(2)))
    nats = np.stack([result.nats for result in record.results]).astype(np.float64)
    reported = np.stack([result.standard_error for result in record.results])
    errors = in_bits(subject.truth - nats)
    rms = float(np.sqrt(np.mean(errors**2)))
    return {
        "dataset": subject.name,
        "estimator": title,
        "goal": "image" if rms <= TARGET else None,
        "evaluations": errors.size,
        "seconds_per_image": statistics.median(record.seconds) / nats.shape[1],
        "forward_evaluations": record.mean("nfe"),
        "jvp_evaluations": record.mean("jvps"),
        "rms_error": rms,
        "reported_error": float(in_bits(np.sqrt(np.mean(reported**2)))),
        "bias": float(errors.mean()),
        "bias_standard_error": float(errors.std(ddof=1) / math.sqrt(errors.size)),
        "overhead": statistics.median(record.overheads) if record.overheads else None,
        "compile_seconds": record.program.compile_seconds,
        "temporary_megabytes": record.program.megabytes,
    }


def row_of_mean(
    run: Run, dataset: str, title: str, count: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of the mean of ``count`` test images, 0 for all; errors in bits/dim."""
    name, config = title.split(",")[0], run.experiment.config.copy_and_resolve_references()
    config.eval.num_images = count
    dotted = {f"likelihood.{key}": value for key, value in settings.items()}
    config.update_from_flattened_dict({**_OWN, **dotted, "eval.estimators": (name,)})
    experiment = Experiment(config).with_data(run.experiment.dataset)
    data = evaluated_source(experiment)
    data = data[np.arange(len(data))]
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    params = run.params()
    pilot = evaluator.pilot(params, data.shape[1:])
    found = evaluator(params, data, experiment.streams["eval"], plan=pilot.get("plan"))
    dims = data[0].size * math.log(2)
    return {
        "dataset": dataset,
        "estimator": title,
        "goal": "mean",
        "images": len(data),
        "bits_per_dim": -float(found.nats.mean()) / dims,
        "seconds_per_image": (found.seconds + pilot.get("seconds", 0)) / len(data),
        "forward_evaluations": found.values["nfe"].mean() + pilot.get("nfe", 0) / len(data),
        "jvp_evaluations": found.values["jvps"].mean() + pilot.get("jvps", 0) / len(data),
        "rms_error": float(np.sqrt(np.sum(found.standard_error**2))) / len(data) / dims,
        "bias": -float(found.values["discretization"].mean()) / dims,
        "compile_seconds": found.compile_seconds,
    }


def show_report(report: dict[str, Any]) -> None:
    """Print the table of single images, and a line for each row of the mean."""

    def cells(each: dict[str, Any]) -> dict[str, Any]:
        optional = {"overhead": ".3f", "compile_seconds": ".0f", "temporary_megabytes": ".0f"}
        shown = {
            name: f"{each[name]:{form}}" if each[name] else "-" for name, form in optional.items()
        }
        return each | shown | {"reaches": "yes" if each["goal"] else "no"}

    columns = {
        "estimator": "{estimator}",
        "s/image": "{seconds_per_image:.4f}",
        "values": "{forward_evaluations:.0f}",
        "products": "{jvp_evaluations:.0f}",
        "rms error": "{rms_error:.5f}",
        "reported": "{reported_error:.5f}",
        "bias": "{bias:+.5f} ± {bias_standard_error:.5f}",
        f"reaches {TARGET}": "{reaches}",
        "overhead": "{overhead}",
        "compile s": "{compile_seconds}",
        "memory MB": "{temporary_megabytes}",
    }
    title = f"{report['dataset']}, {report['images']} images, {jax.devices()[0].device_kind}"
    show(title, columns, [cells(each) for each in report["rows"] if each["goal"] != "mean"])
    for each in (each for each in report["rows"] if each["goal"] == "mean"):
        print(
            f"mean of {each['images']} images, {each['estimator']}: "
            f"{each['bits_per_dim']:.5f}, {each['seconds_per_image']:.4f} s an image, "
            f"{each['forward_evaluations']:.0f} values, {each['jvp_evaluations']:.0f} products, "
            f"error {each['rms_error']:.5f}, last refinement {each['bias']:+.5f}"
        )


def main() -> None:
    flags = read_flags(
        __doc__ or "",
        config="configs/digits.py",
        workdir="runs/digits",
        oracle=0,  # the side of natural images
        name="",  # of the model, in the tables; '' for that of the data set
        images=16,
        copies=4,
        seconds=40.0,
        probes=0,
        skip="",
        reference=0,  # 0 for adaptive steps
        mean_images=0,  # 0 for all, -1 for no mean
    )
    store_compiled_programs()
    if flags.oracle:
        run = None
        distinct = oracle(load_config(flags.config), flags.oracle, flags.images)
    else:
        run = load_or_train(flags.config, flags.workdir)
        name = flags.name or run.experiment.dataset.name
        distinct = trained(run, name, flags.images, flags.reference)
    subject = distinct.repeat(flags.copies)

    def repeat(records):
        spent = dict.fromkeys(records, 0.0)
        for seed in itertools.count():
            due = [
                title for title in records if seed < _LEAST_BATCHES or spent[title] < flags.seconds
            ]
            if not due:
                break
            keys = jax.random.split(jax.random.key(seed), len(subject.xs))
            for title in due:
                seconds, _ = timed(lambda: records[title].repeat(subject.xs, keys))  # noqa: B023
                spent[title] += seconds

    scipy = subject.likelihood("scipy", rtol=1e-5, atol=1e-5)
    records = {
        "scipy": Record.of(subject, scipy),
        "ode": Record.of(subject, subject.likelihood("ode")),
    }
    repeat(records)

    def probes(name):  # as many as the error of one asks for, aiming below the target
        aim = _AIM * TARGET
        return flags.probes or math.ceil(
            (row(name, subject, records[name])["rms_error"] / aim) ** 2
        )

    def record(name, **settings):
        return Record.of(subject, subject.likelihood(name, **settings))

    settings = {
        f"scipy, {probes('scipy')} probes": lambda: Record.of(
            subject, scipy, carried=probes("scipy")
        ),
        f"ode, {probes('ode')} probes": lambda: record("ode", probes=probes("ode")),
        "quadrature": lambda: record("quadrature"),
        MULTISTEP: lambda: record("quadrature", **_MULTISTEP),
        "planned": lambda: record("planned", target=TARGET),
        "exact, multistep": lambda: record("exact", path="multistep"),
    }
    skipped = tuple(flags.skip.split(",")) if flags.skip else ()
    others = {title: make() for title, make in settings.items() if not title.startswith(skipped)}
    repeat(others)
    report = {
        "dataset": subject.name,
        "config": flags.config,
        "images": flags.images,
        "target": TARGET,
        "rows": [row(title, subject, each) for title, each in (records | others).items()],
    }
    save(flags.json, report)
    if run and flags.mean_images >= 0:
        of_mean = {
            "quadrature": {},
            MULTISTEP: _MULTISTEP | {"colors": 1},
            "planned": {"target": TARGET_OF_MEAN, "target_of": "mean"},
        }
        for title, settings in of_mean.items():
            found = row_of_mean(run, subject.name, title, flags.mean_images, settings)
            report["rows"].append(found)
            save(flags.json, report)
    show_report(report)


if __name__ == "__main__":
    main()
