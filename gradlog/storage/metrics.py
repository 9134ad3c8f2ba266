"""The metrics of a run: a line of JSON per logged step."""

import hashlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradlog.storage.files import free_name, write_text
from gradlog.storage.workdir import WorkdirError

Record = dict[str, Any]
LOGGED = "logged"  # in the notes of a checkpoint: the digest of the lines until then
_VALUES = (int, float, type(None))  # of a metric: None where it is not finite


def read_metrics(path: Path, tell: Callable[[str], None] = print) -> list[Record]:
    """The records of a ``metrics.jsonl`` in order; a last line cut short is left out.

    Args:
      path: the file; one that is not there has no records.
      tell: receives a warning where the file is damaged; what can be read of it is given.
    """
    records, complaints = scan_metrics(path)
    if complaints:
        tell(f"warning: {path} is damaged: {'; '.join(complaints[:3])}")
    return records


def scan_metrics(path: Path) -> tuple[list[Record], list[str]]:
    """The records of a ``metrics.jsonl``, and what is wrong with it, in a few words each.

    A last line without its end is what a killed process leaves, and nothing wrong.
    """
    if not path.exists():
        return [], []
    *lines, _ = path.read_bytes().split(b"\n")
    parsed = [_parse(line) for line in lines]
    complaints = [f"line {i} cannot be read" for i, found in enumerate(parsed, 1) if found is None]
    records = [record for record in parsed if record is not None]
    pairs = itertools.pairwise(records)
    complaints += [
        f"step {later['step']} comes after step {earlier['step']}"
        for earlier, later in pairs
        if later["step"] <= earlier["step"]
    ]
    return records, complaints


def digest_lines(records: list[Record]) -> str:
    """Tells the lines of records from others."""
    return hashlib.sha256(_lines(records)).hexdigest()


def _lines(records: list[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


class MetricsLog:
    """Appends to ``metrics.jsonl`` in a directory.

    Opening it at ``step`` drops what a run that was interrupted had logged after that step, so that
    every step is there once. A damaged file is kept beside the new one.

    Args:
      directory: the run's folder.
      step: where training begins.
      tell: receives warnings and notes.
      digest: what ``digest`` was when that step was saved; '' where that is not known.
    """

    def __init__(
        self,
        directory: Path,
        step: int,
        tell: Callable[[str], None] = print,
        digest: str = "",
    ):
        self._path = directory / "metrics.jsonl"
        lines = _lines(self._read(step, digest, tell))
        self._hash = hashlib.sha256(lines)
        write_text(self._path, lines.decode())
        self._file = self._path.open("ab", buffering=0)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Adds the metrics of a step.

        Raises:
          WorkdirError: it cannot be written.
        """
        finite = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        line = _lines([{"step": step, **finite}])
        self._append(line)
        self._hash.update(line)

    @property
    def digest(self) -> str:
        """Of all lines: ``digest_lines`` of the records."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Puts what was written on the disk itself: before a checkpoint that it must not trail."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _read(self, step: int, digest: str, tell: Callable[[str], None]) -> list[Record]:
        """The records up to the step, each once."""
        records, complaints = scan_metrics(self._path)
        by_step = {record["step"]: record for record in records if record["step"] <= step}
        kept = [by_step[each] for each in sorted(by_step)]
        if digest and digest_lines(kept) != digest:
            complaints.append(
                f"its lines to step {step} are not those that were there when it was saved"
            )
        if complaints:
            self._keep(complaints, len(kept), tell)
        return kept

    def _keep(self, complaints: list[str], count: int, tell: Callable[[str], None]) -> None:
        """Puts the damaged file where it stays, and says so."""
        there = "it is not there"
        if self._path.exists():
            copy = free_name(self._path.with_name("metrics.damaged.jsonl"))
            shutil.copyfile(self._path, copy)
            there = f"it is kept as {copy.name}"
        tell(
            f"warning: {self._path} was damaged: {'; '.join(complaints[:3])}; {there}, and "
            f"training goes on with the {count} lines that can be read"
        )

    def _append(self, line: bytes) -> None:
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise WorkdirError(
                f"cannot write to {self._path}: {error.strerror}; the same command goes on from "
                "the newest checkpoint"
            ) from error


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    return record if all(type(value) in _VALUES for value in record.values()) else None
