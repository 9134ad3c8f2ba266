"""The metrics of a run: a line of JSON and a TensorBoard point per logged step."""

import itertools
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.board import Board
from storage.files import write_text
from storage.workdir import WorkdirError

Record = dict[str, Any]


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


class MetricsLog:
    """Appends to ``metrics.jsonl`` and to TensorBoard event files in a directory.

    Opening it at ``step`` drops what a run that was interrupted had logged after that step, so that
    every step is there once. A damaged file is kept beside the new one.

    Attributes:
      tell: receives warnings and notes.
    """

    def __init__(self, directory: Path, step: int, tell: Callable[[str], None] = print):
        self._path = directory / "metrics.jsonl"
        kept = {record["step"]: record for record in self._read(tell) if record["step"] <= step}
        lines = (json.dumps(kept[step]) + "\n" for step in sorted(kept))
        write_text(self._path, "".join(lines))
        self._file = self._path.open("ab", buffering=0)
        self._board = Board(directory / "tensorboard", step, tell)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Adds the metrics of a step.

        Raises:
          WorkdirError: it cannot be written.
        """
        finite = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        self._append((json.dumps({"step": step, **finite}) + "\n").encode())
        self._board.write(step, metrics)

    def sync(self) -> None:
        """Puts what was written on the disk itself: before a checkpoint that it must not trail."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes both."""
        self._file.close()
        self._board.close()

    def _read(self, tell: Callable[[str], None]) -> list[Record]:
        records, complaints = scan_metrics(self._path)
        if complaints:
            kept = _free(self._path.with_name("metrics.damaged.jsonl"))
            shutil.copyfile(self._path, kept)
            tell(
                f"warning: {self._path} was damaged: {'; '.join(complaints[:3])}; it is kept as "
                f"{kept.name}, and training goes on with the {len(records)} lines that can be read"
            )
        return records

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
    return record if isinstance(record, dict) and type(record.get("step")) is int else None


def _free(path: Path) -> Path:
    """The path, or one beside it that is not taken."""
    taken = len(list(path.parent.glob(f"{path.stem}*{path.suffix}")))
    return path.with_stem(f"{path.stem}-{taken}") if taken else path
