"""What the run took."""

from gradlog.evaluation.results import Result
from gradlog.report.blocks import CODE, NUMBER, TEXT, Block, Table
from gradlog.report.event_files import Times, seconds_altogether, seconds_per_step, times_of
from gradlog.report.numbers import number, seconds
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles


def blocks(files: RunFiles) -> list[Block]:
    """Of training and of every evaluation; nothing where nothing was timed."""
    sessions, notes = _sessions(files)
    found: list[Block] = [*notes]
    if (per_step := seconds_per_step(sessions)) is not None:
        rows = [
            ("one step, the median of those logged", seconds(per_step)),
            ("first to last logged step, with its pauses", seconds(seconds_altogether(sessions))),
        ]
        found.append(Table("Training", (("what", TEXT), ("time", NUMBER)), rows))
    if files.results:
        found.append(_evaluations(files.results))
    return found


def time_per_step(files: RunFiles) -> float | None:
    """Seconds of a training step, where that is known."""
    return seconds_per_step(_sessions(files)[0])


def _sessions(files: RunFiles) -> tuple[list[Times], list[Block]]:
    """The points of each of TensorBoard's files."""
    sessions, notes = [], []
    for path in files.files("tensorboard/events.*"):
        times, complaints = attempt(lambda path=path: times_of(path), str(path))
        sessions += [times] if times else []
        notes += complaints
    return sessions, notes


def _evaluations(results: list[Result]) -> Table:
    columns = (
        *(("step", NUMBER), ("estimator", CODE), ("evaluation", NUMBER), ("compilation", NUMBER)),
        *(("images per second", NUMBER), ("NFE, mean", NUMBER), ("NFE, largest", NUMBER)),
        ("devices", NUMBER),
    )
    return Table("Evaluations", columns, [_row(result) for result in results])


def _row(result: Result) -> tuple[str, ...]:
    summary, settings = result.summary, RunFiles.settings(result)
    return (
        str(summary["step"]),
        result.folder.name,
        seconds(summary["seconds"]),
        seconds(summary.get("compile_seconds")),
        number(len(result.ok) / summary["seconds"], 1) if summary["seconds"] else "",
        number(summary["nfe"], 1),
        str(summary.get("nfe_max", "")),
        str(settings.get("devices", "")),
    )
