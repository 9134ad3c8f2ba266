"""One run of a sweep: training, then its evaluation, each a process of ``main.py``."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlog.storage import read_json
from gradlog.sweeps.folder import DONE, Record, SweepFolder
from gradlog.sweeps.plan import Plan, PlannedRun
from gradlog.sweeps.processes import LeavingError, Processes

MAIN = Path(__file__).parents[2] / "main.py"


@dataclass(frozen=True)
class Work:
    """What is to be done for a run; it can be pickled, and done on another machine.

    Attributes:
      folder: of the sweep.
      name: of the run.
      flags: ``--config.key=value`` of what the sweep and the command line name.
      steps: of its training.
      settings: digest of its configuration.
      main: the program that does it.
    """

    folder: SweepFolder
    name: str
    flags: tuple[str, ...]
    steps: int
    settings: str
    main: Path

    @property
    def status(self) -> str:
        """How far it is."""
        return self.folder.status(self.name, self.steps, self.settings)

    @property
    def is_done(self) -> bool:
        """Whether it is trained and evaluated as planned."""
        return self.status == DONE

    def do(self, processes: Processes, environment: Mapping[str, str]) -> bool:
        """Trains and evaluates, as far as that is not done; whether it is done then.

        A failure is in the record; being told to leave is none.
        """
        self._keep(failure="")
        try:
            return self._trained(processes, environment) and self._evaluated(processes, environment)
        except LeavingError:
            return False

    def _trained(self, processes: Processes, environment: Mapping[str, str]) -> bool:
        if self.folder.is_trained(self.name, self.steps):
            return True
        return self._run("train", processes, environment)

    def _evaluated(self, processes: Processes, environment: Mapping[str, str]) -> bool:
        self._begin_evaluation()
        summary = self.folder.summary(self.name)
        if not self._run("eval", processes, environment, f"--summary={summary}"):
            return False
        results = tuple(result["folder"] for result in read_json(summary))
        self._keep(settings=self.settings, results=results)
        return True

    def _begin_evaluation(self) -> None:
        """What an evaluation with other settings found, and the time it took, are not of this."""
        if self._record.settings != self.settings:
            self._keep(settings=self.settings, results=(), eval_seconds=0.0)

    def _run(
        self, mode: str, processes: Processes, environment: Mapping[str, str], *flags: str
    ) -> bool:
        """Whether a mode of ``main.py`` ended well."""
        began, seconds = time.monotonic(), f"{mode}_seconds"
        try:
            status = processes.run(
                [*self._command(mode), *flags], self.folder.log(self.name), environment
            )
        finally:
            spent = getattr(self._record, seconds) + time.monotonic() - began
            self._keep(**{seconds: spent})
        if status:
            self._keep(failure=f"--mode={mode} {_ended(status)}")
        return status == 0

    def _command(self, mode: str) -> list[str]:
        config = f"{self.main.parent / 'configs' / 'saved.py'}:{self.folder.config(self.name)}"
        flags = (f"--workdir={self.folder.workdir(self.name)}", f"--mode={mode}", *self.flags)
        return [str(self.main), f"--config={config}", *flags]

    @property
    def _record(self) -> Record:
        return self.folder.record(self.name)

    def _keep(self, **fields: Any) -> None:
        self.folder.keep(self.name, self._record.changed(**fields))


def work_of(folder: SweepFolder, plan: Plan, run: PlannedRun) -> Work:
    """What is to be done for a run of a plan."""
    config, kept = plan.config_of(run), dict.fromkeys([*plan.given, *run.overrides])
    flags = tuple(_flag(key, _value(config, key)) for key in kept)
    return Work(folder, run.name, flags, config.training.steps, plan.settings_of(run), MAIN)


def _value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def _flag(key: str, value: Any) -> str:
    return f"--config.{key}={_text(value)}"


def _text(value: Any) -> str:
    """As the command line reads it: a tuple of names is one text with commas."""
    names: Iterable = value if isinstance(value, tuple) else ()
    joined = ",".join(each for each in names if isinstance(each, str))
    return joined or (value if isinstance(value, str) else repr(value))


def _ended(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
