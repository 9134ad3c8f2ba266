"""Make the script that completes command lines in bash and zsh.

The script contains a list of words: flags, and what may follow each after its '='. The shell
completes files. The words are those of this version: print the script again after an update.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from gradlog.cli.experiments import experiments
from gradlog.cli.flags import FLAGS
from gradlog.cli.modes import MODES
from gradlog.experiment.keys import keys, sections

_SCRIPT = Path(__file__).with_name("completion.bash")


def print_completion_script() -> None:
    """Print the script for ``eval "$(python main.py --mode=completion)"``."""
    words = shlex.quote("\n".join(sorted(set(_words()))))
    print(_SCRIPT.read_text("utf-8").replace("@WORDS@", words), end="")


def _words() -> Iterator[str]:
    """Yield everything that can be typed; up to its '=' where any value is possible."""
    for name, flag in FLAGS.items():
        yield f"--{name}" if flag.metadata["kind"] is bool else f"--{name}="
        yield from (f"--{name}={choice}" for choice in flag.metadata["choices"])
    for key in keys().values():
        values = ("True", "False") if isinstance(key.default, bool) else key.choices
        yield from (f"--config.{key.name}={value}" for value in ("", *values))
    yield from ("--help", *(f"--help={name}" for name in (*MODES, *filter(None, sections()))))
    for experiment in experiments():
        flag = "sweep" if experiment.folder == "sweeps" else "config"
        yield f"--{flag}={experiment.file}"
