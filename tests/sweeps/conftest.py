"""Sweeps that are quick: their processes are those of ``fake_main.py``, which trains nothing."""

import numpy as np
import pytest
import tiny
from planned_sweeps import finish, plan_sweep

from gradlog.sweeps import SweepFolder, run_sweep, runs
from gradlog.sweeps.launchers import run_locally

FAKE_MAIN = tiny.ROOT / "tests" / "sweeps" / "fake_main.py"


class FakeSweep:
    """A sweep in a folder whose processes are those of ``fake_main.py``."""

    def __init__(self, path, monkeypatch):
        self.path, self.folder = path, SweepFolder(path / "sweep")
        self.events_file = path / "events"
        monkeypatch.setattr(runs, "PROGRAM", (str(FAKE_MAIN),))
        other = path / "other"
        other.mkdir()
        plan, folder = plan_sweep(other, "[{}]"), SweepFolder(other)
        finish(folder, plan, plan.runs[0], np.arange(4.0))
        self._set_variable = monkeypatch.setenv
        self.set(
            STEP_SECONDS="0.01",
            RESULT=str(folder.results(plan.runs[0].name)[0]),
            EVENTS=str(self.events_file),
            PYTHONPATH=str(tiny.ROOT),
        )

    def set(self, **variables):
        for name, value in variables.items():
            self._set_variable(name, value)

    def plan(self, returned, **settings):
        return plan_sweep(self.path, returned, **{"training.steps": 3} | settings)

    def run(self, returned, jobs=1, **settings):
        plan = self.plan(returned, **settings)
        run_sweep(self.folder, plan, lambda tasks, on_end: run_locally(tasks, jobs, on_end))
        return plan

    def statuses(self, plan):
        return [
            self.folder.status(
                run.name, plan.build_config(run).training.steps, plan.settings_digest(run)
            )
            for run in plan.runs
        ]

    @property
    def events(self):
        """What the processes noted: begin or end, mode, run, GPUs."""
        lines = self.events_file.read_text().splitlines() if self.events_file.exists() else []
        return [line.split()[:4] for line in lines]


@pytest.fixture
def sweep(tmp_path, monkeypatch) -> FakeSweep:
    """A quick sweep."""
    return FakeSweep(tmp_path, monkeypatch)
