"""The contract of a study, its requirements on a configuration, its runs and its results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.run import Run
from gradlog.models import Energy
from gradlog.storage import write_json


class Study(Protocol):
    """A demonstration of one claim of the theory: pictures, and a JSON file of their numbers.

    A study is a frozen dataclass whose fields are keys of ``config.study``. It writes its results
    into ``study_folder(run)``. It trains in the workdir, or in folders inside it.
    """

    def __call__(self, run: Run) -> None: ...


def study_folder(run: Run) -> Path:
    """Return the folder of the pictures and numbers of a study."""
    return run.workdir.own("study")


def write_results(run: Run, name: str, figure: Figure, numbers: Any) -> None:
    """Write ``name.png`` and ``name.json`` into the study's folder, and print that folder."""
    folder = study_folder(run)
    save_figure(folder / f"{name}.png", figure)
    write_json(folder / f"{name}.json", numbers)
    terminal.say(f"wrote {folder}")


def open_variant(run: Run, name: str, changes: Mapping[str, Any]) -> Run:
    """Open a run in the folder ``name`` of the workdir, with a changed configuration.

    Args:
      run: the run whose configuration is copied.
      name: of the folder.
      changes: new values by dotted key.
    """
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict(dict(changes))
    return Run.open(run.workdir.own(name), config)


def require(condition: bool, what: str) -> None:
    """Raise ConfigError with the required keys and values, unless the condition holds."""
    if not condition:
        raise ConfigError(f"this study needs {what}")


def require_energy(run: Run) -> None:
    """Raise ConfigError unless the model is an energy, which has a density."""
    parametrization = run.experiment.model.parametrization
    require(isinstance(parametrization, Energy), "config.model.parametrization = 'energy'")
