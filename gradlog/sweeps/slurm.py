"""Runs of a sweep as jobs of SLURM, through submitit; they go on without the process that waits."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradlog.storage import read_json, write_json
from gradlog.sweeps.errors import SweepError
from gradlog.sweeps.processes import Processes
from gradlog.sweeps.work import Work
from gradlog.terminal import say

ROOT = Path(__file__).parents[2]
_LOOK_SECONDS = 2.0  # between two looks at the jobs
_USUAL = {"name": "gradlog", "timeout_min": 60}


@dataclass
class Job:
    """What a job does: called there, and asked to leave in time when SLURM is about to stop it."""

    work: Work
    processes: Processes = field(default_factory=Processes)

    def __call__(self) -> None:
        self.work.do(self.processes, {})

    def checkpoint(self) -> Any:
        """Called before SLURM stops the job: a checkpoint is written, and it is queued again."""
        from submitit.helpers import DelayedSubmission

        self.processes.leave()
        self.processes.wait()
        return DelayedSubmission(Job(self.work))

    def __getstate__(self) -> dict[str, Any]:
        return {"work": self.work}  # processes are of a machine

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(**state)


def check_slurm() -> None:
    """Raises SweepError where jobs cannot be submitted: before anything is written."""
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise SweepError(
            "--launcher=slurm needs the package submitit: pip install submitit"
        ) from None
    if shutil.which("srun") is None:
        raise SweepError(
            "--launcher=slurm: there is no srun: start this on a machine of the cluster"
        )


def run_on_slurm(
    works: Sequence[Work],
    jobs: int,
    ended: Callable[[Work], object],
    parameters: Mapping[str, Any],
    cluster: str = "slurm",
) -> None:
    """Does all works as jobs; those that an earlier process submitted are waited for.

    Args:
      works: what is to be done.
      jobs: how many at once; 0 for as many as SLURM lets run.
      ended: called with each when it has ended, well or not.
      parameters: of ``submitit.AutoExecutor``: time, memory, ``slurm_partition`` and the like.
      cluster: of ``submitit.AutoExecutor``.

    Raises:
      SweepError: SLURM does not take a job or a parameter.
    """
    known = {work.name: _alive(work) for work in works}
    waiting = [work for work in works if known[work.name] is None]
    if waiting:
        known |= _submitted(waiting, jobs, parameters, cluster)
    _wait(works, known, ended)


def _submitted(
    works: Sequence[Work], count: int, parameters: Mapping[str, Any], cluster: str
) -> dict[str, Any]:
    """The jobs of works by name, as one array."""
    import submitit

    limit = {"slurm_array_parallelism": count} if count else {}
    with _told(), _found():
        executor = submitit.AutoExecutor(works[0].folder.jobs, cluster=cluster)
        executor.update_parameters(**{**_USUAL, **limit, **parameters})
        with executor.batch():
            submitted = [executor.submit(Job(work)) for work in works]
    for work, job in zip(works, submitted, strict=True):
        write_json(work.folder.job(work.name), {"id": job.job_id})
    ids = ", ".join(job.job_id for job in submitted)
    say(f"submitted {ids}; they go on when this command is ended: scancel ends them")
    return {work.name: job for work, job in zip(works, submitted, strict=True)}


@contextlib.contextmanager
def _told():
    """Raises SweepError, in one line, for what submitit does not take."""
    try:
        yield
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError, OSError) as error:
        raise SweepError(f"--launcher=slurm: {str(error) or type(error).__name__}") from error


@contextlib.contextmanager
def _found():
    """Within it what is submitted finds this repository, wherever it is started."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), before]))
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _alive(work: Work) -> Any:
    """The job that an earlier process submitted for a work, if it waits or runs."""
    import submitit

    path = work.folder.job(work.name)
    if not path.is_file():
        return None
    job = submitit.SlurmJob(work.folder.jobs, read_json(path)["id"])
    if _is_over(job, force=True):
        return None
    say(f"{work.name} is job {job.job_id} already")
    return job


def _wait(works: Sequence[Work], jobs: Mapping[str, Any], ended: Callable[[Work], object]) -> None:
    left = list(works)
    while left:
        for work in [each for each in left if _is_over(jobs[each.name])]:
            _close(work, jobs[work.name])
            ended(work)
            left.remove(work)
        time.sleep(_LOOK_SECONDS if left else 0)


def _is_over(job: Any, *, force: bool = False) -> bool:
    return job.done(force_check=force)


def _close(work: Work, job: Any) -> None:
    """Notes the failure of a job that could not do so itself."""
    record = work.folder.record(work.name)
    if not work.is_done and not record.failure:
        failure = f"job {job.job_id} ended in the state {job.state}; see {work.folder.jobs}"
        work.folder.keep(work.name, record.changed(failure=failure))
    work.folder.job(work.name).unlink(missing_ok=True)
