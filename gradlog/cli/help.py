"""Print ``--help``: modes, examples, flags, and the keys of a configuration."""

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradlog.cli.flags import FLAGS
from gradlog.cli.modes import MODES
from gradlog.config_error import UsageError
from gradlog.experiment.keys import Key, flatten, keys, keys_in_section, sections
from gradlog.terminal import console

_ABOUT = (
    "Gradlog trains score-based generative models, computes their likelihood in bits per dimension "
    "with its standard error and an account of where every bit comes from, and draws samples."
)
_FIRST = ("train", "eval", "sample")  # the modes that a new user needs
_STATUSES = (
    ("0", "success"),
    ("2", "a mistake, a damaged file or a number that is not finite; one line says which"),
    ("75", "with several hosts: another was lost; the same command on all of them resumes"),
    ("129", "SIGHUP, when the terminal closes: the same as SIGTERM"),
    ("130", "SIGINT (Ctrl-C): training has written a checkpoint first"),
    ("143", "SIGTERM: the same"),
)
_KEYS = (
    "Override a key with --config.section.key=value. A meaning that begins with names says which "
    "choices read the key. --help=SECTION shows one section, --help=KEY one key, and "
    "--help --config=FILE the values of a file."
)
_MARKS = "* marks a value that differs from the default, which follows in brackets."
_PAGE_WIDTH = 100


def show_help(topic: str = "", config: ConfigDict | None = None) -> None:
    """Print the help.

    Args:
      topic: a mode, a section, a key, the last part of a key, or a flag; '' for everything.
      config: its values are shown, and those that differ from the defaults are marked.

    Raises:
      UsageError: there is no such topic.
    """
    if not topic:
        show_page(_everything(config))
        return
    named = _find_topic(topic)
    if not named:
        known = [*MODES, *filter(None, sections()), *keys(), *(f"--{name}" for name in FLAGS)]
        near = difflib.get_close_matches(topic.lstrip("-").removeprefix("config."), known, n=1)
        hint = f"did you mean --help={near[0]}? " if near else ""
        raise UsageError(
            f"--help={topic}: {hint}--help alone lists the modes, sections, keys and flags"
        )
    show_page(_about(named, config))


def _find_topic(topic: str) -> list[str]:
    """Return the mode, section, keys and flag that a topic names.

    It may be spelled as on the command line or in errors: 'config.eval', '--steps' or 'steps'.
    """
    bare = topic.removeprefix("--").removeprefix("config.")
    found = [name for name in (bare,) if name in MODES or (name and name in sections())]
    found += [name for name in keys() if bare in (name, name.rpartition(".")[2])]
    return found + [f"--{name}" for name in FLAGS if topic.removeprefix("--") == name]


def _everything(config: ConfigDict | None) -> Iterator[RenderableType]:
    yield Text(_ABOUT)
    yield heading("To begin with")
    yield indented(Group(*(_command(MODES[name].examples[0]) for name in _FIRST)))
    yield heading("Modes (--mode=MODE; --help=MODE says more)")
    yield listed((name, mode.summary) for name, mode in MODES.items())
    yield heading("An example of each of the others")
    others = (mode for name, mode in MODES.items() if name not in _FIRST)
    yield indented(Group(*(_command(mode.examples[0]) for mode in others)))
    yield heading("Flags")
    yield listed((f"--{name}", _flag_meaning(name)) for name in FLAGS)
    yield heading("Exit status")
    yield listed(_STATUSES)
    yield heading("Keys of a configuration")
    yield indented(Text(_KEYS if config is None else f"{_KEYS} {_MARKS}"))
    for section in sections():
        yield from _section(section, config)


def _about(named: list[str], config: ConfigDict | None) -> Iterator[RenderableType]:
    """Yield a mode's page, sections, keys and flags; some of them share their name."""
    modes = [name for name in named if name in MODES]
    for name in modes:
        yield from _mode(name)
    shown = [*named, *(key for name in modes for key in MODES[name].keys)]
    for section in sections():
        if section and section in shown:
            yield from _section(section, config)
    alone = [key for name, key in keys().items() if name in shown and key.section not in shown]
    if alone:
        yield Text("")
        yield _table(alone, config)
    flags = [name.removeprefix("--") for name in named if name.startswith("--")]
    if flags:
        yield listed((f"--{name}", _flag_meaning(name)) for name in flags)


def _mode(name: str) -> Iterator[RenderableType]:
    mode = MODES[name]
    yield Text(f"--mode={name}: {mode.summary}.")
    yield Text("")
    yield indented(Group(*map(_command, mode.examples)))
    if mode.note:
        yield Text(f"\n{mode.note}")
    yield Text(f"\nAfter an interruption: {mode.resumes}.")
    flags = [*(["steps"] if mode.reads_steps else []), *mode.flags]
    if flags:
        yield heading("Flags of this mode")
        yield listed((f"--{flag}", _flag_meaning(flag)) for flag in flags)


def _flag_meaning(name: str) -> str:
    flag = FLAGS[name]
    text = flag.metadata["help"]
    return f"{text} [{flag.default}]" if flag.default not in (None, "", False) else text


def _section(section: str, config: ConfigDict | None) -> Iterator[RenderableType]:
    yield heading(f"config.{section}: {sections()[section]}" if section else "config")
    yield _table(keys_in_section(section), config)


def _table(shown: Iterable[Key], config: ConfigDict | None) -> RenderableType:
    values = dict(flatten(config)) if config is not None else {}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=24, overflow="fold")
    grid.add_column()
    for key in shown:
        value = _value(values.get(key.name, key.default), key.default)
        grid.add_row(typed(key.name), value, Text(key.meaning))
    return indented(grid)


def _value(value: Any, default: Any) -> Text:
    if value == default:
        return Text(repr(value))
    return Text.assemble((f"*{value!r}", "bold"), f" ({default!r})")


def _command(example: str) -> RenderableType:
    return typed(f"{program()} {example}")


def program() -> str:
    """Return how this command line is called."""
    path = Path(sys.argv[0])
    if path.name == "gradlog":
        return "gradlog"
    is_module = path.parts[-2:] == ("gradlog", "__main__.py")
    return "python -m gradlog" if is_module else "python main.py"


# --- the layout of a page -------------------------------------------------------------------


def heading(text: str) -> Text:
    """Return the title of a part, with an empty line before it."""
    return Text(f"\n{text}", style="bold")


def typed(text: str) -> Text:
    """Return text that can be typed as it is."""
    return Text(text, style="cyan")


def indented(item: RenderableType, columns: int = 2) -> RenderableType:
    """Return an item moved to the right."""
    return Padding(item, (0, 0, 0, columns), expand=False)


def listed(rows: Iterable[tuple[str, str]]) -> RenderableType:
    """Return names with a text beside each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, text in rows:
        grid.add_row(typed(name), Text(text))
    return indented(grid)


def show_page(parts: Iterable[RenderableType]) -> None:
    """Print parts as one page: through a pager on a terminal, without trailing spaces in a pipe."""
    page, width = Group(*parts), min(console.width, _PAGE_WIDTH)
    if console.is_terminal:
        # Keep the colors, and end at once if the page fits on the screen.
        os.environ.setdefault("LESS", "-RFX")
        with console.pager(styles=not console.no_color):
            console.print(page, width=width, soft_wrap=False, markup=False)
        return
    with console.capture() as captured:
        console.print(page, width=width, soft_wrap=False, markup=False)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
