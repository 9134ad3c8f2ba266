"""Which experiment a checkpoint is of, by the names and shapes of its parameters."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.experiment.build import shape_of_data
from gradlog.experiment.parts import build_model
from gradlog.experiment.reader import Reader
from gradlog.storage import CheckpointError, misfits, read_official

# Fields of networks that no parameter's shape depends on.
_NO_SHAPE = {
    *("parent", "name", "dropout", "dtype", "remat", "nonlinearity", "init_scale", "fourier_scale"),
    *(
        "centered",
        "scale_by_sigma",
        "sigma_min",
        "sigma_max",
        "skip_rescale",
        "trainable_embedding",
    ),
}


def experiments_of(source: str | Path, configs: Mapping[str, ConfigDict]) -> list[str]:
    """The names of the configs whose network has just the parameters of an official checkpoint.

    Several experiments share a network: what they differ in is not in the file.

    Args:
      source: the msgpack file.
      configs: whole configurations, by name; the shapes of their data are known without the data.

    Raises:
      CheckpointError: no such file, or no config's network fits it.
    """
    params = read_official(Path(source).expanduser()).ema_params
    fitting = [name for name, fits in _fitting(params, configs).items() if fits]
    if fitting:
        return fitting
    first, count = next(iter(params.items())), sum(np.size(array) for array in params.values())
    raise CheckpointError(
        f"{source} is of no published network: it has {len(params)} arrays of {count:,} numbers, "
        f"such as {first[0]} of shape {np.shape(first[1])}; say --config=FILE, with overrides such "
        "as --config.model.nf=64, and what does not fit will be named"
    )


def _fitting(params: dict, configs: Mapping[str, ConfigDict]) -> dict[str, bool]:
    """Whether the parameters fit, by name of the config; each kind of network is traced once."""
    groups: dict[str, list[str]] = {}
    for name, config in configs.items():
        groups.setdefault(_shapes_key(config), []).append(name)
    found = {}
    with terminal.progress("comparing networks", 0, len(groups)) as update:
        for done, names in enumerate(groups.values(), start=1):
            fits = not misfits(params, _abstract_params(configs[names[0]]))
            found |= dict.fromkeys(names, fits)
            update(done, "")
    return found


def _abstract_params(config: ConfigDict):
    model, shape = build_model(Reader(config)), shape_of_data(config).shape
    return jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))


def _shapes_key(config: ConfigDict) -> str:
    """The same for configs whose parameters have the same shapes."""
    network = build_model(Reader(config)).network
    fields = [(f.name, getattr(network, f.name)) for f in dataclasses.fields(network) if f.init]
    shaping = [field for field in fields if field[0] not in _NO_SHAPE]
    return str((type(network), shaping, shape_of_data(config).shape))
