"""From a folder to its page."""

from pathlib import Path

from gradlog.report.of_run import page_of_run
from gradlog.report.of_sweep import page_of_sweep
from gradlog.report.rendering import rendered
from gradlog.report.run_files import RunFiles
from gradlog.report.sections.swept import SweepFiles
from gradlog.storage import WorkdirError, write_text
from gradlog.sweeps import SweepFolder

NAME = "report.html"
# Any of them is the beginning of a run.
_OF_A_RUN = ("config.json", "provenance.json", "metrics.jsonl", "checkpoints", "eval")


def write_report(folder: Path) -> Path:
    """Writes ``report.html`` of a run or a sweep into its folder, from the files that are there.

    Raises:
      WorkdirError: the folder is neither.
      OSError: it cannot be written.
    """
    is_sweep = SweepFolder(folder).plan.exists()
    if not is_sweep and not any((folder / name).exists() for name in _OF_A_RUN):
        raise WorkdirError(f"{folder}: neither a run's workdir nor a sweep's folder")
    page = page_of_sweep(SweepFiles(folder)) if is_sweep else page_of_run(RunFiles(folder))
    write_text(folder / NAME, rendered(page))
    return folder / NAME
