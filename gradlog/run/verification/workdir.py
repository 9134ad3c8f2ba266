"""What is found of a whole workdir."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict

from gradlog.experiment.build import check_config
from gradlog.experiment.saved import get_config
from gradlog.run.verification.finding import DAMAGED, UNFINISHED, Finding, complaint_of
from gradlog.run.verification.readable import read_object
from gradlog.run.verification.results import verify_results
from gradlog.storage import (
    LOGGED,
    CheckpointError,
    Checkpoints,
    MissingError,
    Workdir,
    digest_lines,
    scan_metrics,
)
from gradlog.storage.checkpoints import ASIDE, is_step
from gradlog.storage.folders import is_leftover
from gradlog.storage.lock import LOCK
from gradlog.storage.workdir import PROVENANCE

_CLASSIFIER = "classifier"
_TRACKED = ("tensorboard", "wandb")  # what trackers write is a copy of the metrics


def verify_workdir(root: Path) -> list[Finding]:
    """All that is in a workdir; whatever its bytes, nothing is raised."""
    workdir = Workdir(root)
    if not root.is_dir():
        return [Finding("workdir", ".", DAMAGED, "there is no such folder")]
    inner = root / _CLASSIFIER
    if inner.is_dir() and all(path == inner or path.name == LOCK for path in root.iterdir()):
        return _within(_CLASSIFIER, verify_workdir(inner))
    if not any(path.exists() for path in (workdir.config, workdir.provenance, workdir.checkpoints)):
        return [Finding("workdir", ".", DAMAGED, "it has no config.json: this is no workdir")]
    return _Verification(workdir).findings()


class _Verification:
    """One workdir, each of whose checkpoints is read once; a training may go on beside.

    The checkpoints come first: what is in the metrics is then at least what was when they were
    written.
    """

    def __init__(self, workdir: Workdir):
        self._workdir = workdir
        self._checkpoints = Checkpoints(workdir.checkpoints, run=workdir.run)
        self._complaints: dict[int, list[str]] = {}
        self._notes: dict[int, dict[str, Any]] = {}  # of sound ones
        for step in self._checkpoints.steps():
            self._look_at(step)

    def findings(self) -> list[Finding]:
        root, kept = self._workdir.root, self._workdir
        own = [path.name for path in (kept.config, kept.provenance, kept.metrics, kept.checkpoints)]
        inner = root / _CLASSIFIER
        return [
            *self._head(),
            *self._metrics(),
            *self._stored(),
            *verify_results(root, (*own, LOCK, *_TRACKED, _CLASSIFIER)),
            *(_within(_CLASSIFIER, verify_workdir(inner)) if inner.is_dir() else ()),
        ]

    def _look_at(self, step: int) -> None:
        try:
            complaints = self._checkpoints.verify(step)
            notes = {} if complaints else self._checkpoints.notes(step)
        except MissingError:  # deleted meanwhile
            return
        except CheckpointError as error:
            complaints, notes = [str(error)], {}
        self._complaints[step] = complaints
        if not complaints:
            self._notes[step] = notes

    def _head(self) -> Iterator[Finding]:
        """What the run is."""
        config, provenance = self._workdir.config, self._workdir.provenance
        if provenance.exists() and not config.exists() and not self._complaints:
            yield Finding("configuration", config.name, UNFINISHED, "the run ended as it began")
            return
        wrong = complaint_of(_check_provenance, provenance)
        yield Finding.of("provenance", provenance.name, wrong, self._workdir.run)
        unfit = complaint_of(_check_config, config)
        other = "" if wrong or unfit else complaint_of(_check_identity, self._workdir.root)
        yield Finding.of("configuration", config.name, unfit or other)

    def _metrics(self) -> Iterator[Finding]:
        path = self._workdir.metrics
        if not path.exists() and not self._logged():
            return
        complaint = complaint_of(self._check_metrics, path)
        if complaint:
            yield Finding("metrics", path.name, DAMAGED, complaint)
            return
        steps = [record["step"] for record in scan_metrics(path)[0]]
        yield Finding.of(
            "metrics", path.name, "", f"{len(steps)} lines to step {max(steps, default=0)}"
        )
        newest = max(self._complaints, default=0)
        if max(steps, default=0) > newest or not _ends_whole(path):
            detail = f"there are lines after the newest checkpoint, of step {newest}"
            yield Finding("metrics", path.name, UNFINISHED, detail)

    def _check_metrics(self, path: Path) -> None:
        path.stat()  # what is not there has no lines, and no complaints
        records, complaints = scan_metrics(path)
        steps = {record["step"] for record in records}
        complaints += [
            f"it has no line of step {step}, of which there is a checkpoint"
            for step in self._logged()
            if step not in steps
        ]
        complaints += [
            f"its lines to step {step} are not those that were there when it was saved"
            for step, digest in self._digests()
            if digest_lines([record for record in records if record["step"] <= step]) != digest
        ]
        if complaints:
            raise ValueError("; ".join(complaints[:3]))

    def _logged(self) -> list[int]:
        """Steps of sound checkpoints that this run has logged: no metrics wait in them for it."""
        if (self._workdir.root / "imported.json").exists():
            return []
        return [step for step, notes in self._notes.items() if not notes.get("pending")]

    def _digests(self) -> Iterator[tuple[int, str]]:
        """Of the lines that there were when a sound checkpoint was written."""
        for step, notes in self._notes.items():
            if digest := notes.get(LOGGED):
                yield step, digest

    def _stored(self) -> Iterator[Finding]:
        folder = self._workdir.checkpoints
        for step, complaints in self._complaints.items():
            yield Finding.of("checkpoint", f"{folder.name}/{step}", "; ".join(complaints[:3]))
        known = {str(step) for step in self._complaints}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in known and not is_step(path):  # else it came meanwhile
                yield from _no_step(path, f"{folder.name}/{path.name}")


def _no_step(path: Path, name: str) -> Iterator[Finding]:
    """What is among the checkpoints, and is none."""
    if is_leftover(path):
        yield Finding("leftover", name, UNFINISHED, "the next training removes it")
    elif path.name == ASIDE and path.is_dir():
        for each in sorted(path.iterdir()):
            detail = "set aside as damaged: delete it when it is of no more interest"
            yield Finding("checkpoint", f"{name}/{each.name}", UNFINISHED, detail)
    elif os.path.lexists(path):
        yield Finding("checkpoint", name, DAMAGED, "its name is no step")


def _within(folder: str, findings: list[Finding]) -> list[Finding]:
    return [replace(found, path=Path(folder, found.path).as_posix()) for found in findings]


def _ends_whole(path: Path) -> bool:
    contents = path.read_bytes()
    return not contents or contents.endswith(b"\n")


def _check_config(path: Path) -> None:
    path.stat()
    check_config(get_config(str(path)))


def _check_provenance(path: Path) -> None:
    found = read_object(path)
    for name, kind in PROVENANCE.items():
        if not isinstance(found.get(name), kind):
            raise ValueError(f"it has no {name}")


def _check_identity(root: Path) -> None:
    """Raises ValueError where the configuration is of another experiment."""
    identity = read_object(root / "provenance.json")["identity"]
    config: dict[str, Any] = flatten_dict(read_object(root / "config.json"), sep=".")
    for key in sorted(identity.keys() & config.keys()):
        if identity[key] != config[key]:
            raise ValueError(
                f"{key} is {config[key]!r} there, and {identity[key]!r} in provenance.json"
            )
