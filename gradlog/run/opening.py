"""What a workdir's folder and a configuration make of each other."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.data import UNKNOWN, Dataset, late
from gradlog.experiment.build import build, check_config, data_or_shape, known_shape, load_dataset
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.saved import defaults, get_config
from gradlog.storage import Workdir, WorkdirError

# Sections of a configuration that are of evaluation alone.
_OF_EVALUATION = ("likelihood", "eval")


def opened(
    path: str | Path,
    config: ConfigDict | None,
    kept: Collection[str],
    load: Callable[[ConfigDict], Dataset] | None,
) -> tuple[Workdir, ConfigDict, Experiment]:
    """A workdir, its configuration and what that builds; see ``RunDirectory.open``."""
    workdir = Workdir(Path(path).expanduser())
    if load is None:
        load = load_dataset if config is not None else partial(_when_needed, workdir)
    if config is None:
        config = saved_config(path)
    if config.get("compat"):
        trained = saved_config(path) if workdir.exists() else None
        config = resolve_compat(config, kept, trained)
    check_config(config)  # before the data, which may take long to come
    experiment = build(config, load(config))
    workdir.check(experiment.identity, defaults())
    return workdir, config, experiment


def _when_needed(workdir: Workdir, config: ConfigDict) -> Dataset:
    """The data of a workdir, loaded at their first use where their shape is known without them.

    What cannot be had is not missed before that.
    """
    known = known_shape(config)
    fingerprint = workdir.identity.get("data.fingerprint", UNKNOWN)
    if known is None or fingerprint == UNKNOWN:
        return data_or_shape(config)
    return late(replace(known, fingerprint=fingerprint), lambda: load_dataset(config))


def saved_config(path: str | Path) -> ConfigDict:
    """The configuration that a workdir was made with.

    Raises:
      WorkdirError: there is none.
    """
    workdir = Workdir(Path(path).expanduser())
    if not workdir.exists():
        raise WorkdirError(f"{path} is not a workdir: it has no config.json")
    return get_config(str(workdir.config))


def evaluated_like(path: str | Path, config: ConfigDict) -> ConfigDict:
    """The configuration of a workdir with another one's settings of evaluation."""
    found = saved_config(path)
    with found.unlocked():
        for section in _OF_EVALUATION:
            found[section] = config[section]
        found.compat = ""  # what that one's preset set is in those settings already
    return found
