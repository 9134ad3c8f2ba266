"""What a run or a sweep has come to, as a page."""

from pathlib import Path

from gradlog import terminal
from gradlog.cli.verbs.options import Options
from gradlog.report import write_report


def report(options: Options) -> None:
    """Writes ``report.html`` of a run's workdir or of a sweep's folder."""
    with terminal.working("writing the page"):
        path = write_report(Path(options.workdir).expanduser())
    terminal.say(f"wrote {path}")
