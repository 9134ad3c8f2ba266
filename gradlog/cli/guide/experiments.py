"""The experiments that are here, read off the heads of their files."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from gradlog.cli.guide.layout import heading, indented, listed, show, typed

CONFIGS = Path(__file__).parents[3] / "configs"
_FIELD = re.compile(r"^(Command|Figure|Time):", re.MULTILINE)
# Folders by what is in them; the last, '', takes all others.
_GROUPS = (
    ("Experiments that a CPU does in minutes", ("", "conditional", "ncsn")),
    ("Points of the plane", ("toy",)),
    ("What theory claims", ("theory",)),
    ("Sweeps", ("sweeps",)),
    ("CIFAR-10 and ImageNet 32x32, each process with either network", ("vp", "subvp", "ve")),
    ("VDM, as published", ("vdm",)),
    ("score_flow, as published", ("score_flow",)),
    ("score_sde, as published", ("score_sde",)),
)


@dataclass(frozen=True)
class Experiment:
    """The head of a file.

    Attributes:
      file: such as 'configs/digits.py'.
      title: its first line.
      command: that runs it.
      figure: what to expect.
      time: that it takes.
    """

    file: str
    title: str
    command: str
    figure: str
    time: str

    @property
    def folder(self) -> str:
        """The first folder below configs/; '' for none."""
        parts = Path(self.file).parts[1:-1]
        return parts[0] if parts else ""


@cache
def experiments() -> tuple[Experiment, ...]:
    """Those of every file of configs/ that has a head with a command, by name."""
    return tuple(_experiments())


def _experiments() -> Iterator[Experiment]:
    for path in sorted(CONFIGS.rglob("*.py"), key=lambda path: (len(path.parts), path)):
        head = ast.get_docstring(ast.parse(path.read_bytes())) or ""
        fields = _fields(head)
        if "Command" in fields:
            yield Experiment(
                path.relative_to(CONFIGS.parent).as_posix(),
                head.splitlines()[0],
                *(fields.get(name, "") for name in ("Command", "Figure", "Time")),
            )


def _fields(head: str) -> dict[str, str]:
    """What follows each of 'Command:', 'Figure:' and 'Time:', on one line."""
    _, *found = _FIELD.split(head)
    lines = (" ".join(text.replace("\\\n", " ").split()) for text in found[1::2])
    return dict(zip(found[::2], lines, strict=True))


def show_experiments() -> None:
    """All of them by group: what each is, the figure to expect, the time."""
    parts: list[RenderableType] = [
        Text("Each is run by: python main.py --config=FILE --workdir=runs/NAME"),
        Text("The head of the file has its own command. Any key: --config.section.key=value."),
    ]
    for title, folders in _groups():
        members = [each for each in experiments() if each.folder in folders]
        if members:
            parts += [heading(title), *map(_shown, members)]
    show(parts)


def _groups() -> list[tuple[str, tuple[str, ...]]]:
    known = {folder for _, folders in _GROUPS for folder in folders}
    others = tuple(dict.fromkeys(e.folder for e in experiments() if e.folder not in known))
    return [*_GROUPS, ("Others", others)]


def _shown(experiment: Experiment) -> RenderableType:
    rows = [("expect", experiment.figure), ("time", experiment.time)]
    about = Group(Text(experiment.title), listed(rows))
    return Group(Text(""), indented(typed(experiment.file)), indented(about, 4))
