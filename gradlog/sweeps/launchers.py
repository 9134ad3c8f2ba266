"""Launchers that execute the tasks of a sweep: as processes of this machine or as SLURM jobs."""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradlog.storage import read_json, write_json
from gradlog.supervisor import child_environment
from gradlog.sweeps.plan import SweepError
from gradlog.sweeps.runs import CHECKOUT, InterruptedRunError, RunTask
from gradlog.terminal import say

# Receives the tasks and a function to call after each task, whether it succeeded or not.
Launcher = Callable[[Sequence[RunTask], Callable[[RunTask], object]], None]

_VISIBLE = "CUDA_VISIBLE_DEVICES"
# A cluster sends these before it stops a job. The waiting process handles them, not its children.
_JOB_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
_POLL_SECONDS = 2.0
_SLURM_DEFAULTS = {"name": "gradlog", "timeout_min": 60}


@dataclass
class ProcessGroup:
    """Processes that stop together and that do not outlive this process."""

    _running: set[subprocess.Popen] = field(default_factory=set)
    # A signal handler may ask for the lock while this thread holds it.
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stopping: bool = False

    def run(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        """Run a command of Python to its end and return its exit status.

        Args:
          command: the arguments of Python.
          log: the file to which the output is appended.
          environment: variables in addition to those of this process.

        Raises:
          InterruptedRunError: ``stop`` was called before the process ended well.
        """
        with log.open("ab") as file:
            with self._lock:
                if self._stopping:
                    raise InterruptedRunError
                # A child inherits the blocked signals of its parent.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
                try:
                    process = subprocess.Popen(
                        [sys.executable, *command],
                        env={**os.environ, **environment, **child_environment()},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # Otherwise Ctrl-C would reach it twice.
                    )
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                self._running.add(process)
            try:
                status = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        if status and self._stopping:
            raise InterruptedRunError
        return status

    def stop(self) -> None:
        """Ask all processes to end. Training writes a checkpoint, evaluation keeps its batches."""
        with self._lock:
            self._stopping = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until no process runs. A signal handler that interrupts ``run`` may call this."""
        with self._lock:
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ChildProcessError):  # It ended, and run() read its status.
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def run_locally(tasks: Sequence[RunTask], jobs: int, on_end: Callable[[RunTask], object]) -> None:
    """Execute tasks as processes of this machine.

    Args:
      tasks: the tasks to execute.
      jobs: how many run at once; 0 for one per GPU, and at least one.
      on_end: called with each task that ended, whether it succeeded or not.

    Raises:
      KeyboardInterrupt: a signal asked this process to stop. All processes have ended by then.
    """
    devices = list_gpus()
    jobs = jobs or max(len(devices), 1)
    processes, free_slots = ProcessGroup(), queue.SimpleQueue()
    for slot in range(jobs):
        free_slots.put(assign_gpus(devices, slot, jobs))

    def execute(task: RunTask) -> RunTask:
        environment = free_slots.get()
        try:
            task.execute(processes.run, environment)
        finally:
            free_slots.put(environment)
        return task

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(execute, task) for task in tasks]
        try:
            for future in as_completed(futures):
                on_end(future.result())
        except BaseException:
            processes.stop()
            pool.shutdown(cancel_futures=True)
            raise


def list_gpus() -> list[str]:
    """Return the names of the GPUs that this process may use, in CUDA's terms."""
    if _VISIBLE in os.environ:
        return [name for name in os.environ[_VISIBLE].split(",") if name]
    if not shutil.which("nvidia-smi") or os.environ.get("JAX_PLATFORMS") == "cpu":
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


def assign_gpus(devices: Sequence[str], slot: int, jobs: int) -> dict[str, str]:
    """Return the environment variables that give one of several slots its own GPUs."""
    if not devices:
        return {}
    own = devices[slot::jobs] or [devices[slot % len(devices)]]
    return {_VISIBLE: ",".join(own)}


@dataclass
class SlurmJob:
    """The callable that submitit executes on the cluster."""

    task: RunTask
    processes: ProcessGroup | None = None  # of the machine that executes it

    def __call__(self) -> None:
        self.processes = ProcessGroup()
        self.task.execute(self.processes.run, {})

    def checkpoint(self) -> Any:
        """Stop the run with a checkpoint and queue it again: called before SLURM ends the job."""
        from submitit.helpers import DelayedSubmission

        if self.processes:
            self.processes.stop()
            self.processes.wait()
        return DelayedSubmission(SlurmJob(self.task))


def check_slurm() -> None:
    """Check that jobs can be submitted, before anything is written.

    Raises:
      SweepError: submitit or SLURM is missing.
    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise SweepError(
            "--launcher=slurm needs the package submitit: pip install submitit"
        ) from None
    if shutil.which("srun") is None:
        raise SweepError(
            "--launcher=slurm: the program srun is missing: start this on a machine of the cluster"
        )


def run_on_slurm(
    tasks: Sequence[RunTask],
    jobs: int,
    on_end: Callable[[RunTask], object],
    parameters: Mapping[str, Any],
    cluster: str = "slurm",
) -> None:
    """Execute tasks as one array of jobs, and wait for jobs that an earlier process submitted.

    The jobs continue when this process ends.

    Args:
      tasks: the tasks to execute.
      jobs: how many run at once; 0 for as many as SLURM allows.
      on_end: called with each task that ended, whether it succeeded or not.
      parameters: arguments of ``submitit.AutoExecutor``: time, memory, ``slurm_partition``.
      cluster: the cluster argument of ``submitit.AutoExecutor``.

    Raises:
      SweepError: SLURM refuses a job or a parameter.
    """
    import submitit

    running = {}
    for task in tasks:
        path = task.folder.job(task.name)
        if path.is_file():
            job = submitit.SlurmJob(task.folder.jobs, read_json(path)["id"])
            if not job.done(force_check=True):
                say(f"{task.name} is job {job.job_id} already")
                running[task.name] = job
    if new := [task for task in tasks if task.name not in running]:
        limit = {"slurm_array_parallelism": jobs} if jobs else {}
        with _submission():
            executor = submitit.AutoExecutor(new[0].folder.jobs, cluster=cluster)
            executor.update_parameters(**{**_SLURM_DEFAULTS, **limit, **parameters})
            with executor.batch():
                submitted = [executor.submit(SlurmJob(task)) for task in new]
        for task, job in zip(new, submitted, strict=True):
            write_json(task.folder.job(task.name), {"id": job.job_id})
            running[task.name] = job
        ids = ", ".join(job.job_id for job in submitted)
        say(f"submitted {ids}; the jobs continue when this command ends: scancel ends them")
    waiting = list(tasks)
    while waiting:
        for task in list(waiting):
            job = running[task.name]
            if not job.done():
                continue
            if not task.is_done and not task.folder.read_record(task.name).failure:
                # The job was killed and could not note its failure itself.
                reason = f"job {job.job_id} ended in the state {job.state}; see {task.folder.jobs}"
                task.update_record(failure=reason)
            task.folder.job(task.name).unlink(missing_ok=True)
            on_end(task)
            waiting.remove(task)
        time.sleep(_POLL_SECONDS if waiting else 0)


@contextlib.contextmanager
def _submission():
    """Let submitted jobs import this package, and turn submitit's errors into SweepError."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), before]))
    try:
        yield
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError, OSError) as error:
        raise SweepError(f"--launcher=slurm: {str(error) or type(error).__name__}") from error
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
