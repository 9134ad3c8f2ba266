"""A checkpoint's score and log density as one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from gradlog import terminal
from gradlog.data import DataError
from gradlog.run.drivers import evaluated_source
from gradlog.run.exporting.archive import packed, write_archive
from gradlog.run.exporting.load_exported import FORMAT
from gradlog.run.exporting.programs import PLATFORMS, kept, log_density_program, score_program
from gradlog.storage import digest_arrays, versions
from gradlog.storage.layout import arranged, copied

if TYPE_CHECKING:
    from gradlog.experiment.experiment import Experiment
    from gradlog.run.directory import RunDirectory

_UNITS = {
    "score": "per unit of the model's space; points there, times of the SDE from 0 to t_max",
    "log_density": "terms in nats, whose sum is log P of a datum as stored (a density of "
    "continuous data); bits/dim = -sum / (d log 2)",
}


def export_run(run: "RunDirectory", path: Path, step: int) -> Path:
    """Writes a checkpoint's score, and its log density by the first estimator of the config.

    Raises:
      ConfigError: the estimator runs on the host.
    """
    experiment, name = run.experiment, next(iter(run.experiment.estimators))
    params, shape = run.params(step), experiment.dataset.shape
    arrays, like = copied(params), jax.tree.map(lambda leaf: 0, params)
    tree = lambda named: arranged(named, like)  # noqa: E731
    stored = jnp.dtype("float32" if experiment.dataset.levels is None else "int32")
    data, index = (shape, stored), ((), jnp.int32)
    rows = _rows(experiment)
    log_density = log_density_program(experiment, name, tree)  # refused before anything is done
    parts = {
        "score.jax": kept(
            score_program(experiment, tree), arrays, (shape, jnp.float32), ((), jnp.float32)
        ),
        "log_density.jax": kept(log_density, arrays, data, index),
        **{
            f"evaluation.{platform}.jax": kept(
                log_density, arrays, data, index, rows=rows, platforms=(platform,)
            )
            for platform in PLATFORMS
        },
        "parameters.npz": packed(arrays),
    }
    write_archive(path, parts, _about(run, name, step, params, str(stored), rows))
    size = path.stat().st_size / 1e6
    terminal.say(f"wrote {path}: {size:.1f} MB, the score, and log P by {name} at step {step}")
    return path


def _rows(experiment: "Experiment") -> int:
    """Of a batch of the evaluation on one device, whose program is kept as well."""
    size = experiment.eval.batch_size
    try:
        return min(size, len(evaluated_source(experiment)))
    except DataError:  # an imported checkpoint can be exported where its data are not
        return size


def _about(
    run: "RunDirectory", name: str, step: int, params: Any, stored: str, rows: int
) -> dict[str, Any]:
    """What the file holds, for its reader."""
    experiment, dataset = run.experiment, run.experiment.dataset
    settings = lambda section: {  # noqa: E731
        key: value for key, value in experiment.identity.items() if key.startswith(section)
    }
    return {
        "format": FORMAT,
        "step": step,
        "parameters": digest_arrays(params),
        "data": {
            "name": dataset.name,
            "shape": dataset.shape,
            "levels": dataset.levels,
            "stored_as": stored,
            "fingerprint": dataset.fingerprint,
        },
        "sde": {**settings("sde."), "t_max": float(experiment.sde.t_max)},
        "model": settings("model."),
        "estimator": {"name": name, **experiment.estimators[name].settings},
        "seed": experiment.identity["seed"],
        "arguments": {
            "score.jax": {"x": ["n", *dataset.shape, "float32"], "t": ["n", "float32"]},
            "log_density.jax": {"x": ["n", *dataset.shape, stored], "index": ["n", "int32"]},
            "evaluation.*.jax": {"x": ["rows", *dataset.shape, stored], "index": ["rows", "int32"]},
        },
        "units": _UNITS,
        "rows": rows,
        "platforms": PLATFORMS,
        "versions": versions(),
    }
