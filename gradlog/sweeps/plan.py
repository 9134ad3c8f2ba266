"""What is to be run: overrides of a base configuration, checked before anything runs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from gradlog.experiment import loading
from gradlog.experiment.build import IDENTITY, NOT_IDENTITY, check_config
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.reader import ConfigError
from gradlog.experiment.saved import defaults, tuples
from gradlog.experiment.schema import complaint, unknown_key
from gradlog.storage import DamagedFileError, read_json, write_json
from gradlog.storage.workdir import digest
from gradlog.sweeps.errors import SweepError

SEED = "seed"
# Of training, what decides the parameters that come out.
_TRAINED = ("compat", "training.steps", "training.batch_size", "training.max_skips")
_MOST_RUNS = 10_000  # of a sweep; more come of a sweep() that never ends
_LONGEST_NAME = 60  # characters, without the digest


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
      name: of its folder; the same for the same training and overrides, whatever else is swept.
      overrides: values by dotted key, beside the base configuration.
    """

    name: str
    overrides: Mapping[str, Any]

    @property
    def setting(self) -> dict[str, Any]:
        """The overrides but the seed: what runs that are averaged have in common."""
        return {key: value for key, value in self.overrides.items() if key != SEED}


@dataclass(frozen=True)
class Plan:
    """A sweep, as it is written to ``sweep.json``.

    Attributes:
      file: where its ``sweep()`` is.
      title: the first line of that file's docstring.
      config: the base configuration.
      given: its dotted keys that the command line named.
      runs: in the order of the file.
    """

    file: str
    title: str
    config: Mapping[str, Any]
    given: tuple[str, ...]
    runs: tuple[PlannedRun, ...]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The dotted keys that are swept, in the order of the file."""
        return tuple(dict.fromkeys(key for run in self.runs for key in run.overrides))

    def label(self, overrides: Mapping[str, Any]) -> str:
        """Overrides in few words, such as ``sde=ve weighting=edm``; 'base' for none."""
        names = short_names(self.keys)
        return (
            " ".join(f"{names[key]}={_shown(value)}" for key, value in overrides.items()) or "base"
        )

    def shown(self, run: PlannedRun, key: str) -> str:
        """A key's value in a table; '' where it is not overridden, but for the seed."""
        if key == SEED:
            return str(self.config_of(run).seed)
        return _shown(run.overrides[key]) if key in run.overrides else ""

    @property
    def not_trained_by(self) -> list[str]:
        """Swept keys that decide nothing of the training, where runs differ in these alone."""
        trained = {digest(_decisive(self.config_of(run))) for run in self.runs}
        return (
            [key for key in self.keys if not _decides(key)] if len(trained) < len(self.runs) else []
        )

    def config_of(self, run: PlannedRun) -> ConfigDict:
        """The whole configuration of a run, with the preset of ``config.compat`` unresolved."""
        return _overridden(ConfigDict(dict(self.config)), run.overrides)

    def settings_of(self, run: PlannedRun) -> str:
        """Tells the configuration of a run from any other."""
        return digest(_unlike_defaults(self.config_of(run)))

    def save(self, path: Path) -> None:
        """Writes it."""
        runs = [{"name": run.name, "overrides": dict(run.overrides)} for run in self.runs]
        write_json(path, {**vars(self), "runs": runs})


def read_plan(path: Path) -> Plan:
    """The plan of a sweep that has begun.

    Raises:
      SweepError: there is none.
      DamagedFileError: it is something else.
    """
    if not path.is_file():
        raise SweepError(f"{path.parent} is not the folder of a sweep: it has no {path.name}")
    found = read_json(path)
    try:
        runs = tuple(PlannedRun(run["name"], tuples(run["overrides"])) for run in found["runs"])
        config, given = tuples(found["config"]), tuple(found["given"])
        return Plan(found["file"], found["title"], config, given, runs)
    except (LookupError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{path} is damaged: it is no plan of a sweep") from error


def make_plan(file: str, config: ConfigDict, given: Sequence[str] = ()) -> Plan:
    """The runs of a sweep's file.

    Args:
      file: has ``sweep()``, which gives overrides.
      config: the base.
      given: dotted keys of the base that the command line named.

    Raises:
      ConfigFileError: the file cannot be read.
      SweepError: an override that cannot be, one that is there twice, or none at all; the message
        names it.
    """
    title, overrides = _read(file)
    if not overrides:
        raise SweepError(f"--sweep: sweep() of {file} gives no overrides: there is nothing to run")
    runs = tuple(_planned(file, config, given, each) for each in overrides)
    plan = Plan(file, title, config.to_dict(), tuple(given), runs)
    _check_different(plan)
    return plan


def slurm_settings(file: str) -> dict[str, Any]:
    """What a sweep's file asks of SLURM, in submitit's words: what its ``slurm()`` gives, if any.

    Raises:
      ConfigFileError: the file cannot be read.
      SweepError: it gives something else.
    """
    with loading.told("sweep", file):
        namespace = loading.load("sweep", file)
        found = namespace["slurm"]() if "slurm" in namespace else {}
    if not isinstance(found, dict):
        raise SweepError(f"--sweep: slurm() of {file} returns {type(found).__name__}, not a dict")
    return found


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """A short name for each dotted key: of a name its section, else its last part, if free."""
    keys = list(keys)
    short = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    free = {name for name in short if short.count(name) == 1}
    return {key: name if name in free else key for key, name in zip(keys, short, strict=True)}


def _read(file: str) -> tuple[str, list[dict[str, Any]]]:
    """The first line of the file's docstring, and its overrides."""
    with loading.told("sweep", file):
        namespace = loading.load("sweep", file)
        found = list(islice(loading.call("sweep", file, namespace, "sweep"), _MOST_RUNS + 1))
    if len(found) > _MOST_RUNS:
        raise SweepError(f"--sweep: sweep() of {file} gives more than {_MOST_RUNS} overrides")
    for each in found:
        if not isinstance(each, dict) or not all(isinstance(key, str) for key in each):
            raise SweepError(
                f"--sweep: sweep() of {file} gives {each!r}: an override is a dict such as "
                "{'sde.name': 've'}"
            )
    return str(namespace.get("__doc__") or "").strip().partition("\n")[0], found


def _planned(
    file: str, base: ConfigDict, given: Sequence[str], overrides: Mapping[str, Any]
) -> PlannedRun:
    """A run with its name.

    Raises:
      SweepError: its configuration cannot be.
    """
    try:
        config = _overridden(base, overrides)
        check_config(resolve_compat(config, {*given, *overrides}))
    except ConfigError as error:
        raise SweepError(f"--sweep={file}: {dict(overrides)}: {error}") from error
    return PlannedRun(_name(config, overrides), dict(overrides))


def _overridden(base: ConfigDict, overrides: Mapping[str, Any]) -> ConfigDict:
    """A copy of the base with these values.

    Raises:
      ConfigError: a key is unknown, or a value of another type.
    """
    for key in overrides:
        _check_key(base, key)
    values = base.to_dict()
    for key, value in overrides.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[last] = value
    if said := complaint(values):
        raise ConfigError(said)
    return ConfigDict(values)


def _check_key(base: ConfigDict, key: str) -> None:
    node: Any = base
    parts = key.split(".")
    for depth, part in enumerate(parts):
        parent = ".".join(["config", *parts[:depth]])
        if not isinstance(node, ConfigDict):
            raise ConfigError(f"{parent} is a value, it has no key {part!r}")
        if part not in node:
            raise ConfigError(unknown_key(parent, part, node))
        node = node[part]
    if isinstance(node, ConfigDict):
        raise ConfigError(f"config.{key} is a section: override one of its keys {sorted(node)}")


def _name(config: ConfigDict, overrides: Mapping[str, Any]) -> str:
    """In words, and a digest of all that decides what is trained."""
    words = "_".join(_word(key, value) for key, value in overrides.items())[:_LONGEST_NAME]
    return "-".join(filter(None, [words, digest(_decisive(config) | dict(overrides))]))


def _decisive(config: ConfigDict) -> dict[str, Any]:
    """What decides the parameters that are trained, by dotted key."""
    return {key: value for key, value in _unlike_defaults(config).items() if _decides(key)}


def _decides(key: str) -> bool:
    return key.startswith((*IDENTITY, *_TRAINED)) and key not in NOT_IDENTITY


def _word(key: str, value: Any) -> str:
    last = key.rpartition(".")[2]
    word = _shown(value) if last == "name" else f"{last}-{_shown(value)}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-")


def _shown(value: Any) -> str:
    """A value in a table: numbers drawn at random have many digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _unlike_defaults(config: ConfigDict) -> dict[str, Any]:
    """By dotted key, as JSON has them: a key that is younger than a sweep changes nothing in it."""
    values, usual = flatten_dict(config.to_dict(), sep="."), defaults()
    return json.loads(json.dumps({k: v for k, v in values.items() if v != usual[k]}))


def _check_different(plan: Plan) -> None:
    seen: set[str] = set()
    for run in plan.runs:
        settings = plan.settings_of(run)
        if settings in seen:
            raise SweepError(
                f"--sweep: sweep() of {plan.file} gives the same run twice: {dict(run.overrides)}"
            )
        seen.add(settings)
