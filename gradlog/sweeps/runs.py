"""The runs of a sweep: their files, their status, and the commands that train and evaluate them."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict

from gradlog.storage import own_path, read_json, write_json
from gradlog.supervisor import find_newest_checkpoint
from gradlog.sweeps.plan import Plan, PlannedRun

_LOG_LINES = 20  # lines of a log that are shown for a failed run
DONE, TRAINED, STARTED, FAILED, WAITING = "done", "trained", "begun", "failed", "waiting"
CHECKOUT = Path(__file__).parents[2]
# The program that trains and evaluates: a checkout has main.py, an installation has the package.
_MAIN = CHECKOUT / "main.py"
PROGRAM = (str(_MAIN),) if _MAIN.is_file() else ("-m", "gradlog")


# Runs a command of Python with further variables of the environment, and appends its output to a
# file. Returns the exit status, or raises InterruptedRunError if it was asked to stop.
Runner = Callable[[list[str], Path, Mapping[str, str]], int]


class InterruptedRunError(Exception):
    """A run that was asked to stop before it finished."""


@dataclass(frozen=True)
class Record:
    """The progress of a run as far as its workdir does not show it.

    Attributes:
      settings: digest of the configuration of the newest evaluation; '' before the first one.
      results: folders of the results inside the workdir, in the order of the estimators.
      train_seconds: wall-clock time of all attempts, except those that were killed.
      eval_seconds: the same for the evaluation with these settings.
      failure: how the last attempt failed; '' if it did not.
    """

    settings: str = ""
    results: tuple[str, ...] = ()
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class SweepFolder:
    """The files of a sweep.

    ``runs/NAME`` is the workdir of a run. Beside it are ``NAME.config.json``, ``NAME.log``,
    ``NAME.json`` (its ``Record``), ``NAME.eval.json`` and ``NAME.job.json``.
    """

    root: Path

    @property
    def plan(self) -> Path:
        """The file of the plan."""
        return self.root / "sweep.json"

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.root / "runs"

    @property
    def jobs(self) -> Path:
        """The folder that submitit writes to."""
        return self.root / "slurm"

    def table(self, suffix: str) -> Path:
        """Return ``results.csv``, ``results.json`` or ``results.png``."""
        return self.root / f"results.{suffix}"

    def workdir(self, name: str) -> Path:
        """Return the workdir of a run."""
        return self.runs / name

    def config(self, name: str) -> Path:
        """Return the file of a run's complete configuration, which its processes read."""
        return self.runs / f"{name}.config.json"

    def log(self, name: str) -> Path:
        """Return the file that receives the output of a run's processes."""
        return self.runs / f"{name}.log"

    def summary(self, name: str) -> Path:
        """Return the file in which the evaluation lists its results."""
        return self.runs / f"{name}.eval.json"

    def job(self, name: str) -> Path:
        """Return the file with the id of a run's job on the cluster."""
        return self.runs / f"{name}.job.json"

    def check_writable(self, name: str) -> None:
        """Check that nothing a run writes is a link to a place elsewhere.

        Raises:
          WorkdirError: something is.
        """
        own_path(self.root, self.jobs.name)
        for path in (self.workdir(name), self.log(name), self.summary(name)):
            own_path(self.root, *path.relative_to(self.root).parts)

    def read_record(self, name: str) -> Record:
        """Return the record of a run; an empty one before it starts."""
        path = self.runs / f"{name}.json"
        if not path.is_file():
            return Record()
        stored = read_json(path)
        return Record(**stored | {"results": tuple(stored["results"])})

    def write_record(self, name: str, record: Record) -> None:
        """Write the record of a run."""
        write_json(self.runs / f"{name}.json", dataclasses.asdict(record))

    def results(self, name: str) -> list[Path]:
        """Return the folders of a run's results."""
        return [self.workdir(name) / result for result in self.read_record(name).results]

    def newest_step(self, name: str) -> int | None:
        """Return the step of a run's newest checkpoint."""
        return find_newest_checkpoint(self.workdir(name))

    def is_trained(self, name: str, steps: int) -> bool:
        """Return whether training has finished. It writes its curves last."""
        step = self.newest_step(name)
        return step is not None and step >= steps and (self.workdir(name) / "curves.png").is_file()

    def status(self, name: str, steps: int, settings: str) -> str:
        """Return the status of a run: 'done', 'failed', 'trained', 'begun' or 'waiting'.

        Args:
          name: the name of the run.
          steps: the number of its training steps.
          settings: the digest of its configuration. A run is done if it was evaluated with these.
        """
        record = self.read_record(name)
        finished = [(folder / "bits_per_dim.json").is_file() for folder in self.results(name)]
        if record.settings == settings and finished and all(finished):
            return DONE
        if record.failure:
            return FAILED
        if self.is_trained(name, steps):
            return TRAINED
        return WAITING if self.newest_step(name) is None else STARTED

    def last_log_lines(self, name: str) -> list[str]:
        """Return the end of a run's log without empty lines; nothing if there is no log."""
        log = self.log(name)
        lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        return [line for line in lines if line.strip()][-_LOG_LINES:]


@dataclass(frozen=True)
class RunTask:
    """The training and the evaluation of one run.

    A task can be pickled and sent to another machine.

    Attributes:
      folder: the folder of the sweep.
      name: the name of the run.
      flags: ``--config.key=value`` for the keys that the sweep or the command line sets.
      steps: the number of training steps.
      settings: the digest of the run's configuration.
      program: the arguments of Python that start the command line.
    """

    folder: SweepFolder
    name: str
    flags: tuple[str, ...]
    steps: int
    settings: str
    program: tuple[str, ...]

    @property
    def status(self) -> str:
        """The status of the run."""
        return self.folder.status(self.name, self.steps, self.settings)

    @property
    def is_done(self) -> bool:
        """True if the run is trained and evaluated as planned."""
        return self.status == DONE

    def execute(self, runner: Runner, environment: Mapping[str, str]) -> None:
        """Train and evaluate the run, as far as that is not done.

        A failure is noted in the run's record. A run that is asked to stop has not failed.
        """
        self.update_record(failure="")
        try:
            is_trained = self.folder.is_trained(self.name, self.steps)
            if not is_trained and self._run_mode("train", runner, environment):
                return
            if self.folder.read_record(self.name).settings != self.settings:
                # Results of an evaluation with other settings, and its time, do not count.
                self.update_record(settings=self.settings, results=(), eval_seconds=0.0)
            summary = self.folder.summary(self.name)
            if self._run_mode("eval", runner, environment, f"--summary={summary}"):
                return
            results = tuple(result["folder"] for result in read_json(summary))
            self.update_record(settings=self.settings, results=results)
        except InterruptedRunError:
            return

    def update_record(self, **fields: Any) -> None:
        """Change fields of the run's record."""
        record = self.folder.read_record(self.name)
        self.folder.write_record(self.name, dataclasses.replace(record, **fields))

    def _run_mode(
        self, mode: str, runner: Runner, environment: Mapping[str, str], *flags: str
    ) -> int:
        """Run a mode of the command line and return its exit status."""
        command = [
            *self.program,
            f"--config={self.folder.config(self.name)}",
            f"--workdir={self.folder.workdir(self.name)}",
            f"--mode={mode}",
            *self.flags,
            *flags,
        ]
        start, seconds = time.monotonic(), f"{mode}_seconds"
        try:
            status = runner(command, self.folder.log(self.name), environment)
        finally:
            before = getattr(self.folder.read_record(self.name), seconds)
            self.update_record(**{seconds: before + time.monotonic() - start})
        if status:
            end = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self.update_record(failure=f"--mode={mode} {end}")
        return status


def make_task(folder: SweepFolder, plan: Plan, run: PlannedRun) -> RunTask:
    """Return the task of a planned run."""
    config = plan.build_config(run)
    values = flatten_dict(config.to_dict(), sep=".")
    # The processes read the configuration from a file. Flags mark the keys that win over a preset.
    flags = tuple(
        f"--config.{key}={flag_value(values[key])}"
        for key in dict.fromkeys([*plan.command_line_keys, *run.overrides])
    )
    settings = plan.settings_digest(run)
    return RunTask(folder, run.name, flags, config.training.steps, settings, PROGRAM)


def flag_value(value: Any) -> str:
    """Return a value as the command line reads it: names of a tuple are separated by commas."""
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value if isinstance(value, str) else repr(value)
