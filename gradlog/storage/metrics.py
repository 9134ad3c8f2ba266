"""The metrics of a training: one line of JSON for each logged step."""

import hashlib
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradlog.storage.errors import WorkdirError
from gradlog.storage.files import check_plain, find_free_name, read_bytes, write_text

Record = dict[str, Any]  # "step" and the metrics of that step
LOGGED = "logged"  # in the notes of a checkpoint: the digest of the lines up to its step
_VALUES = (int, float, type(None))  # types of a metric; None if it was not finite
# The key of a line's wall time, as Unix time in seconds. A repeated run has other times, so they
# are no part of a digest.
_TIME = "time"


def read_metrics(path: Path, tell: Callable[[str], None] = print) -> list[Record]:
    """Return the records of a ``metrics.jsonl``, in order, without their times.

    Args:
      path: the file; a missing file has no records. A last line that is cut short is ignored.
      tell: receives a warning if the file is damaged. The readable records are still returned.
    """
    records, complaints = scan_metrics(path)
    if complaints:
        tell(f"warning: {path} is damaged: {'; '.join(complaints[:3])}")
    return records


def scan_metrics(path: Path, *, times: bool = False) -> tuple[list[Record], list[str]]:
    """Return the records of a ``metrics.jsonl``, and a few words for each damage.

    Args:
      path: the file. A last line without its end is what a killed process leaves: no damage.
      times: whether each record has the Unix time of its line, under ``time``. Lines of version 0.1
        have none.

    Raises:
      DamagedFileError: it is no regular file.
      OSError: it cannot be read.
    """
    if not path.exists():
        return [], []
    *lines, _ = read_bytes(path).split(b"\n")
    parsed = [_parse(line) for line in lines]
    complaints = [f"line {i} cannot be read" for i, found in enumerate(parsed, 1) if found is None]
    records = [record for record in parsed if record is not None]
    complaints += [
        f"step {later['step']} comes after step {earlier['step']}"
        for earlier, later in itertools.pairwise(records)
        if later["step"] <= earlier["step"]
    ]
    return records if times else _drop_times(records), complaints


def digest_lines(records: list[Record]) -> str:
    """Return a digest that identifies these records. Their times do not count."""
    return hashlib.sha256(_render(_drop_times(records))).hexdigest()


class MetricsLog:
    """Appends to the ``metrics.jsonl`` in a folder.

    Opening it at a step drops the lines of later steps, which an interrupted run has logged, so
    that every step is there once. A damaged file is stored beside the new one.

    Args:
      directory: the run's folder.
      step: the step at which training begins.
      tell: receives warnings and notes.
      digest: the log's ``digest`` when that step was saved; '' if unknown.
    """

    def __init__(
        self,
        directory: Path,
        step: int,
        tell: Callable[[str], None] = print,
        digest: str = "",
    ):
        self._path = directory / "metrics.jsonl"
        check_plain(self._path)
        self._tell = tell
        records = self._read(step, digest)
        self._hash = hashlib.sha256(_render(_drop_times(records)))
        write_text(self._path, _render(records).decode())
        self._file = self._path.open("a+b", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._folder = directory.stat()

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Add the metrics of a step, with the wall time.

        Raises:
          WorkdirError: it cannot be written.
        """
        finite = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        record = {"step": step, **finite}
        line = _render([record | {_TIME: round(time.time(), 3)}])
        try:
            while line:
                written = self._file.write(line)
                self._size, line = self._size + written, line[written:]
        except OSError as error:
            raise WorkdirError(
                f"cannot write to {self._path}: {error.strerror}; the same command resumes from "
                "the newest checkpoint"
            ) from error
        self._hash.update(_render([record]))

    @property
    def digest(self) -> str:
        """The digest of all lines: ``digest_lines`` of the records."""
        return self._hash.hexdigest()

    def sync(self) -> str:
        """Force the lines onto the disk, and return what happened to the file since it was opened.

        Do this before saving a checkpoint that counts on the lines. The result is '' if all of them
        are there. A file that was deleted is written again.

        Raises:
          WorkdirError: the lines cannot be written, or the folder is not where it was.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WorkdirError(
                f"cannot write to {self._path}: {error.strerror}; the same command resumes from "
                "the newest checkpoint"
            ) from error
        try:
            if self._path.stat().st_size == self._size:
                return ""
            return f"something else wrote to {self._path}, and lines of this training are lost"
        except OSError:
            contents = os.pread(self._file.fileno(), self._size, 0)
        if not self._is_same_folder():
            raise WorkdirError(
                f"{self._path.parent} was moved, deleted or unmounted during the training, and "
                "nothing more is written there; the same command resumes from the newest "
                "checkpoint in the folder"
            )
        write_text(self._path, contents.decode())
        return f"{self._path} was deleted during the training; its lines are written again"

    def _is_same_folder(self) -> bool:
        try:
            return os.path.samestat(self._path.parent.stat(), self._folder)
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, step: int, digest: str) -> list[Record]:
        """Return the records up to the step, each once, with their times."""
        records, complaints = scan_metrics(self._path, times=True)
        by_step = {record["step"]: record for record in records if record["step"] <= step}
        found = [by_step[each] for each in sorted(by_step)]
        if digest and digest_lines(found) != digest:
            complaints.append(
                f"its lines to step {step} are not those that were there when it was saved"
            )
        if complaints:
            where = "it is not there"
            if self._path.exists():
                copy = find_free_name(self._path.with_name("metrics.damaged.jsonl"))
                shutil.copyfile(self._path, copy)
                where = f"it is kept as {copy.name}"
            self._tell(
                f"warning: {self._path} was damaged: {'; '.join(complaints[:3])}; {where}, and "
                f"training continues with the {len(found)} lines that can be read"
            )
        return found


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    return record if all(type(value) in _VALUES for value in record.values()) else None


def _drop_times(records: list[Record]) -> list[Record]:
    return [{k: v for k, v in record.items() if k != _TIME} for record in records]


def _render(records: list[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()
