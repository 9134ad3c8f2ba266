"""What a run is, in a few lines for a notebook."""

import json
from typing import TYPE_CHECKING

import jax

from gradlog.evaluation.results import RESULT
from gradlog.storage import read_sealed

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory


def describe(run: "RunDirectory") -> str:
    """A line for each: data, SDE, network, how far it is trained, bits/dim that are there."""
    rows = {
        "data": _data(run),
        "SDE": run.config.sde.name,
        "network": _network(run),
        "trained": _trained(run),
        "bits/dim": _bits(run),
    }
    told = "".join(f"\n  {name:<9} {text}" for name, text in rows.items())
    return f"RunDirectory({str(run.workdir.root)!r}){told}"


def _data(run: "RunDirectory") -> str:
    dataset = run.experiment.dataset
    values = "continuous" if dataset.levels is None else f"{dataset.levels} levels"
    return f"{dataset.name}, {dataset.shape}, {values}"


def _network(run: "RunDirectory") -> str:
    model, shape = run.experiment.model, run.experiment.dataset.shape
    params = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    return f"{run.config.model.name}, {count:,} parameters"


def _trained(run: "RunDirectory") -> str:
    steps = run.checkpoints.steps()
    if not steps:
        return "no checkpoint yet"
    listed = ", ".join(str(step) for step in steps[-5:])
    older = "" if len(steps) <= 5 else f"{len(steps) - 5} older, "
    return f"{steps[-1]} of {run.config.training.steps} steps; checkpoints {older}{listed}"


def _bits(run: "RunDirectory") -> str:
    """Of the newest step that has a result."""
    found = run.workdir.root.glob(f"eval/*/*/{RESULT}")
    by_step = sorted((int(path.parts[-3]), path) for path in found if path.parts[-3].isdigit())
    newest = [path for step, path in by_step if step == by_step[-1][0]]
    told = [text for path in newest if (text := _one(path))]
    return f"{'; '.join(told)} at step {by_step[-1][0]}" if told else "not evaluated yet"


def _one(path) -> str:
    """One result in words; '' of a damaged one, which is told where it is used."""
    try:
        found = read_sealed(path)
        value, error = float(found["bits_per_dim"]), float(found["standard_error"])
    except (OSError, ValueError, TypeError, LookupError, json.JSONDecodeError):
        return ""
    return f"{value:.4f} ± {error:.4f} ({found['estimator']})"
