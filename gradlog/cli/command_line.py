"""Reading the command line: one line for every mistake, before anything heavy is imported."""

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from gradlog.cli.modes import MODES, NOTHING, RUN
from gradlog.experiment import loading, saved
from gradlog.experiment.schema import ConfigFileError, complaint, unknown_key

CONFIGS = Path(__file__).parents[2] / "configs"
SAVED = Path(saved.__file__)
HELP = ("help", "helpfull", "helpshort", "h")
PUBLISHED = ("score_sde", "score_flow")  # the folders of the codes whose checkpoints can be read

flags.DEFINE_enum("mode", "train", list(MODES), "What to do: one of the modes.")
flags.DEFINE_string("workdir", None, "The run's folder: made by train, read by eval and sample.")
flags.DEFINE_string("steps", "", "Checkpoints to read: 100,200 or all; '' the newest.")
flags.DEFINE_string("against", "", "With --mode=compare: another run's folder.")
flags.DEFINE_string("summary", "", "With --mode=eval: a JSON file for all results.")
flags.DEFINE_string("sweep", "", "With --mode=sweep: a file of configs/sweeps/.")
flags.DEFINE_integer("jobs", 0, "With --mode=sweep: runs at once; 0 for one, or one on each GPU.")
flags.DEFINE_enum("launcher", "local", ["local", "slurm"], "With --mode=sweep: local or slurm.")
flags.DEFINE_bool("dry_run", False, "With --mode=sweep: show what would be run, and run nothing.")
flags.DEFINE_string("source", "", "With --mode=import: a checkpoint of score_sde or score_flow.")
flags.DEFINE_bool("distributed", False, "Join the other hosts that SLURM, Open MPI or TPUs name.")
flags.DEFINE_string("coordinator", None, "Join other hosts by hand: HOST:PORT of the first.")
flags.DEFINE_integer("num_hosts", None, "With --coordinator: how many hosts there are.")
flags.DEFINE_integer("host", None, "With --coordinator: the number of this one, from 0.")
flags.DEFINE_integer("join_seconds", 300, "How long to wait for the other hosts at the start.")
flags.DEFINE_integer("heartbeat_seconds", 30, "How long a host may be silent before it is lost.")
CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "The experiment: a file of configs/. Optional for a workdir that exists. "
    "Override keys with --config.section.key=value.",
    lock_config=True,
)


# (a checkpoint's file, configs by name) -> names of those that it fits.
Finder = Callable[[str, dict[str, ConfigDict]], list[str]]


class UsageError(ValueError):
    """A command line that cannot be understood."""


def parse(argv: list[str], experiments_of: Finder) -> list[str]:
    """Parses flags for ``absl.app.run``; a mistake ends the process with status 2 and one line.

    Args:
      argv: the arguments, the program's name first.
      experiments_of: tells which of some configs a checkpoint of another code fits; asked where an
        import is given no config.
    """
    logging.set_verbosity(logging.WARNING)  # libraries' notes are not the user's
    try:
        if _asks_for_help(argv):
            _help(argv)
        return flags.FLAGS(_complete(argv, experiments_of))
    except flags.Error as error:
        fail(_first_line(error))
    except (UsageError, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def fail(message: str) -> NoReturn:
    """Says what was wrong in one line and ends with status 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def several_hosts(argv: list[str]) -> bool:
    """Whether other hosts are to take part, before absl has parsed the flags."""
    if any(argument.lstrip("-") == "distributed" for argument in argv[1:]):
        return True
    asked = value(argv, "distributed") not in (None, "false", "False", "0")
    return asked or value(argv, "coordinator") is not None


def overridden(argv: list[str]) -> list[str]:
    """The dotted keys that ``--config.key=value`` arguments name."""
    named = [argument.lstrip("-").split("=")[0] for argument in argv if argument.startswith("-")]
    keys = [name.removeprefix("no") if name.startswith("noconfig.") else name for name in named]
    return [key.removeprefix("config.") for key in keys if key.startswith("config.")]


def _complete(argv: list[str], experiments_of: Finder) -> list[str]:
    """The arguments with --config filled in from the workdir where it is not given; checked."""
    workdir, reads = value(argv, "workdir"), _reads(argv)
    if not workdir and reads != NOTHING:
        raise UsageError("--workdir is missing: name the folder of the run (--help has examples)")
    if not workdir or reads != RUN:
        return argv
    path = value(argv, "config")
    if path is None and value(argv, "mode") == "import":
        path = _config_of(value(argv, "source"), experiments_of)
        argv = [argv[0], f"--config={path}", *argv[1:]]
    if path is None and value(argv, "mode") == "sweep":
        path = value(argv, "sweep")  # which has a base configuration of its own
        if not path:
            raise UsageError(
                "--mode=sweep needs --sweep=FILE; the shipped ones are configs/sweeps/"
            )
        if not Path(path).is_file():
            raise UsageError(f"--sweep: there is no file {path}; see configs/sweeps/")
        argv = [argv[0], f"--config={path}", *argv[1:]]
    if path is None:
        saved = Path(os.path.expanduser(workdir)) / "config.json"
        if not saved.is_file():
            raise UsageError(f"{workdir} is not a workdir yet: say --config=FILE to begin one")
        path = f"{SAVED}:{saved}"
        argv = [argv[0], f"--config={path}", *argv[1:]]
    config = load_config(path)
    if said := complaint(config):
        raise UsageError(f"--config={path}: {said}")
    _check_keys(config, overridden(argv))
    _check_values(argv, config)
    return argv


def _reads(argv: list[str]) -> str:
    """What the mode reads; a mode that there is not is told when the flags are parsed."""
    mode = MODES.get(value(argv, "mode") or "train")
    return RUN if mode is None else mode.reads


def _config_of(source: str | None, experiments_of: Finder) -> str:
    """The published experiment that a checkpoint is of; raises UsageError if it is not one."""
    if not source:
        raise UsageError(
            "--mode=import needs --source=FILE, a checkpoint of score_sde or score_flow"
        )
    files = [str(file) for name in PUBLISHED for file in sorted((CONFIGS / name).rglob("*.py"))]
    try:
        found = experiments_of(source, {file: load_config(file) for file in files})
    except ValueError as error:
        raise UsageError(str(error)) from error
    if len(found) > 1:
        raise UsageError(
            f"several experiments have the network of {source}; say which: "
            + " or ".join(f"--config={file}" for file in found)
        )
    print(f"{source} has the network of {found[0]}", file=sys.stderr)
    return found[0]


def load_config(path: str) -> ConfigDict:
    """The configuration of `FILE` or `FILE:ARGUMENT`; raises UsageError if there is none."""
    file, _, argument = path.partition(":")
    try:
        with loading.told("config", path):
            namespace = loading.load("config", file)
            given = [argument] if argument else []
            config = loading.call("config", file, namespace, "get_config", *given)
    except ConfigFileError as error:
        raise UsageError(str(error)) from error
    if not isinstance(config, ConfigDict):
        raise UsageError(f"--config: get_config() of {file} returns {type(config).__name__}")
    return config


def _check_keys(config: ConfigDict, keys: list[str]) -> None:
    for key in keys:
        node, parts = config, key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(node, ConfigDict) or part not in node:
                raise UsageError(_unknown_key(node, ".".join(["config", *parts[:depth]]), part))
            node = node[part]


def _check_values(argv: list[str], config: ConfigDict) -> None:
    """Raises UsageError for a flag that would, in absl, take the flag after it for its value."""
    for argument, following in itertools.pairwise(argv[1:]):
        lacks_value = argument.startswith("--") and "=" not in argument
        if lacks_value and following.startswith("--") and _takes_value(argument[2:], config):
            raise UsageError(f"{argument} has no value before {following}: say {argument}=VALUE")


def _takes_value(name: str, config: ConfigDict) -> bool:
    if name in flags.FLAGS:
        return not flags.FLAGS[name].boolean
    found: Any = config
    for part in name.removeprefix("config.").split("."):
        found = found.get(part) if isinstance(found, ConfigDict) else None
    return name.startswith("config.") and found is not None and not isinstance(found, bool)


def _unknown_key(node: object, parent: str, part: str) -> str:
    if not isinstance(node, ConfigDict):
        return f"{parent} is a value, it has no key {part!r}"
    return unknown_key(parent, part, node)


def _asks_for_help(argv: list[str]) -> bool:
    return any(argument.lstrip("-").split("=")[0] in HELP for argument in _flags_of(argv))


def _help(argv: list[str]) -> NoReturn:
    """Shows the help that was asked for, and ends with status 0."""
    from gradlog.cli.guide.overview import show_help, unknown_topic

    topics = [_topic(argv, name) for name in HELP]
    topic = next(filter(None, topics), "")
    if said := unknown_topic(topic):
        raise UsageError(said)
    path = value(argv, "config")
    show_help(topic, _with_overrides(argv, path) if path else None)
    raise SystemExit(0)


def _with_overrides(argv: list[str], path: str) -> ConfigDict:
    """A configuration with the values that ``--config.key=value`` arguments give it."""
    config = load_config(path)
    given = [each for each in _flags_of(argv) if each.lstrip("-").startswith("config.")]
    given = [each for each in given if "=" in each or not _takes_value(each.lstrip("-"), config)]
    _check_keys(config, overridden(given))
    flags.FLAGS([argv[0], f"--config={path}", *given])
    return CONFIG.value


def _topic(argv: list[str], name: str) -> str:
    """What follows --help, with or without a '='; not another flag."""
    found = (value(argv, name) or "").removeprefix("--mode=")
    return "" if found == "--config" or (found.startswith("--") and "=" in found) else found


def _flags_of(argv: list[str]) -> list[str]:
    return [argument for argument in argv[1:] if argument.startswith("-")]


def value(argv: list[str], name: str) -> str | None:
    """The last value of a flag, before absl has parsed it."""
    found = None
    for position, argument in enumerate(argv):
        key, equals, value = argument.partition("=")
        if argument.startswith("-") and key.lstrip("-") == name:
            following = argv[position + 1 : position + 2]
            found = value if equals else (following[0] if following else None)
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
