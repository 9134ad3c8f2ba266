"""List the experiments of ``configs/``, from the docstrings of their files."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ml_collections import ConfigDict
from rich.console import Group, RenderableType
from rich.text import Text

from gradlog.cli.flags import Options, load_with_overrides
from gradlog.cli.help import heading, indented, listed, program, show_page, typed
from gradlog.config_error import UsageError
from gradlog.experiment.loading import SHIPPED
from gradlog.terminal import say

_FIELD = re.compile(r"^(Command|Figure|Time):", re.MULTILINE)
_IS_EXPERIMENT = re.compile(r"^def (get_config|sweep)\(", re.MULTILINE)
_NO_LADDER = "these data have no ladder: all are equal, or config.sde.name is discrete"
_SHARED = ("configs/default.py",)  # the base of all experiments
# Titles with the folders below each. The folder '' is configs/ itself.
_GROUPS = (
    ("Experiments that a CPU does in minutes", ("", "conditional")),
    ("NCSN: ladders of noise levels", ("ncsn",)),
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
    """An experiment, as the docstring of its file describes it.

    Attributes:
      file: such as 'configs/digits.py'.
      title: the first line; '' if there is no docstring.
      command: the command that runs it.
      figure: the number to expect; '' if the file does not say.
      time: the time that it takes; '' if the file does not say.
    """

    file: str
    title: str
    command: str
    figure: str
    time: str

    @property
    def folder(self) -> str:
        """The first folder below ``configs/``; '' for none."""
        parts = Path(self.file).parts[1:-1]
        return parts[0] if parts else ""


@cache
def experiments() -> tuple[Experiment, ...]:
    """Return the shipped experiments, and those in the local folder ``configs/``."""
    files = {}
    for folder in (SHIPPED, Path(SHIPPED.name).absolute()):
        for path in folder.rglob("*.py"):
            files[path.relative_to(folder.parent).as_posix()] = path
    found = []
    for file in sorted(files, key=lambda file: (file.count("/"), file)):
        source = files[file].read_text("utf-8", "replace")
        # The folder configs/ of another project has no experiments of ours.
        if file in _SHARED or "gradlog" not in source or not _IS_EXPERIMENT.search(source):
            continue
        try:
            head = ast.get_docstring(ast.parse(source)) or ""
        except SyntaxError:
            head = ""
        _, *parts = _FIELD.split(head)
        texts = (" ".join(text.replace("\\\n", " ").split()) for text in parts[1::2])
        fields = dict(zip(parts[::2], texts, strict=True))
        found.append(
            Experiment(
                file,
                next(iter(head.splitlines()), ""),
                fields.get("Command", f"python main.py --config={file} --workdir=runs/NAME"),
                fields.get("Figure", ""),
                fields.get("Time", ""),
            )
        )
    return tuple(found)


def show_experiments(options: Options | None = None) -> None:
    """Print all experiments by group: title, figure to expect, time.

    With ``--config`` print the ladder of noise that its data need instead.
    """
    if options is not None and options.config_file:
        _advise(load_with_overrides(options.config_file, options.overrides))
        return
    if options is not None and options.overrides:
        raise UsageError("--config.KEY with --mode=configs needs --config=FILE")
    known = {folder for _, folders in _GROUPS for folder in folders}
    others = dict.fromkeys(each.folder for each in experiments() if each.folder not in known)
    parts: list[RenderableType] = [
        Text(f"Run an experiment with: {program()} --config=FILE --workdir=runs/NAME"),
        Text("The top of its file has its own command. Any key: --config.section.key=value."),
    ]
    for title, folders in [*_GROUPS, ("Others", tuple(others))]:
        group = [each for each in experiments() if each.folder in folders]
        parts += [heading(title), *map(_entry, group)] if group else []
    show_page(parts)


def _advise(config: ConfigDict) -> None:
    from gradlog.experiment.build import load_dataset  # imports JAX
    from gradlog.experiment.training_parts import ladder_notes

    for note in ladder_notes(config, load_dataset(config)) or [_NO_LADDER]:
        say(note)


def _entry(experiment: Experiment) -> RenderableType:
    rows = [("expect", experiment.figure), ("time", experiment.time)]
    rows = [(name, text) for name, text in rows if text]
    about = Group(*filter(None, [Text(experiment.title), listed(rows) if rows else None]))
    return Group(Text(""), indented(typed(experiment.file)), indented(about, 4))
