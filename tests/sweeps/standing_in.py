"""Sweeps whose processes are those of ``stand_in.py``."""

import numpy as np
import tiny
from made import finish, planned

from gradlog.sweeps import SweepFolder, work
from gradlog.sweeps.local import run_locally
from gradlog.sweeps.running import run

STAND_IN = tiny.ROOT / "tests" / "sweeps" / "stand_in.py"


class StoodIn:
    """A sweep in a folder whose processes are those of ``stand_in.py``."""

    def __init__(self, path, monkeypatch):
        self.path, self.folder = path, SweepFolder(path / "sweep")
        self.noted, result = path / "noted", self._result(path / "other")
        monkeypatch.setattr(work, "MAIN", STAND_IN)
        self.environment = {
            "STEP_SECONDS": "0.01",
            "RESULT": str(result),
            "NOTED": str(self.noted),
            "PYTHONPATH": str(tiny.ROOT),
        }
        self.set = lambda **values: [monkeypatch.setenv(*each) for each in values.items()]
        self.set(**self.environment)

    @staticmethod
    def _result(path):
        path.mkdir()
        plan, folder = planned(path, "[{}]"), SweepFolder(path)
        finish(folder, plan, plan.runs[0], np.arange(4.0))
        return folder.results(plan.runs[0].name)[0]

    def plan(self, returned, **settings):
        return planned(self.path, returned, **{"training.steps": 3} | settings)

    def run(self, returned, jobs=1, **settings):
        plan = self.plan(returned, **settings)
        run(self.folder, plan, lambda works, ended: run_locally(works, jobs, ended))
        return plan

    def statuses(self, plan):
        return [self.status(plan, each) for each in plan.runs]

    def status(self, plan, each):
        steps = plan.config_of(each).training.steps
        return self.folder.status(each.name, steps, plan.settings_of(each))

    @property
    def notes(self):
        """What the processes have noted: beginnings and ends, modes, runs, GPUs."""
        lines = self.noted.read_text().splitlines() if self.noted.exists() else []
        return [line.split()[:4] for line in lines]
