"""Read the command line: each word once, and one line for a mistake.

Nothing here imports JAX, so that a mistake is reported at once.
"""

import ast
import contextlib
import dataclasses
import difflib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gradlog import aliases, terminal
from gradlog.cli.modes import MODES, NOTHING, RUN, WORKDIR
from gradlog.config_error import UsageError
from gradlog.configs import default
from gradlog.experiment.keys import flatten
from gradlog.experiment.loading import SHIPPED, find_file, load_config
from gradlog.experiment.schema import (
    check_key,
    check_range,
    expected_type,
    find_problem_in_value,
    suggest_key,
)

HELP = ("help", "helpfull", "helpshort", "h")
PUBLISHED = ("score_sde", "score_flow")  # folders of experiments whose checkpoints can be imported
_TRUTH = {
    **dict.fromkeys(("true", "t", "1", "yes"), True),
    **dict.fromkeys(("false", "f", "0", "no"), False),
}


def _flag(default: Any, meaning: str, *, kind: type = str, choices: tuple[str, ...] = ()) -> Any:
    about = {"help": meaning, "kind": kind, "choices": choices}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Options:
    """The wishes of a command line: a field for each flag, and the configuration.

    Attributes:
      overrides: the values of ``--config.key=value`` by dotted key.
      config: the configuration with its overrides; None for modes that read none.
      notes: what the user should know about the command line.
      topic: what ``--help`` is about, '' for everything; None without ``--help``.
    """

    mode: str = _flag("train", "What to do: one of the modes.", choices=tuple(MODES))
    workdir: str = _flag("", "The folder of the run: written by train, read by eval and sample.")
    config_file: str = _flag(
        "",
        "The experiment: a file of configs/, FILE or FILE:ARGUMENT. Optional for an existing "
        "workdir. Override its keys with --config.section.key=value.",
    )
    steps: str = _flag("", "Checkpoints to read: 100,200 or all; the newest by default.")
    against: str = _flag("", "With --mode=compare: the folder of another run.")
    summary: str = _flag("", "With --mode=eval: a JSON file for all results.")
    sweep: str = _flag("", "With --mode=sweep: a file of configs/sweeps/.")
    jobs: int = _flag(
        0, "With --mode=sweep: runs at the same time; 0 is one, or one on each GPU.", kind=int
    )
    launcher: str = _flag("local", "With --mode=sweep: local or slurm.", choices=("local", "slurm"))
    dry_run: bool = _flag(
        False, "With --mode=sweep: show the runs without starting them.", kind=bool
    )
    source: str = _flag(
        "",
        "With --mode=import: a checkpoint of score_sde or score_flow. With --mode=compress: "
        "images, by default the test set. With --mode=decompress: a compressed file.",
    )
    output: str = _flag(
        "",
        "With --mode=compress: the file to write. With --mode=decompress: a folder for PNG images, "
        "or an .npz file.",
    )
    distributed: bool = _flag(
        False, "Join the other hosts that SLURM, Open MPI or a TPU names.", kind=bool
    )
    coordinator: str | None = _flag(None, "Join other hosts by hand: HOST:PORT of the first.")
    num_hosts: int | None = _flag(None, "With --coordinator: the number of hosts.", kind=int)
    host: int | None = _flag(None, "With --coordinator: the number of this host, from 0.", kind=int)
    join_seconds: int = _flag(300, "How long to wait for the other hosts at the start.", kind=int)
    heartbeat_seconds: int = _flag(
        30, "How long a host may be silent before it counts as lost.", kind=int
    )
    overrides: Mapping[str, Any] = field(default_factory=dict)
    config: ConfigDict | None = None
    notes: tuple[str, ...] = ()
    topic: str | None = None

    @property
    def overridden(self) -> tuple[str, ...]:
        """The dotted keys that the command line sets."""
        return tuple(self.overrides)

    @property
    def several_hosts(self) -> bool:
        """True if other hosts take part."""
        return self.distributed or self.coordinator is not None

    def check(self) -> None:
        """Check that the flags fit the mode.

        Raises:
          UsageError: names the flag.
        """
        mode = MODES[self.mode]
        for owner, other in MODES.items():
            for name in set(other.flags) - set(mode.flags):
                if getattr(self, name) != FLAGS[name].default:
                    raise UsageError(
                        f"--{name} goes with --mode={owner}, not with --mode={self.mode}"
                    )
        if self.steps and not mode.reads_steps:
            advice = "; the length of a training is --config.training.steps"
            raise UsageError(
                f"--steps selects checkpoints, and --mode={self.mode} does not read it"
                + advice * (self.mode == "train")
            )
        if self.mode == "import" and not self.source:
            raise UsageError(
                "--mode=import needs --source=FILE, a checkpoint of score_sde or score_flow"
            )
        if self.mode in ("compress", "decompress") and not self.output:
            raise UsageError(f"--mode={self.mode} needs --output: what to write")
        if self.mode == "decompress" and not self.source:
            raise UsageError("--mode=decompress needs --source=FILE, a compressed file")
        if self.mode == "sweep":
            if not self.sweep:
                raise UsageError(
                    "--mode=sweep needs --sweep=FILE; --mode=configs lists the shipped sweeps"
                )
            if find_file(self.sweep) is None:
                raise UsageError(
                    f"--sweep: there is no file {self.sweep}; --mode=configs lists the shipped ones"
                )
        if self.jobs < 0:
            raise UsageError(f"--jobs={self.jobs} must be a number of runs, or 0")
        if self.several_hosts and not mode.several_hosts:
            raise UsageError(f"--mode={self.mode} runs on one host: start it without the others")
        if mode.reads != NOTHING and not self.workdir:
            raise UsageError(
                "--workdir is missing: name the folder of the run (--help has examples)"
            )


# By name as on the command line; the field ``config_file`` is the flag ``--config``.
FLAGS = {
    each.name.removesuffix("_file"): each
    for each in dataclasses.fields(Options)
    if "help" in each.metadata
}
DEFAULTS = dict(flatten(default.get_config()))


def read_flags(arguments: Sequence[str]) -> Options:
    """Return the options of a command line; ``read_config`` adds the configuration.

    Args:
      arguments: its words, without the program's name.

    Raises:
      UsageError: a word is not a flag, a flag is unknown, or it has no value or a wrong one.
      ConfigError: there is no such key.
    """
    values: dict[str, Any] = {}
    texts_of: dict[str, list[str]] = {}
    notes: list[str] = []
    words = deque(arguments)
    while words:
        word = words.popleft()
        name, equals, text = word.lstrip("-").partition("=")
        if not word.startswith("-") or not name:
            raise UsageError(f"{word!r} is not a flag; flags begin with --")
        if name in HELP:
            follows = bool(words) and not equals and _is_topic(words[0])
            topic = words.popleft() if follows else text
            values["topic"] = values.get("topic") or topic.removeprefix("--mode=")
            continue
        negated, name = _split_negation(name)
        if name.startswith("config."):
            key, found = aliases.modern_key(name.removeprefix("config."))
            notes += found
            check_key(key)
            kind = type(DEFAULTS[key])
        elif name in FLAGS:
            key, kind = "", FLAGS[name].metadata["kind"]
        else:
            raise UsageError(_unknown_flag(name))
        if kind is bool and not equals:
            text = str(not negated)
        elif negated:
            raise UsageError(f"{word}: --{name} is not a yes-or-no flag; say --{name}=VALUE")
        elif not equals:
            if not words or words[0].startswith("--"):
                before = f" before {words[0]}" if words else ""
                raise UsageError(f"--{name} has no value{before}: say --{name}=VALUE")
            text = words.popleft()
        if key:
            texts_of.setdefault(key, []).append(text)
        else:
            values[FLAGS[name].name] = _convert_flag(name, text)
    overrides = {}
    for key, texts in texts_of.items():
        overrides[key], found = aliases.modern_value(key, _convert_key(key, texts))
        notes += found
    return Options(**values, overrides=overrides, notes=tuple(dict.fromkeys(notes)))


def _is_topic(word: str) -> bool:
    """Return whether the word after ``--help`` is its topic, and not another flag."""
    if word.startswith("--mode="):
        return True
    return word not in ("--config", "--workdir") and not (word.startswith("--") and "=" in word)


def _split_negation(name: str) -> tuple[bool, str]:
    """Return whether a flag is negated, as ``nodry_run`` and ``noconfig.key``, and its name."""
    bare = name.removeprefix("no")
    negated = name != bare and name not in FLAGS and (bare in FLAGS or bare.startswith("config."))
    return negated, bare if negated else name


def _unknown_flag(name: str) -> str:
    near = next(iter(difflib.get_close_matches(name, [*FLAGS, HELP[0]], n=1)), "")
    if not near and (key := suggest_key(name)):
        near = f"config.{key}"
    return f"--{name} is unknown; {f'did you mean --{near}? ' * bool(near)}--help lists the flags"


def _convert_flag(name: str, text: str) -> Any:
    about = FLAGS[name].metadata
    if about["choices"] and text not in about["choices"]:
        raise UsageError(f"--{name}={text} is unknown; choose one of {', '.join(about['choices'])}")
    value = _convert(about["kind"], [text])
    if value is None:
        wanted = "a whole number" if about["kind"] is int else "True or False"
        raise UsageError(f"--{name}={text} must be {wanted}")
    return value


def _convert_key(key: str, texts: list[str]) -> Any:
    """Return the value of a key, with the type of its default."""
    text, value = texts[-1], _convert(type(DEFAULTS[key]), texts)
    if value is None:
        shown = repr(text if len(text) <= 80 else f"{text[:80]}...")
        raise UsageError(f"config.{key} = {shown} must be {expected_type(key)}")
    if problem := find_problem_in_value(key, value):
        raise UsageError(problem)
    return value


def _convert(kind: type, texts: list[str]) -> Any:
    """Return a value of a type; None for a text that is none.

    Tuples may be given at once, ``(1,2)``, or by several flags. Else the last flag counts.
    """
    text = texts[-1]
    if kind is tuple:
        parts = [_tuple(text) for text in texts]
        return None if None in parts else tuple(item for part in parts for item in part or ())
    if kind is bool:
        return _TRUTH.get(text.lower())
    for convert in (kind, *([partial(int, base=0)] if kind is int else ())):  # then also 0x10
        with contextlib.suppress(ValueError):
            return convert(text)
    return None


def _tuple(text: str) -> tuple | None:
    """Return ``(1, 2)`` for '(1,2)', '1,2' or '[1,2]', and ``('ode',)`` for 'ode'."""
    try:
        value = ast.literal_eval(text)
    except ValueError:
        value = text  # a name, or names with commas between them
    except (SyntaxError, MemoryError, RecursionError):
        if "," in text or " " in text:
            return None
        value = text  # such as a path
    if isinstance(value, list | tuple):
        return tuple(value)
    return None if isinstance(value, dict | set) else (value,)


def read_config(options: Options) -> Options:
    """Return the options with the configuration that the mode reads, overrides applied.

    Without ``--config`` it is that of the workdir; for a sweep that of the sweep's file, and for an
    import that of the published experiment that the checkpoint fits.

    Raises:
      UsageError: there is no configuration.
      ConfigError: its file is not valid.
    """
    if MODES[options.mode].reads != RUN:
        if MODES[options.mode].reads == WORKDIR and (options.config_file or options.overrides):
            terminal.say(
                f"note: --mode={options.mode} reads the workdir alone; --config changes nothing"
            )
        return options
    notes = list(options.notes)
    path = options.config_file
    if not path and options.mode == "import":
        path = _find_published(options.source)
        notes.append(f"{options.source} has the network of {path}")
    elif not path and options.mode == "sweep":
        path = options.sweep  # it has a base configuration of its own
    elif not path:
        saved = Path(options.workdir).expanduser() / "config.json"
        if not saved.is_file():
            raise UsageError(
                f"{options.workdir} is not a workdir yet: say --config=FILE to begin one"
            )
        path = str(saved)
    config = load_with_overrides(path, options.overrides)
    return dataclasses.replace(options, config=config, notes=tuple(notes))


def load_with_overrides(path: str, overrides: Mapping[str, Any]) -> ConfigDict:
    """Return the configuration of a file with the values of the command line.

    Raises:
      ConfigError: the file is not valid, or a number lies outside of its range.
    """
    config = load_config(path)
    for key, value in overrides.items():  # now: other values may be computed from them
        check_range(key, value)
    config.update_from_flattened_dict(overrides)
    return config.lock()


def _find_published(source: str) -> str:
    """Return the file of the published experiment whose network a checkpoint has.

    Raises:
      CheckpointError: no experiment fits.
      UsageError: several do.
    """
    from gradlog.evaluation.import_checkpoint import matching_experiments
    from gradlog.experiment.build import dataset_spec
    from gradlog.experiment.experiment import Experiment

    folders = [SHIPPED / name for name in PUBLISHED]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    names = [file.relative_to(SHIPPED.parent).as_posix() for file in files]
    models = {}
    for name in names:
        config = load_config(name)
        spec = dataset_spec(config)
        if spec is not None:  # the shapes of published data are known without them
            models[name] = Experiment(config).model, spec.shape
    found = matching_experiments(source, models)
    if len(found) > 1:
        raise UsageError(
            f"several experiments have the network of {source}; choose one of "
            + " or ".join(f"--config={name}" for name in found)
        )
    return found[0]
