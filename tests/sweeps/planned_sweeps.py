"""Plans of tiny sweeps, and runs of them that look finished."""

from pathlib import Path

import numpy as np
import tiny

from gradlog.storage import write_json, write_npz, write_sealed
from gradlog.sweeps import Plan, PlannedRun, SweepFolder, make_plan
from gradlog.sweeps.runs import Record

HEAD = '''"""A tiny sweep.

The rest is not its title.
"""

from gradlog.sweeps.overrides import *


'''
STEP = 20


def write_file(path: Path, returned: str) -> str:
    """Write a sweep's file whose ``sweep()`` returns this expression."""
    path.write_text(f"{HEAD}def sweep():\n    return {returned}\n")
    return str(path)


def plan_sweep(folder: Path, returned: str, keys=(), **settings) -> Plan:
    """Return the plan of such a file with the tiny experiment as its base."""
    file = write_file(folder / "sweep.py", returned)
    return make_plan(file, tiny.points(**settings), keys)


def finish(
    folder: SweepFolder,
    plan: Plan,
    run: PlannedRun,
    bits: np.ndarray,
    *,
    ok: np.ndarray | None = None,
    estimator: str = "ode",
    fingerprint: str = "data",
) -> None:
    """Write the files of a finished run with these bits/dim of the images."""
    ok = np.ones(len(bits), bool) if ok is None else ok
    result = folder.workdir(run.name) / "eval" / str(STEP) / estimator
    write_npz(result / "per_image.npz", {"bits_per_dim": bits, "ok": ok})
    write_json(result / "settings.json", {})
    summary = {
        "step": STEP,
        "estimator": estimator,
        "bits_per_dim": float(bits[ok].mean()),
        "standard_error": float(bits[ok].std(ddof=1) / np.sqrt(ok.sum())),
        "num_images": int(ok.sum()),
        "data_fingerprint": fingerprint,
    }
    write_sealed(result / "bits_per_dim.json", summary, ["per_image.npz", "settings.json"])
    known = folder.read_record(run.name).results
    results = (*known, str(result.relative_to(folder.workdir(run.name))))
    folder.write_record(run.name, Record(plan.settings_digest(run), results, 12.5, 3.25))
