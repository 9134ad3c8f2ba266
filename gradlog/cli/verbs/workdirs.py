"""Whole workdirs: made of another code's checkpoint, and verified."""

from pathlib import Path

from gradlog import terminal
from gradlog.cli.verbs.failures import DamagedWorkdirError
from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options
from gradlog.evaluation import tables
from gradlog.experiment.build import shape_of_data
from gradlog.run.importing import import_official
from gradlog.run.verification import DAMAGED, verify_workdir


def import_checkpoint(options: Options) -> None:
    """A checkpoint of score_sde or score_flow, made into a workdir."""
    import_official(opened(options, shape_of_data), options.source)


def verify(options: Options) -> None:
    """Checks all files of a workdir, from themselves alone.

    Raises:
      DamagedWorkdirError: some are damaged.
    """
    with terminal.working(f"reading all of {options.workdir}"):
        found = verify_workdir(Path(options.workdir).expanduser())
    tables.show_findings([vars(finding) for finding in found])
    damaged = [finding for finding in found if finding.state == DAMAGED]
    if damaged:
        first, more = damaged[0], f", and {len(damaged) - 1} more" if damaged[1:] else ""
        raise DamagedWorkdirError(
            f"{options.workdir}: {first.path} is damaged: {first.detail}{more}"
        )
