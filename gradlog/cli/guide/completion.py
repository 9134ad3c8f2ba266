"""Completion of the command line in bash and zsh: one script, made from what is here.

It is a list of words: flags, and what may follow each after its '='. Files are completed by the
shell. The words are of the program that printed them: after an update it is printed again.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from gradlog.cli.guide.experiments import experiments
from gradlog.cli.modes import MODES
from gradlog.experiment.keys import Key, keys, sections

_SCRIPT = Path(__file__).with_name("completion.bash")


def script() -> str:
    """The script, for ``eval "$(python main.py --mode=completion)"``."""
    words = "\n".join(sorted(set(_words())))
    return _SCRIPT.read_text().replace("@WORDS@", shlex.quote(words))


def _words() -> Iterator[str]:
    """Everything that can be typed, to its '=' where a value is free."""
    for flag in flags.FLAGS.flags_by_module_dict().get("gradlog.cli.command_line", []):
        yield from _of_flag(flag)
    for key in keys().values():
        yield from _of_key(key)
    yield from ("--help", *(f"--help={name}" for name in (*MODES, *filter(None, sections()))))
    for experiment in experiments():
        flag = "sweep" if experiment.folder == "sweeps" else "config"
        yield f"--{flag}={experiment.file}"


def _of_flag(flag: flags.Flag) -> Iterator[str]:
    name = f"--{flag.name}"
    if flag.boolean:
        yield name
        return
    yield f"{name}="
    if isinstance(flag, flags.EnumFlag):
        yield from (f"{name}={value}" for value in flag.parser.enum_values)


def _of_key(key: Key) -> Iterator[str]:
    name = f"--config.{key.name}="
    yield name
    values = ("True", "False") if isinstance(key.default, bool) else key.choices
    yield from (f"{name}{value}" for value in values)
