"""Bits per dimension over the checkpoints of a run, as a file and as a picture."""

from typing import Any

from evaluation import terminal
from evaluation.over_training import figure, over_training
from evaluation.results import Result
from hosts import writes
from run.comparison import READ_ONLY
from storage import Workdir, write_sealed


def save_over_training(workdir: Workdir, results: list[Result]) -> dict[str, Any]:
    """Compares the steps of each estimator; writes ``eval/over_training.json`` and ``.png``.

    Both are of the steps that were asked for last; nothing is written of one step alone.

    Raises:
      IncomparableError: two results of an estimator are of other images.
    """
    with terminal.working("comparing checkpoints"):
        found = over_training(results)
    if found["estimators"] and writes():
        _write(workdir, found)
    return found


def _write(workdir: Workdir, found: dict[str, Any]) -> None:
    from evaluation.pictures import save_figure  # imports matplotlib

    path = workdir.over_training
    try:
        write_sealed(path, found)
        save_figure(path.with_suffix(".png"), figure(found))
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        terminal.say(f"note: bits over training are not kept: {error}")
    else:
        terminal.say(f"wrote {path} and {path.stem}.png")
