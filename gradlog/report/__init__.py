"""Reports: one page of HTML that shows a run or a sweep and needs no other file."""

from pathlib import Path

from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder
from gradlog.report.sweep_files import SweepFiles
from gradlog.storage import WorkdirError, write_text
from gradlog.sweeps import SweepFolder

_REPORT = "report.html"
# A folder with any of these is the folder of a run.
_RUN_FILES = ("config.json", "provenance.json", "metrics.jsonl", "checkpoints", "eval")


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into the folder of a run or a sweep, and return its path.

    Raises:
      WorkdirError: the folder is neither.
      OSError: the file cannot be written.
    """
    if SweepFolder(folder).plan.exists():
        files = SweepFiles(folder)
    elif any((folder / name).exists() for name in _RUN_FILES):
        files = RunFolder(folder)
    else:
        raise WorkdirError(f"{folder} is neither a run's workdir nor a sweep's folder")
    path = folder / _REPORT
    write_text(path, render_page(files))
    return path
