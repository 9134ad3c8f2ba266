"""Checkpoints of score_sde and score_flow, made into workdirs of this package."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.data import DatasetSpec
from gradlog.evaluation.score_training import retention_of, state_spec
from gradlog.experiment.experiment import Experiment
from gradlog.models import DiffusionModel
from gradlog.storage import (
    CheckpointError,
    Checkpoints,
    OfficialState,
    Workdir,
    WorkdirError,
    find_mismatches,
    fit_arrays,
    read_official,
    write_json,
)
from gradlog.training import NETWORK, TrainState
from gradlog.training.workdir_training import lock_workdir

# By process: the parametrization and the noise labels of score_sde and score_flow. A file does not
# say what the output of its network is, or how it labels noise. With other settings it fits, and
# the score is wrong.
_NOISE, _SCORE = ("noise", ("time", "step")), ("score", ("sigma", "ladder"))
_CONVENTIONS = {"vp": _NOISE, "subvp": _NOISE, "ddpm": _NOISE, "ve": _SCORE}
# Fields of networks on which no parameter's shape depends.
_NO_SHAPE = {
    *("parent", "name", "dropout", "dtype", "remat", "nonlinearity", "init_scale", "fourier_scale"),
    *("centered", "scale_by_sigma", "sigma_min", "sigma_max", "skip_rescale"),
    "trainable_embedding",
}


def import_checkpoint(
    workdir: Workdir, config: ConfigDict, experiment: Experiment, source: str | Path
) -> int:
    """Make a folder a workdir with the state of a file as its checkpoint; return its step.

    Parameters, their average, Adam's moments and the number of steps are taken over, so that
    evaluation, sampling and training resume from there. Further training has the data order and the
    random numbers of this package.

    Args:
      workdir: a folder that is no workdir yet.
      config: the configuration that the checkpoint was trained with.
      experiment: built from it.
      source: the msgpack file.

    Raises:
      CheckpointError: there is no such file, or it does not fit the config; the message names the
        parameters.
      ConfigError: no such checkpoint has these settings; the message names the keys.
      WorkdirError: the folder is a workdir already.
    """
    # An import that was killed before its checkpoint leaves less than this, and may be repeated.
    if Checkpoints(workdir.checkpoints).steps() or workdir.metrics.exists():
        raise WorkdirError(f"{workdir.root} is a workdir already; choose another --workdir")
    check_conventions(config)
    path = Path(source).expanduser()
    found = read_official(path)
    state = train_state(found, state_spec(experiment))
    with lock_workdir(workdir.root):
        facts = DatasetSpec.of(experiment.dataset).facts()
        workdir.claim(config.to_dict(), experiment.identity, found.step, data_facts=facts)
        imported = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "step": found.step,
            "learning_rate": found.learning_rate,
            "ema_decay": found.ema_decay,
        }
        write_json(workdir.root / "imported.json", imported)
        # The run has its name from the claim.
        keep = retention_of(experiment.training)
        checkpoints = Checkpoints(workdir.checkpoints, keep, workdir.run)
        checkpoints.save(found.step, state)
        checkpoints.close()
    count = sum(np.size(array) for array in found.ema_params.values())
    terminal.say(f"imported {path.name}: step {found.step}, {count:,} parameters")
    for name in ("learning_rate", "ema_decay"):
        there, here = getattr(found, name), config.optimizer[name]
        if not np.isclose(there, here, rtol=1e-5):
            terminal.say(
                f"note: it was trained with {name} = {there:.6g}; training resumes with "
                f"config.optimizer.{name} = {here:.6g}"
            )
    terminal.say(f"wrote {workdir.root}; --mode=eval, sample and train resume from there")
    return found.step


def check_conventions(config: ConfigDict) -> None:
    """Check that score_sde or score_flow could have trained with these settings.

    Raises:
      ConfigError: they could not; the message names the keys, with their possible values.
    """
    process, network = config.sde.name, config.model.name
    allowed = {"sde.name": tuple(_CONVENTIONS), "model.name": ("ddpm", "ncsnpp", "ncsnv2")}
    if process in _CONVENTIONS:
        parametrization, labels = _CONVENTIONS[process]
        # Of the networks for VE only ncsnpp can be labeled with sigma.
        labels = labels if network == "ncsnpp" or process != "ve" else ("ladder",)
        allowed |= {"model.parametrization": (parametrization,), "model.label": labels}
    if network == "ncsnv2":
        allowed |= {"sde.name": ("ve",)}
    if network == "ncsnpp":
        fourier = config.model.label == "sigma"
        allowed["model.embedding_type"] = ("fourier",) if fourier else ("positional",)
    wrong = []
    for key, values in allowed.items():
        section, name = key.split(".")
        if config[section][name] not in values:
            choices = " or ".join(map(repr, values))
            wrong.append(f"config.{key} = {config[section][name]!r} must be {choices}")
    if wrong:
        raise ConfigError(f"for a checkpoint of score_sde or score_flow {'; '.join(wrong)}")


def train_state(found: OfficialState, like: TrainState) -> TrainState:
    """Return the state of the file in the structure of another state.

    Raises:
      CheckpointError: it does not fit; the message names the parameters.
    """
    network = like.params[NETWORK]
    params = fit_arrays(found.params, network, "the parameters")
    opt_state = optax.tree_utils.tree_set(
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like.opt_state[NETWORK]),
        count=np.asarray(found.updates, np.int32),
        mu=fit_arrays(found.mean, network, "Adam's means"),
        nu=fit_arrays(found.mean_square, network, "Adam's mean squares"),
    )
    ema = fit_arrays(found.ema_params, network, "the averaged parameters")
    step, skipped = np.asarray(found.step, np.int32), np.zeros((), np.int32)
    params, ema, opt_state = ({NETWORK: tree} for tree in (params, ema, opt_state))
    return TrainState(step, params, ema, opt_state, skipped)  # pyright: ignore[reportArgumentType]


def matching_experiments(
    source: str | Path, models: Mapping[str, tuple[DiffusionModel, tuple[int, ...]]]
) -> list[str]:
    """Return the names of the experiments whose network has the parameters of a checkpoint.

    Several experiments can share a network: the file does not say in what they differ.

    Args:
      source: the msgpack file.
      models: the model and the shape of an example, by name of the experiment.

    Raises:
      CheckpointError: there is no such file, or no network fits it.
    """
    params = read_official(Path(source).expanduser()).ema_params
    by_shapes: dict[str, list[str]] = {}
    for name, (model, shape) in models.items():
        network = model.network
        fields = [(f.name, getattr(network, f.name)) for f in dataclasses.fields(network) if f.init]
        shaping = [field for field in fields if field[0] not in _NO_SHAPE]
        by_shapes.setdefault(str((type(network), shaping, shape)), []).append(name)
    fitting = set()
    with terminal.progress("comparing networks", 0, len(by_shapes)) as update:
        for done, names in enumerate(by_shapes.values(), start=1):  # each network is traced once
            model, shape = models[names[0]]
            spec = jax.eval_shape(lambda m=model, s=shape: m.init(jax.random.key(0), s))
            if not find_mismatches(params, spec[NETWORK]):
                fitting |= set(names)
            update(done, "")
    if fitting:
        return [name for name in models if name in fitting]
    first, count = next(iter(params.items())), sum(np.size(array) for array in params.values())
    raise CheckpointError(
        f"{source} is of no published network: it has {len(params)} arrays of {count:,} numbers, "
        f"such as {first[0]} of shape {np.shape(first[1])}; say --config=FILE, with overrides such "
        "as --config.model.nf=64, and the parameters that do not fit will be named"
    )
