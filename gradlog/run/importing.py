"""Checkpoints of score_sde and score_flow made into workdirs of this project."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.run.directory import RunDirectory
from gradlog.run.drivers import initial_state
from gradlog.run.holding import held
from gradlog.storage import OfficialState, WorkdirError, fitted, read_official, write_json
from gradlog.training import TrainState

# By process: the parametrization and the labels of score_sde and score_flow. What the network's
# output is, and what it was told, is not in the file: with others it fits, and the score is wrong.
_NOISE, _SCORE = ("noise", ("time", "step")), ("score", ("sigma", "ladder"))
_CONVENTIONS = {"vp": _NOISE, "subvp": _NOISE, "ddpm": _NOISE, "ve": _SCORE}


def import_official(run: RunDirectory, source: str | Path) -> int:
    """Makes the run's folder a workdir with the file's state as its checkpoint.

    Parameters, their average, Adam's moments and the number of steps are taken over, so that
    evaluation, sampling and training go on from there. The order of the data and the random numbers
    of further training are this project's.

    Args:
      run: of the config that the checkpoint was trained with; its folder is no workdir yet.
      source: the msgpack file.

    Returns:
      The step of the checkpoint.

    Raises:
      CheckpointError: no such file, or it does not fit the config; the parameters are named.
      ConfigError: the config has conventions that no such checkpoint has; the keys are named.
      WorkdirError: the folder is a workdir already.
    """
    if _is_begun(run):
        raise WorkdirError(f"{run.workdir.root} is a workdir already; choose another --workdir")
    check_conventions(run.config)
    path = Path(source).expanduser()
    found = read_official(path)
    state = train_state(found, jax.eval_shape(lambda: initial_state(run.experiment)))
    with held(run.workdir.root):
        run.workdir.claim(run.config.to_dict(), run.experiment.identity, found.step)
        write_json(run.workdir.root / "imported.json", _provenance(path, found))
        checkpoints = run.checkpoints  # after the claim, which names the run
        checkpoints.save(found.step, state)
        checkpoints.close()
    _say(run, path, found)
    return found.step


def _is_begun(run: RunDirectory) -> bool:
    """Whether there is more than an import leaves that was killed before its checkpoint."""
    return bool(run.checkpoints.steps()) or run.workdir.metrics.exists()


def check_conventions(config: ConfigDict) -> None:
    """Checks that score_sde or score_flow could have trained what the config says.

    Raises:
      ConfigError: they could not; the keys are named, with what they must be.
    """
    reader = Reader(config)
    wrong = [
        f"config.{key} = {reader.get(key)!r} must be {' or '.join(map(repr, choices))}"
        for key, choices in _conventions(reader).items()
        if reader.get(key) not in choices
    ]
    if wrong:
        raise ConfigError(f"for a checkpoint of score_sde or score_flow {'; '.join(wrong)}")


def _conventions(reader: Reader) -> dict[str, tuple[str, ...]]:
    """The values that the official codes have, by key."""
    process, network = reader.get("sde.name"), reader.get("model.name")
    found = {"sde.name": tuple(_CONVENTIONS), "model.name": ("ddpm", "ncsnpp", "ncsnv2")}
    if process in _CONVENTIONS:
        parametrization, labels = _CONVENTIONS[process]
        # Only ncsnpp can be told a sigma.
        labels = labels if network == "ncsnpp" or process != "ve" else ("ladder",)
        found |= {"model.parametrization": (parametrization,), "model.label": labels}
    if network == "ncsnv2":
        found |= {"sde.name": ("ve",)}
    if network == "ncsnpp":
        sigma = reader.get("model.label") == "sigma"
        found["model.embedding_type"] = ("fourier",) if sigma else ("positional",)
    return found


def train_state(found: OfficialState, like: TrainState) -> TrainState:
    """The file's state in the structure of another.

    Raises:
      CheckpointError: it does not fit; the parameters are named.
    """
    params = fitted(found.params, like.params, "the parameters")
    counts = np.asarray(found.updates, np.int32)
    opt_state = optax.tree_utils.tree_set(
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like.opt_state),
        count=counts,
        mu=fitted(found.mean, like.params, "Adam's means"),
        nu=fitted(found.mean_square, like.params, "Adam's mean squares"),
    )
    ema_params = fitted(found.ema_params, like.params, "the averaged parameters")
    step, skipped = np.asarray(found.step, np.int32), np.zeros((), np.int32)
    return TrainState(step, params, ema_params, opt_state, skipped)  # pyright: ignore[reportArgumentType]


def _provenance(path: Path, found: OfficialState) -> dict[str, Any]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "step": found.step,
        "learning_rate": found.learning_rate,
        "ema_decay": found.ema_decay,
    }


def _say(run: RunDirectory, path: Path, found: OfficialState) -> None:
    count = sum(np.size(array) for array in found.ema_params.values())
    terminal.say(f"imported {path.name}: step {found.step}, {count:,} parameters")
    for note in _differences(run.config, found):
        terminal.say(f"note: {note}")
    terminal.say(f"wrote {run.workdir.root}; --mode=eval, sample and train go on from there")


def _differences(config: ConfigDict, found: OfficialState) -> list[str]:
    """Settings of the file's training that further training would not have."""
    reader = Reader(config)
    pairs = {
        name: (getattr(found, name), reader.get(f"optimizer.{name}"))
        for name in ("learning_rate", "ema_decay")
    }
    return [
        f"it was trained with {name} = {there:.6g}; training goes on with "
        f"config.optimizer.{name} = {here:.6g}"
        for name, (there, here) in pairs.items()
        if not np.isclose(there, here, rtol=1e-5)
    ]
