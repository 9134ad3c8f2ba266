"""A replacement of ``main.py`` for tests of sweeps: it trains nothing, and copies a result.

Environment variables set the seconds of a step (STEP_SECONDS), the result to copy (RESULT), and the
file that lists beginnings and ends of processes (EVENTS). While the file HOLD exists, it waits
after a step. A run with seed 13 fails.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from gradlog import supervisor

STEP_SECONDS = float(os.environ["STEP_SECONDS"])
RESULT = Path(os.environ["RESULT"])
EVENTS = Path(os.environ["EVENTS"])
HOLD = Path(os.environ.get("HOLD", "nothing"))


def _flag(name: str) -> str:
    (found,) = [each for each in sys.argv if each.startswith(f"--{name}=")]
    return found.partition("=")[2]


def _checkpoint(workdir: Path, step: int) -> None:
    folder = workdir / "checkpoints" / str(step)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")


def train(workdir: Path, config: dict) -> None:
    for step in range((supervisor.find_newest_checkpoint(workdir) or 0) + 1, config["steps"] + 1):
        time.sleep(STEP_SECONDS)
        _checkpoint(workdir, step)
        while HOLD.exists():
            time.sleep(0.02)
        if config["seed"] == 13:
            print("a warning\nerror: bad luck")
            sys.exit(2)
    (workdir / "curves.png").touch()


def evaluate(workdir: Path, config: dict) -> None:
    folder = workdir / "eval" / str(config["steps"]) / "ode"
    if not folder.exists():
        shutil.copytree(RESULT, folder)
    Path(_flag("summary")).write_text(json.dumps([{"folder": str(folder.relative_to(workdir))}]))


def work() -> None:
    workdir, mode = Path(_flag("workdir")), _flag("mode")
    config = json.loads(Path(_flag("config")).read_text())
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    _note("begin", mode, workdir.name, gpus, str(os.getpid()))
    modes = {"train": train, "eval": evaluate}
    modes[mode](workdir, {"seed": config["seed"], "steps": config["training"]["steps"]})
    _note("end", mode, workdir.name, gpus, str(os.getpid()))


def _note(*words: str) -> None:
    with EVENTS.open("a") as file:
        file.write(" ".join(word or "-" for word in words) + "\n")


def leave(signum: int, frame: object) -> None:
    print(f"told {signum}", flush=True)
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    supervisor.supervise(work, None)
