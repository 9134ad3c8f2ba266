"""A checkpoint as one file that needs JAX and nothing of this package.

The file is a zip archive of programs that ``jax.export`` wrote, the parameters, ``about.json`` and
a loader, `load_exported`. The same contents and the same zlib give the same bytes.
"""

import hashlib
import importlib.metadata
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array, Bool, Float, Int, Num

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.data import DataError
from gradlog.evaluation.likelihood import Plan, evaluated_source, likelihood_evaluator
from gradlog.evaluation.load_exported import FORMAT, describe
from gradlog.experiment.experiment import Experiment
from gradlog.likelihood import follow, runs_on_host
from gradlog.sde_lib import Absorbing, Discrete
from gradlog.storage import atomic, digest_params, list_versions, replace_nonfinite
from gradlog.storage.state_arrays import copy_arrays, unflatten_arrays

PLATFORMS = ("cpu", "cuda", "tpu")
LOADER = Path(__file__).with_name("load_exported.py")
Params = Mapping[str, Array]  # by dotted name
_ABOUT = "about.json"
_DATE = (1980, 1, 1, 0, 0, 0)  # the first date that an archive can have, whatever today is
# With these, a program holds no source locations, which are paths of this machine.
_NO_LOCATIONS = {
    "jax_traceback_in_locations_limit": 0,
    "jax_hlo_source_file_canonicalization_regex": ".*",
}
_UNITS = {
    "score": "per unit of the model's space; points there, times of the SDE from 0 to t_max",
    "logits": "log probabilities in nats of the token at each position; the mask is number "
    "`levels`, and only masked positions have a meaning; without masks, given the other tokens; "
    "where the file takes a time t, from 0 to 1, they are those at this time",
    "log_density": "terms in nats, whose sum is log P of a datum as stored (a density of "
    "continuous data); bits/dim = -sum / (d log 2)",
}


def export_checkpoint(path: Path, experiment: Experiment, params: Any, step: int) -> Path:
    """Write the score of a checkpoint, and its log density by the first estimator of the config.

    A discrete process has logits in place of the score.

    Raises:
      ConfigError: the estimator runs on the host, or the model has no score.
    """
    if experiment.process.kind in ("neural", "chain"):
        raise ConfigError(
            f"config.sde.name = {experiment.config.sde.name!r} has no score to export; export a "
            "run of another process"
        )
    name, dataset = next(iter(experiment.estimators)), experiment.dataset
    arrays = copy_arrays(params)
    like = jax.tree.map(lambda leaf: 0, params)
    tree = lambda named: unflatten_arrays(named, like)  # noqa: E731
    stored = jnp.dtype("float32" if dataset.levels is None else "int32")
    data, index = (dataset.shape, stored), ((), jnp.int32)
    rows = experiment.eval.batch_size
    with suppress(DataError):  # an imported checkpoint can be exported without its data
        rows = min(rows, len(evaluated_source(experiment)))
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    plan = evaluator.plan(params, dataset.shape)
    # It raises before anything is done.
    log_density = log_density_program(experiment, name, tree, plan)
    if isinstance(experiment.process, Discrete):
        inputs = {"logits.jax": {"x": ["n", *dataset.shape, "int32"]}}
        points = [(dataset.shape, jnp.int32)]
        if not isinstance(experiment.process, Absorbing):
            inputs["logits.jax"]["t"] = ["n", "float32"]
            points.append(((), jnp.float32))
        score = serialize(logits_program(experiment, tree), arrays, *points)
    else:
        inputs = {"score.jax": {"x": ["n", *dataset.shape, "float32"], "t": ["n", "float32"]}}
        points = (dataset.shape, jnp.float32), ((), jnp.float32)
        score = serialize(score_program(experiment, tree), arrays, *points)
    npz, contents = io.BytesIO(), dict[str, Any](arrays)
    np.savez(npz, **contents)  # the same bytes for the same arrays
    parts = {
        next(iter(inputs)): score,
        "log_density.jax": serialize(log_density, arrays, data, index),
        **{
            f"evaluation.{platform}.jax": serialize(
                log_density, arrays, data, index, rows=rows, platforms=(platform,)
            )
            for platform in PLATFORMS
        },
        "parameters.npz": npz.getvalue(),
    }
    settings = lambda section: {  # noqa: E731
        key: value for key, value in experiment.identity.items() if key.startswith(section)
    }
    about = {
        "format": FORMAT,
        "step": step,
        "parameters": digest_params(params),
        "data": {
            "name": dataset.name,
            "shape": dataset.shape,
            "levels": dataset.levels,
            "masks": experiment.process.kind in ("masks", "level_masks"),
            "stored_as": str(stored),
            "fingerprint": dataset.fingerprint,
        },
        "sde": {**settings("sde."), "t_max": float(experiment.initial_process.t_max)},
        "model": settings("model."),
        "estimator": {"name": name, **experiment.estimators[name].settings},
        "seed": experiment.identity["seed"],
        "arguments": {
            **inputs,
            "log_density.jax": {"x": ["n", *dataset.shape, str(stored)], "index": ["n", "int32"]},
            "evaluation.*.jax": {
                "x": ["rows", *dataset.shape, str(stored)],
                "index": ["rows", "int32"],
            },
        },
        "units": _UNITS,
        "rows": rows,
        "platforms": PLATFORMS,
        "versions": list_versions(),
    }
    _write_archive(path, parts, about)
    what, size = next(iter(inputs)).removesuffix(".jax"), path.stat().st_size / 1e6
    terminal.say(f"wrote {path}: {size:.1f} MB, the {what}, and log P by {name} at step {step}")
    return path


def score_program(experiment: Experiment, tree: Callable[[Params], Any]) -> Callable[..., Any]:
    """Return ``(params, x, t) -> score`` of points x (n, *D) of the model's space at times t (n,).

    Args:
      experiment: its model computes in float32.
      tree: returns the parameters by group from the arrays by name.

    Raises:
      ConfigError: the score is that of a path which a latent chooses.
    """
    experiment.require_common_levels("a score at a time")
    model = experiment.model.in_float32()

    def score(
        params: Params, x: Float[Array, "n *D"], t: Float[Array, " n"]
    ) -> Float[Array, "n *D"]:
        with jax.default_matmul_precision("float32"):
            return jax.vmap(model.bind(tree(params)).score)(x, t)

    return score


def logits_program(experiment: Experiment, tree: Callable[[Params], Any]) -> Callable[..., Any]:
    """Return ``(params, x) -> logits`` of tokens x (n, *D), of which some may be the mask.

    Without masks it is ``(params, x, t) -> logits``, with times t (n,).

    Args:
      experiment: its process is discrete.
      tree: returns the parameters by group from the arrays by name.
    """
    model = experiment.model.in_float32()

    def logits(
        params: Params, x: Int[Array, "n *D"], *t: Float[Array, " n"]
    ) -> Float[Array, "n *D levels"]:
        with jax.default_matmul_precision("float32"):
            return jax.vmap(model.bind(tree(params)).logits)(x, *t)

    return logits


def log_density_program(
    experiment: Experiment, name: str, tree: Callable[[Params], Any], plan: Plan = None
) -> Callable[..., Any]:
    """Return ``(params, x, index) -> (terms, ok)``: the terms in nats of log P of data x (n, *D).

    The datum of an index has the draws that an evaluation gives the test datum of that index. The
    estimator follows ``plan``, that of its evaluator for the parameters.

    Raises:
      ConfigError: the estimator runs on the host.
    """
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    if runs_on_host(evaluator.likelihood):
        raise ConfigError(
            f"config.likelihood.name = {name!r} runs on the host and cannot be exported; take 'ode'"
        )
    likelihood = follow(evaluator.likelihood, plan)
    dims = int(np.prod(experiment.dataset.shape))
    stream = experiment.streams["eval"]
    # NumPy arrays become constants of the program; arrays of a device would not.
    root, implementation = np.asarray(jax.random.key_data(stream)), jax.random.key_impl(stream)

    def log_density(
        params: Params, x: Num[Array, "n *D"], index: Int[Array, " n"]
    ) -> tuple[dict[str, Float[Array, " n"]], Bool[Array, " n"]]:
        key = jax.random.wrap_key_data(jnp.asarray(root), impl=implementation)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
        with jax.default_matmul_precision("float32"):
            model = evaluator.model.bind(tree(params))
            found = likelihood(model, x, keys)
        terms = {str(part): nats for part, nats in found.parts.items()}
        if model.log_scale is not None:
            terms["units"] = jnp.full(index.shape, -dims * model.log_scale, jnp.float32)
        # What the run evaluates again on finer steps has no number here.
        return terms, found.ok & ~jnp.asarray(found.refine)

    return log_density


def serialize(
    program: Callable[..., Any],
    params: Mapping[str, Any],
    *arguments: Any,
    rows: int = 0,
    platforms: Sequence[str] = PLATFORMS,
) -> bytes:
    """Return a program as bytes for ``jax.export``.

    With a number of rows and one platform it is compiled as if it had not been exported, to the
    last bit of its rounding. Else shapes and platforms are filled in when it is called.

    Args:
      program: of the parameters and of arrays with a row for each example.
      params: arrays or their shapes.
      arguments: for each further array its shape without the rows, and its type.
      rows: the number of rows; 0 for any number.
      platforms: names of JAX's platforms.

    Raises:
      RuntimeError: the program calls back to Python.
    """
    count = rows or export.symbolic_shape("n")[0]
    specs = [jax.ShapeDtypeStruct((count, *shape), dtype) for shape, dtype in arguments]
    shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in params.items()}
    try:
        with _without_locations():
            lowered = export.export(jax.jit(program), platforms=platforms)(shapes, *specs)
            return bytes(lowered.serialize())
    except NotImplementedError as error:
        raise RuntimeError(
            "the program calls back to Python and cannot be exported: remove its jax.pure_callback "
            "or jax.debug.print; if checks of equinox call, set the environment variable "
            f"EQX_ON_ERROR=nan before it is imported ({error})"
        ) from error


@contextmanager
def _without_locations() -> Iterator[None]:
    before = {name: getattr(jax.config, name) for name in _NO_LOCATIONS}
    for name, value in _NO_LOCATIONS.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _write_archive(path: Path, parts: Mapping[str, bytes], about: Mapping[str, Any]) -> None:
    """Write parts by name, ``about.json`` with their digests, and what loading them needs."""
    parts = {**parts, LOADER.name: LOADER.read_bytes(), **dict(_flatbuffers())}
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    about = json.loads(json.dumps(replace_nonfinite(about), allow_nan=False))
    digests |= {_ABOUT: hashlib.sha256(describe(about, digests)).hexdigest()}
    contents = {**about, "sha256": digests}
    text = json.dumps(contents, indent=2, allow_nan=False) + "\n"
    with atomic(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, part in {_ABOUT: text.encode(), **parts}.items():
            # Parameters do not compress.
            how = zipfile.ZIP_DEFLATED if name.endswith(".jax") else zipfile.ZIP_STORED
            archive.writestr(_entry(name), part, how)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    return entry


def _flatbuffers() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the package that ``jax.export`` needs beside JAX, and its license.

    It is pure Python, a few small files, which Python can import from an archive.
    """
    for file in importlib.metadata.files("flatbuffers") or ():
        if file.parts[0] == "flatbuffers" and file.suffix == ".py":
            yield str(file), file.read_binary()
    # The package comes without the text of its license, Apache 2.0, which is JAX's too.
    (license,) = [f for f in importlib.metadata.files("jax") or () if f.name == "LICENSE"]
    yield "flatbuffers/LICENSE", license.read_binary()
