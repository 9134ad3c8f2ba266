"""The plan of a sweep: which runs it has, checked before any of them starts."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from gradlog import aliases, terminal
from gradlog.config_error import ConfigError, UserError
from gradlog.experiment import loading
from gradlog.experiment.build import check_config
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.keys import identifies_workdir
from gradlog.experiment.loading import defaults, to_tuples
from gradlog.experiment.schema import check_key, find_problem
from gradlog.storage import DamagedFileError, read_json, write_json
from gradlog.storage.workdir import digest

SEED, LABEL = "seed", "label"
# The keys of training that decide which parameters come out.
_TRAINING_KEYS = (
    *("compat", "training.steps", "training.batch_size", "training.max_skips"),
    *("optimizer.decay_steps", "optimizer.warmup"),
)
_MAX_RUNS = 10_000  # A sweep() with more overrides probably never ends.
_MAX_NAME_LENGTH = 60  # characters, without the digest


class SweepError(UserError, ValueError):
    """A sweep that cannot run. The message names its file or folder."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
      name: the name of its folder. Runs with the same training and the same overrides have the
        same name in every sweep.
      overrides: values by dotted key that replace those of the base configuration.
      label: what the file calls this setting in tables and folders; '' where it gives no label.
    """

    name: str
    overrides: Mapping[str, Any]
    label: str = ""

    @property
    def setting(self) -> dict[str, Any]:
        """The overrides without the seed: what the runs of one average have in common."""
        return {key: value for key, value in self.overrides.items() if key != SEED}


@dataclass(frozen=True)
class Plan:
    """A sweep as ``sweep.json`` stores it.

    Attributes:
      file: the file that defines ``sweep()``.
      title: the first line of that file's docstring.
      config: the base configuration.
      command_line_keys: dotted keys of the base configuration that were set on the command line.
      runs: the runs in the order of the file.
    """

    file: str
    title: str
    config: Mapping[str, Any]
    command_line_keys: tuple[str, ...]
    runs: tuple[PlannedRun, ...]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The dotted keys that the sweep varies, in the order of the file."""
        return tuple(dict.fromkeys(key for run in self.runs for key in run.overrides))

    def describe(self, run: PlannedRun) -> str:
        """Return a run's label, or a short description such as ``sde=ve weighting=edm``.

        It leaves out the seed. No overrides are 'base'.
        """
        names = shorten_keys(self.keys)
        words = [f"{names[key]}={_format(value)}" for key, value in run.setting.items()]
        return run.label or " ".join(words) or "base"

    def cell(self, run: PlannedRun, key: str) -> str:
        """Return the value of a key for a table.

        It is '' where the run does not override the key. Every run has a seed.
        """
        if key == SEED:
            return str(self.build_config(run).seed)
        return _format(run.overrides[key]) if key in run.overrides else ""

    @property
    def keys_without_effect_on_training(self) -> list[str]:
        """The swept keys that do not change training, if some runs differ in these keys only."""
        trainings = {digest(_training_settings(self.build_config(run))) for run in self.runs}
        if len(trainings) == len(self.runs):
            return []
        return [key for key in self.keys if not _affects_training(key)]

    def build_config(self, run: PlannedRun) -> ConfigDict:
        """Return the complete configuration of a run. A preset in ``config.compat`` stays as is."""
        return _apply_overrides(ConfigDict(dict(self.config)), run.overrides)

    def settings_digest(self, run: PlannedRun) -> str:
        """Return a digest of the run's configuration; different configurations differ in it."""
        return digest(aliases.old_settings(_changed_settings(self.build_config(run))))

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        runs = [
            {"name": run.name, "overrides": dict(run.overrides)}
            | ({LABEL: run.label} if run.label else {})
            for run in self.runs
        ]
        plan = {"file": self.file, "title": self.title, "config": self.config}
        write_json(path, plan | {"given": self.command_line_keys, "runs": runs})


def read_plan(path: Path) -> Plan:
    """Read the plan of a sweep that was started before.

    Raises:
      SweepError: the folder has no plan.
      DamagedFileError: the file holds something else.
    """
    if not path.is_file():
        raise SweepError(f"{path.parent} is not the folder of a sweep: it has no {path.name}")
    stored = read_json(path)
    try:
        runs = tuple(
            PlannedRun(
                run["name"],
                aliases.modern_settings(to_tuples(run["overrides"])),
                run.get(LABEL, ""),
            )
            for run in stored["runs"]
        )
        flat = flatten_dict(to_tuples(stored["config"]), sep=".", keep_empty_nodes=True)
        config = unflatten_dict(aliases.modern_settings(flat), sep=".")
        keys = tuple(aliases.modern_settings(dict.fromkeys(stored["given"])))
        return Plan(stored["file"], stored["title"], config, keys, runs)
    except (LookupError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{path} is damaged: it is not the plan of a sweep") from error


def make_plan(file: str, config: ConfigDict, command_line_keys: Sequence[str] = ()) -> Plan:
    """Return the plan that a sweep's file describes, with every configuration checked.

    A line on the terminal names each key that has no effect on some of the runs.

    Args:
      file: a Python file with a function ``sweep()`` that returns overrides. An override may have
        a 'label' beside its keys.
      config: the base configuration.
      command_line_keys: dotted keys of the base that were set on the command line.

    Raises:
      ConfigFileError: the file cannot be read.
      SweepError: an override is invalid or occurs twice, or there are none. The message names it.
    """
    with loading.as_one_line("sweep", file):
        namespace = loading.load("sweep", file)
        # Overrides may come from a generator: the time limit covers its code too.
        found = list(islice(loading.call("sweep", file, namespace, "sweep"), _MAX_RUNS + 1))
    if not found:
        raise SweepError(f"--sweep: sweep() of {file} gives no overrides: there is nothing to run")
    if len(found) > _MAX_RUNS:
        raise SweepError(f"--sweep: sweep() of {file} gives more than {_MAX_RUNS} overrides")
    runs, digests, settings_of, unread = [], set(), {}, Counter()
    for overrides in found:
        if not isinstance(overrides, dict) or not all(isinstance(key, str) for key in overrides):
            raise SweepError(
                f"--sweep: sweep() of {file} gives {overrides!r}: an override is a dict such as "
                "{'sde.name': 've'}"
            )
        label = overrides.get(LABEL, "")
        if not isinstance(label, str):
            raise SweepError(
                f"--sweep: sweep() of {file} gives the label {label!r}: expected a str"
            )
        overrides = aliases.modern_settings({k: v for k, v in overrides.items() if k != LABEL})
        try:
            full = _apply_overrides(config, overrides)
            experiment = check_config(resolve_compat(full, {*command_line_keys, *overrides}))
        except ConfigError as error:
            raise SweepError(f"--sweep={file}: {overrides}: {error}") from error
        settings = digest(aliases.old_settings(_changed_settings(full)))
        if settings in digests:
            raise SweepError(f"--sweep: sweep() of {file} gives the same run twice: {overrides}")
        digests.add(settings)
        unread.update(key for key in overrides if key not in experiment.keys_read)
        if label:
            setting = {key: value for key, value in overrides.items() if key != SEED}
            if settings_of.setdefault(label, setting) != setting:
                raise SweepError(
                    f"--sweep: sweep() of {file} gives the label {label!r} two settings"
                )
        seed = {key: value for key, value in overrides.items() if key == SEED}
        named = {LABEL: label} | seed if label else overrides
        words = "_".join(_word(key, value) for key, value in named.items())
        training = digest(aliases.old_settings(_training_settings(full) | overrides))
        name = "-".join(filter(None, [words[:_MAX_NAME_LENGTH], training]))
        runs.append(PlannedRun(name, overrides, label))
    for key, count in unread.items():
        where = f"{count} of {len(runs)} runs"
        terminal.say(f"note: config.{key} is not read by {where}; it changes nothing there")
    title = str(namespace.get("__doc__") or "").strip().partition("\n")[0]
    return Plan(file, title, config.to_dict(), tuple(command_line_keys), tuple(runs))


def keep_old_names(plan: Plan, old: Plan) -> Plan:
    """Return the plan with the folder names of an older plan for the runs that both have.

    The digest at the end of a name identifies a run; its words changed their spelling once.
    """
    names = {run.name.rpartition("-")[2]: run.name for run in old.runs}
    runs = tuple(
        replace(run, name=names.get(run.name.rpartition("-")[2], run.name)) for run in plan.runs
    )
    return replace(plan, runs=runs)


def read_slurm_settings(file: str) -> dict[str, Any]:
    """Return the parameters for submitit that the file's function ``slurm()`` gives; {} without it.

    Raises:
      ConfigFileError: the file cannot be read.
      SweepError: ``slurm()`` does not return a dict.
    """
    with loading.as_one_line("sweep", file):
        namespace = loading.load("sweep", file)
        settings = namespace["slurm"]() if "slurm" in namespace else {}
    if not isinstance(settings, dict):
        returned = type(settings).__name__
        raise SweepError(f"--sweep: slurm() of {file} returns {returned}, expected a dict")
    return settings


def shorten_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return a short name for each dotted key.

    It is the section for keys such as 'sde.name', otherwise the last part. A key stays as it is
    where two keys would share a short name.
    """
    keys = list(keys)
    short = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    return {
        key: name if short.count(name) == 1 else key for key, name in zip(keys, short, strict=True)
    }


def _apply_overrides(base: ConfigDict, overrides: Mapping[str, Any]) -> ConfigDict:
    """Return a copy of the base configuration with other values.

    Raises:
      ConfigError: a key is unknown, or its value has another type.
    """
    for key in overrides:
        check_key(key)
    values = unflatten_dict({**flatten_dict(base.to_dict(), sep="."), **overrides}, sep=".")
    if problem := find_problem(values):
        raise ConfigError(problem)
    return ConfigDict(values)


def _changed_settings(config: ConfigDict) -> dict[str, Any]:
    """Return the values that differ from the defaults, by dotted key, as JSON stores them.

    A key that is newer than a sweep has its default there and changes no digest.
    """
    values, default = flatten_dict(config.to_dict(), sep="."), defaults()
    return json.loads(json.dumps({k: v for k, v in values.items() if v != default[k]}))


def _training_settings(config: ConfigDict) -> dict[str, Any]:
    """Return the changed settings that decide which parameters are trained."""
    return {key: v for key, v in _changed_settings(config).items() if _affects_training(key)}


def _affects_training(key: str) -> bool:
    return identifies_workdir(key) or key in _TRAINING_KEYS


def _word(key: str, value: Any) -> str:
    """Return an override as a part of a folder's name."""
    last = key.rpartition(".")[2]
    word = _format(value) if last in ("name", LABEL) else f"{last}-{_format(value)}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-")


def _format(value: Any) -> str:
    # Random draws have many digits.
    return f"{value:.4g}" if isinstance(value, float) else str(value)
