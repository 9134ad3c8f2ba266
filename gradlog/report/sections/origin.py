"""Where the run comes from, and the commands that make it again."""

from collections.abc import Iterator
from typing import Any

from gradlog.experiment.keys import flat
from gradlog.report.blocks import CODE, Block, Definitions, Fold, Lines, Missing, Paragraph, Table
from gradlog.report.commands import over_lines, overrides_of
from gradlog.report.reading import attempt
from gradlog.report.run_files import RunFiles
from gradlog.report.sections.configuration import changed
from gradlog.storage import read_json

_AGAIN = "runs/again"


def provenance(files: RunFiles) -> list[Block]:
    """The data's fingerprint, the seed, devices and versions of packages."""
    if not files.workdir.provenance.is_file():
        return [Missing("There is no provenance.json; training writes it.")]
    known = read_json(files.workdir.provenance)
    identity, result = known["identity"], files.headline
    rows = [
        ("data", f"{identity['data.name']}, fingerprint {identity['data.fingerprint']}"),
        ("seed", str(identity["seed"])),
        ("run", str(known.get("run", "has no name"))),  # older ones have none
    ]
    if result is not None:
        rows.append(("devices of the evaluation", str(files.settings(result).get("devices", ""))))
    return [Definitions(rows), *_imported(files), *_versions(known, result)]


def _imported(files: RunFiles) -> list[Block]:
    """Which file a workdir was imported from."""
    path = files.root / "imported.json"
    if not path.is_file():
        return []
    found, notes = attempt(lambda: dict(read_json(path)))
    rows = [(name, str(value)) for name, value in (found or {}).items()]
    return [*notes, Paragraph("It was imported:"), Definitions(rows)] if rows else notes


def _versions(known: dict[str, Any], result: Any) -> list[Block]:
    """Of each package, by the step from which training had it, and in the evaluation."""
    by_step = {f"from step {step}": found for step, found in known["versions_from_step"].items()}
    if result is not None:
        by_step["evaluation"] = result.summary["versions"]
    names = dict.fromkeys(name for found in by_step.values() for name in found)
    rows = [(name, *(found.get(name, "") for found in by_step.values())) for name in names]
    columns = [("package", CODE), *((title, CODE) for title in by_step)]
    newest = known["versions"]
    title = f"Versions: Python {newest.get('python', '')}, jax {newest.get('jax', '')}"
    return [Fold(title, [Table("Versions of packages", columns, rows)])]


def commands(files: RunFiles) -> list[Block]:
    """What makes the run again from nothing but this page."""
    if files.config is None:
        return [Missing("Without a configuration there is no command that makes it again.")]
    return [
        Paragraph(
            "From the repository's root. The configuration is written out key by key, so that no "
            "file of this run is needed; paths of data are those of the machine it ran on."
        ),
        Lines("\n".join([_training(files), *_evaluations(files)])),
    ]


def _training(files: RunFiles) -> str:
    assert files.config is not None
    overrides = overrides_of((key.name, value) for key, value in changed(files.config))
    return over_lines(_AGAIN, ["--mode=train", "--config=configs/default.py"], overrides)


def _evaluations(files: RunFiles) -> Iterator[str]:
    """A command for all results that were made with the same settings."""
    together: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for result in files.results:
        found, _ = attempt(lambda result=result: tuple(_changed_settings(files, result)))
        if found is not None:
            made = (result.summary["step"], result.summary["estimator"])
            together.setdefault(found, []).append(made)
    for overrides, made in together.items():
        steps, names = (dict.fromkeys(column) for column in zip(*made, strict=True))
        estimators = f"--config.eval.estimators={','.join(names)}"
        yield over_lines(
            _AGAIN,
            ["--mode=eval", f"--steps={','.join(map(str, steps))}"],
            [estimators, *overrides],
        )


def _changed_settings(files: RunFiles, result: Any) -> list[str]:
    """Flags for the settings of a result that the run's configuration has otherwise."""
    known = dict(flat(files.config)) if files.config is not None else {}
    settings = {name: _plain(value) for name, value in files.settings(result).items()}
    return overrides_of(
        (name, value) for name, value in settings.items() if known.get(name, value) != value
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON knows lists only
