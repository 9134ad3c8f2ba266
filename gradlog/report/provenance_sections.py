"""The sections of a run's page about its configuration, its provenance, and how to repeat it."""

from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from gradlog.experiment.keys import Key, flatten, keys
from gradlog.report.formatting import format_command, format_overrides
from gradlog.report.page import (
    CODE,
    TEXT,
    Block,
    Definitions,
    Fold,
    Lines,
    Missing,
    Paragraph,
    Table,
)
from gradlog.report.run_folder import RunFolder, attempt, load_settings
from gradlog.sde_lib import DISCRETE_PROCESSES
from gradlog.storage import read_json

_NEW_WORKDIR = "runs/again"


def describe_config(folder: RunFolder) -> str:
    """Describe the run in one line."""
    config = folder.config
    if config is None:
        return "no readable configuration"
    model, objective = config.model.name, config.objective.name
    if config.sde.name in DISCRETE_PROCESSES:  # they have no parametrization and no weighting
        words = (config.data.name, f"process {config.sde.name}", model, objective)
    else:
        words = (
            config.data.name,
            f"SDE {config.sde.name}",
            f"{model} ({config.model.parametrization})",
            f"{objective}, weighting {config.objective.weighting}",
        )
    return " · ".join(words)


def show_configuration(folder: RunFolder) -> list[Block]:
    """Show the differences from ``configs/default.py``, and all keys in a fold."""
    config, notes = folder.read_config
    if config is None:
        command = format_command(folder.root, "--mode=train")
        return notes or [Missing("There is no configuration; training writes it.", command)]
    rows = [(key.name, repr(value), _strip(key.meaning)) for key, value in _list_keys(config)]
    columns = (("key", CODE), ("value", CODE), ("meaning", TEXT))
    whole = Fold(f"All {len(rows)} keys", [Table("The whole configuration", columns, rows)])
    return [show_config_differences(config), whole]


def show_config_differences(config: ConfigDict) -> Block:
    """Show the keys whose values differ from ``configs/default.py``."""
    columns = (("key", CODE), ("value", CODE), ("default", CODE), ("meaning", TEXT))
    rows = [
        (key.name, repr(value), repr(key.default), _strip(key.meaning))
        for key, value in _list_keys(config)
        if value != key.default
    ]
    if not rows:
        return Paragraph("It is configs/default.py without changes.")
    return Table(f"{len(rows)} differences from configs/default.py", columns, rows)


def show_provenance(folder: RunFolder) -> list[Block]:
    """Show the data's fingerprint, the seed, the devices, and the versions of packages."""
    if not folder.workdir.provenance.is_file():
        return [Missing("There is no provenance.json; training writes it.")]
    stored = read_json(folder.workdir.provenance)
    identity, result = stored["identity"], folder.headline
    rows = [
        ("data", f"{identity['data.name']}, fingerprint {identity['data.fingerprint']}"),
        ("seed", str(identity["seed"])),
        ("run", str(stored.get("run", "has no name"))),  # Old runs have none.
    ]
    versions = {f"from step {n}": each for n, each in stored["versions_from_step"].items()}
    if result is not None:
        devices = str(load_settings(result).get("devices", ""))
        rows.append(("devices of the evaluation", devices))
        versions["evaluation"] = result.summary["versions"]
    blocks: list[Block] = [Definitions(rows)]
    path = folder.root / "imported.json"
    if path.is_file():
        source, notes = attempt(lambda: dict(read_json(path)))
        blocks += notes
        if source:
            rows = [(name, str(value)) for name, value in source.items()]
            blocks += [Paragraph("It was imported:"), Definitions(rows)]
    packages = dict.fromkeys(name for each in versions.values() for name in each)
    cells = [(name, *(each.get(name, "") for each in versions.values())) for name in packages]
    columns = [("package", CODE), *((title, CODE) for title in versions)]
    newest = stored["versions"]
    title = f"Versions: Python {newest.get('python', '')}, jax {newest.get('jax', '')}"
    return [*blocks, Fold(title, [Table("Versions of packages", columns, cells)])]


def show_commands(folder: RunFolder) -> list[Block]:
    """Show the commands that repeat the run without any of its files."""
    config = folder.config
    if config is None:
        return [Missing("Without a configuration there is no command that repeats the run.")]
    settings = [(k.name, value) for k, value in _list_keys(config) if value != k.default]
    flags = ("--mode=train", "--config=configs/default.py")
    commands = [format_command(_NEW_WORKDIR, *flags, overrides=format_overrides(settings))]
    # One command evaluates all steps and estimators that have the same settings.
    own = dict(flatten(config))
    evaluations: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for result in folder.results:

        def read_overrides(result: Any = result) -> tuple[str, ...]:
            # JSON stores tuples as lists.
            settings = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in load_settings(result).items()
            }
            foreign = [(k, v) for k, v in settings.items() if own.get(k, v) != v]
            return tuple(format_overrides(foreign))

        overrides, _ = attempt(read_overrides)
        if overrides is not None:
            pair = (result.summary["step"], result.summary["estimator"])
            evaluations.setdefault(overrides, []).append(pair)
    for overrides, pairs in evaluations.items():
        steps = ",".join(dict.fromkeys(str(step) for step, _ in pairs))
        estimators = ",".join(dict.fromkeys(name for _, name in pairs))
        overrides = (f"--config.eval.estimators={estimators}", *overrides)
        flags = ("--mode=eval", f"--steps={steps}")
        commands.append(format_command(_NEW_WORKDIR, *flags, overrides=overrides))
    text = (
        "Run these commands in the root of the repository. They contain the configuration key by "
        "key, so you need no file of this run. Paths of data are those of the original machine."
    )
    return [Paragraph(text), Lines("\n".join(commands))]


def _list_keys(config: ConfigDict) -> Iterator[tuple[Key, Any]]:
    known = keys()
    return ((known.get(name, Key(name, None, "")), value) for name, value in flatten(config))


def _strip(meaning: str) -> str:
    """Remove the marks of code."""
    return meaning.replace("`", "")
