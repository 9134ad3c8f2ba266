"""Bits per dimension over the checkpoints of a run, as a file and as a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradlog import terminal
from gradlog.distributed import writes
from gradlog.evaluation.over_training import figure, over_training
from gradlog.evaluation.results import RESULT, Result, common_settings, load_result
from gradlog.run.comparison import READ_ONLY
from gradlog.storage import Workdir, write_sealed


def save_over_training(workdir: Workdir, results: list[Result]) -> dict[str, Any]:
    """Compares the steps of each estimator; writes ``eval/over_training.json`` and ``.png``.

    Both are of all steps that have been evaluated with the settings of these results, whichever
    were asked for last; of other settings there are others beside them. Nothing is written of one
    step alone.

    Args:
      workdir: the results'.
      results: of each estimator with the same settings at all steps.

    Raises:
      IncomparableError: two results of an estimator are of other images.
    """
    settings = {r.summary["estimator"]: common_settings(r.folder) for r in results}
    with terminal.working("comparing checkpoints"):
        found = over_training(_all_like(workdir, results, settings))
    if found["estimators"] and writes():
        _write(workdir.over_training(settings), found | {"settings": settings})
    return found


def _all_like(
    workdir: Workdir, results: list[Result], settings: dict[str, dict[str, Any]]
) -> list[Result]:
    """These, and those of further steps with the same settings."""
    known = {(r.summary["estimator"], r.summary["step"]): r for r in results}
    for name, wanted in settings.items():
        for result in _found(workdir.root, name, wanted):
            known.setdefault((name, result.summary["step"]), result)
    return list(known.values())


def _found(root: Path, estimator: str, wanted: dict[str, Any]) -> Iterator[Result]:
    """Results of an estimator with these settings; a damaged one is told."""
    for path in sorted(root.glob(f"eval/*/{estimator}*/{RESULT}")):
        try:
            if common_settings(path.parent) != wanted:
                continue
            result = load_result(path.parent)
        except (ValueError, OSError) as error:
            terminal.say(f"warning: not compared: {error}")
            continue
        if result and result.summary["estimator"] == estimator:
            yield result


def _write(path: Path, found: dict[str, Any]) -> None:
    from gradlog.evaluation.pictures import save_figure  # imports matplotlib

    try:
        write_sealed(path, found)
        save_figure(path.with_suffix(".png"), figure(found))
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        terminal.say(f"note: bits over training are not kept: {error}")
    else:
        terminal.say(f"wrote {path} and {path.stem}.png")
