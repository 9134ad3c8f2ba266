"""``--help``: what the program does, modes, examples, flags, and the keys of a configuration."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from absl import flags
from ml_collections import ConfigDict
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradlog.cli.guide.layout import heading, indented, listed, show, typed
from gradlog.cli.modes import MODES, Mode
from gradlog.experiment.keys import Key, flat, in_section, keys, sections

ABOUT = (
    "Gradlog trains score-based generative models, computes their likelihood in bits per dimension "
    "with its standard error and an account of where every bit comes from, and draws samples."
)
_CHOICES = re.compile(r"^<.*?>:\s*")  # which absl puts before what a flag is
_FIRST = ("train", "eval", "sample")  # what a newcomer does
_STATUSES = (
    ("0", "it is done"),
    ("2", "a mistake, a damaged file or a number that is not finite, told in one line"),
    ("75", "with several hosts: another was lost; the same command on all of them goes on"),
    ("130", "SIGINT (Ctrl-C): training has written a checkpoint first"),
    ("143", "SIGTERM: likewise"),
)


def topics() -> list[str]:
    """What the help can be about: modes, sections of a configuration, its keys, flags."""
    return list(dict.fromkeys([*MODES, *filter(None, sections()), *keys(), *_flags()]))


def meant(topic: str) -> str:
    """The topic as it is called here: flags and errors write 'config.eval', 'jobs' is a flag."""
    known, bare = topics(), topic.removeprefix("--")
    return next(
        (each for each in (bare.removeprefix("config."), f"--{bare}") if each in known), topic
    )


def unknown_topic(topic: str) -> str:
    """What to say of a topic that there is not; '' where there is one."""
    known = topics()
    if not topic or meant(topic) in known:
        return ""
    asked = topic.removeprefix("--").removeprefix("config.")
    near = difflib.get_close_matches(asked, known, n=1)
    hint = f"did you mean --help={near[0]}? " if near else ""
    return (
        f"--help={topic}: {hint}--help alone lists the modes, sections, keys and flags that have "
        "help of their own"
    )


def show_help(topic: str = "", config: ConfigDict | None = None) -> None:
    """Prints the help.

    Args:
      topic: a mode, a section, a key or a flag, see ``meant``; '' for all of it.
      config: whose values are shown, those that differ from the defaults marked.
    """
    show(_of_topic(meant(topic), config) if topic else _all(config))


def _all(config: ConfigDict | None) -> Iterator[RenderableType]:
    yield Text(ABOUT)
    yield heading("To begin with")
    yield indented(Group(*(_command(MODES[name]) for name in _FIRST)))
    yield heading("Modes (--mode=MODE; --help=MODE says more)")
    yield listed((name, mode.summary) for name, mode in MODES.items())
    yield heading("An example of each of the others")
    yield indented(Group(*(_command(mode) for name, mode in MODES.items() if name not in _FIRST)))
    yield heading("Flags")
    yield listed(_flags().items())
    yield heading("Exit status")
    yield listed(_STATUSES)
    yield heading("Keys of a configuration")
    yield indented(Text(_KEYS))
    if config is not None:
        yield indented(Text(_DIFFERENCES))
    for section in sections():
        yield from _section(section, config)


_KEYS = (
    "Overridden by --config.section.key=value. A key that begins with the names of members is read "
    "by them alone. --help=SECTION shows one section, --help --config=FILE the values in a file."
)
_DIFFERENCES = "* marks a value that is not the default, which follows it in brackets."


def _of_topic(topic: str, config: ConfigDict | None) -> Iterator[RenderableType]:
    """A mode's page, a section's, or both: some share their name."""
    if topic in MODES:
        yield from _mode(topic, MODES[topic])
    chosen = MODES[topic].sections if topic in MODES else ()
    if topic in keys():
        yield _table([keys()[topic]], config)
    elif topic in _flags():
        yield listed([(topic, _flags()[topic])])
    for section in (each for each in sections() if each in chosen or each == topic):
        yield from _section(section, config)


def _mode(name: str, mode: Mode) -> Iterator[RenderableType]:
    yield Text(f"--mode={name}: {mode.summary}.")
    yield Text("")
    yield indented(_command(mode))
    yield Text(f"\nAfter an interruption: {mode.goes_on}.")


def _command(mode: Mode) -> RenderableType:
    return typed(f"python main.py {mode.example}")


def _flags() -> dict[str, str]:
    """This program's own, with what they are and their defaults."""
    found = flags.FLAGS.flags_by_module_dict().get("gradlog.cli.command_line", [])
    return {f"--{flag.name}": _with_default(flag) for flag in found}


def _with_default(flag: flags.Flag) -> str:
    text = " ".join(_CHOICES.sub("", flag.help or "").split())
    return f"{text} [{flag.default}]" if flag.default not in (None, "", False) else text


def _section(section: str, config: ConfigDict | None) -> Iterator[RenderableType]:
    about = sections()[section]
    yield heading(f"config.{section}: {about}" if section else "config")
    yield _table(in_section(section), config)


def _table(shown: Iterable[Key], config: ConfigDict | None) -> RenderableType:
    values = dict(flat(config)) if config is not None else {}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=24, overflow="fold")
    grid.add_column()
    for key in shown:
        value = values.get(key.name, key.default)
        grid.add_row(typed(key.name), _value(value, key), Text(key.meaning))
    return indented(grid)


def _value(value: Any, key: Key) -> Text:
    if value == key.default:
        return Text(repr(value))
    return Text.assemble((f"*{value!r}", "bold"), f" ({key.default!r})")
