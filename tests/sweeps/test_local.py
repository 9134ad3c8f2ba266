"""Sweeps on this machine, with a stand-in for ``main.py`` that is quick."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
from standing_in import STAND_IN

from gradlog.storage import WorkdirError, WorkdirLock
from gradlog.sweeps import FailedRunsError, SweepError
from gradlog.sweeps.folder import BEGUN, DONE, FAILED, TRAINED, WAITING
from gradlog.sweeps.local import gpus, share
from gradlog.sweeps.running import run, show

SECONDS = 60


def test_each_run_is_trained_then_evaluated_and_the_results_are_written(sweep, capsys):
    plan = sweep.run("seeds(2)")
    a, b = (each.name for each in plan.runs)
    modes = [("begin", "train"), ("end", "train"), ("begin", "eval"), ("end", "eval")]
    assert sweep.notes == [[*mode, name, "-"] for name in (a, b) for mode in modes]
    assert sweep.statuses(plan) == [DONE, DONE]
    assert {each.name for each in sweep.folder.root.glob("results.*")} == {
        *("results.csv", "results.json", "results.png")
    }
    assert "settings by ode" in capsys.readouterr().out


def test_a_second_time_nothing_is_started(sweep, capsys):
    sweep.run("seeds(2)")
    before = sweep.notes
    sweep.run("seeds(2)")
    assert sweep.notes == before
    assert "all runs are done" in capsys.readouterr().out


def test_more_runs_are_added_to_those_that_are_kept(sweep, capsys):
    sweep.run("seeds(2)")
    before = sweep.notes
    plan = sweep.run("seeds(3)[1:]")
    added = [note[2] for note in sweep.notes[len(before) :]]
    assert set(added) == {plan.runs[1].name}
    said = capsys.readouterr().out
    assert "1 of its 2 runs are kept, 1 are new, and 1 that are not in it any more" in said


def test_another_evaluation_does_not_train_again(sweep):
    (run,) = sweep.run("seeds(1)").runs
    plan = sweep.plan("seeds(1)", **{"likelihood.rtol": 1e-2})
    assert sweep.statuses(plan) == [TRAINED]
    before = sweep.folder.record(run.name).changed(train_seconds=1000.0, eval_seconds=1000.0)
    sweep.folder.keep(run.name, before)
    sweep.run("seeds(1)", **{"likelihood.rtol": 1e-2})
    after = sweep.folder.record(run.name)
    assert (after.train_seconds, after.settings != before.settings) == (1000.0, True)
    assert 0 < after.eval_seconds < 1000  # of this evaluation alone
    assert [note[:2] for note in sweep.notes[4:]] == [["begin", "eval"], ["end", "eval"]]


def test_a_run_that_fails_stops_no_other_and_is_told_in_the_end(sweep, capsys):
    with pytest.raises(
        FailedRunsError, match=r"^1 of 2 runs failed: seed-13-\w+; the same command"
    ):
        sweep.run('[{"seed": 13}, {"seed": 1}]')
    plan = sweep.plan('[{"seed": 13}, {"seed": 1}]')
    assert sweep.statuses(plan) == [FAILED, DONE]
    said = capsys.readouterr().out
    name = plan.runs[0].name
    assert f"failed: {name}: --mode=train ended with status 2; the end of" in said
    assert said.endswith("    a warning\n    error: bad luck\n")
    assert sweep.folder.result("csv").exists()


def test_so_many_run_at_once_each_with_gpus_of_its_own(sweep):
    sweep.set(CUDA_VISIBLE_DEVICES="4,5,6", STEP_SECONDS="0.1")
    sweep.run("seeds(6)", jobs=0)
    running, most = {}, 0
    for moment, mode, name, own in sweep.notes:
        if moment == "end":
            del running[name, mode]
            continue
        assert own in ("4", "5", "6")
        assert own not in running.values()
        running[name, mode] = own
        most = max(most, len(running))
    assert most == 3


@pytest.mark.parametrize(
    ("devices", "jobs", "shares"),
    [
        ("0123", 2, ["0,2", "1,3"]),
        ("01", 3, ["0", "1", "0"]),
        ("", 2, [None, None]),
    ],
)
def test_gpus_are_shared_out(devices, jobs, shares):
    found = [share(devices, slot, jobs).get("CUDA_VISIBLE_DEVICES") for slot in range(jobs)]
    assert found == shares


def test_without_gpus_there_are_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert gpus() == ["3", "GPU-5"]


def test_a_dry_run_shows_the_plan_and_writes_nothing(sweep, capsys):
    plan = sweep.plan("seeds(2)")
    show(sweep.folder, plan)
    assert not sweep.folder.root.exists()
    said = capsys.readouterr().out
    assert all(each.name in said for each in plan.runs)
    assert said.count(WAITING) == 2


def test_a_folder_of_something_else_is_refused_and_left_alone(sweep):
    sweep.folder.root.mkdir()
    (sweep.folder.root / "mine").write_text("mine")
    for act in (show, lambda folder, plan: run(folder, plan, None)):
        with pytest.raises(SweepError, match="holds something else than a sweep; choose another"):
            act(sweep.folder, sweep.plan("seeds(2)"))
    assert [each.name for each in sweep.folder.root.iterdir()] == ["mine"]


def test_a_second_sweep_in_the_folder_is_refused(sweep):
    with WorkdirLock(sweep.folder.root), pytest.raises(WorkdirError, match="is in use by process"):
        sweep.run("seeds(2)")
    assert sweep.notes == []


# --- ended in the middle --------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
import tiny, made
from gradlog.sweeps import SweepFolder, work
from gradlog.sweeps.local import run_locally
from gradlog.sweeps.running import run
from gradlog.training import unwinding
path = Path(sys.argv[1])
work.MAIN = Path(sys.argv[2])
plan = made.planned(path, sys.argv[3], **{"training.steps": 30})
with unwinding():
    run(SweepFolder(path / "sweep"), plan, lambda works, ended: run_locally(works, 2, ended))
"""


def _start(sweep, returned):
    """A sweep in a process of its own; gives it when two runs have begun."""
    arguments = [str(sweep.path), str(STAND_IN), returned]
    path = os.pathsep.join(str(tiny.ROOT / each) for each in (".", "tests", "tests/sweeps"))
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait(lambda: len(list(sweep.folder.runs.glob("*/checkpoints/5"))) == 2)
    return process


def _wait(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _gone(sweep):
    """Whether no process that noted its number is there."""
    pids = {line.split()[4] for line in sweep.noted.read_text().splitlines()}
    return not any(_lives(int(pid)) for pid in pids)


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_sweep_that_is_ended_takes_its_runs_along_and_goes_on_from_them(sweep, signum):
    sweep.set(STEP_SECONDS="0.05")
    process = _start(sweep, "seeds(3)")
    process.send_signal(signum)
    process.wait(SECONDS)
    _wait(lambda: _gone(sweep))
    plan = sweep.plan("seeds(3)", **{"training.steps": 30})
    assert sweep.statuses(plan) == [BEGUN, BEGUN, WAITING]
    told = [b"told 15" in sweep.folder.log(each.name).read_bytes() for each in plan.runs[:2]]
    assert told == [signum == signal.SIGTERM] * 2
    begun = {each.name: sweep.folder.step(each.name) for each in plan.runs[:2]}
    assert all(5 <= step < 30 for step in begun.values())
    before = len(sweep.notes)
    sweep.set(STEP_SECONDS="0")
    sweep.run("seeds(3)", jobs=2, **{"training.steps": 30})
    assert sweep.statuses(plan) == [DONE] * 3
    assert [note[0] for note in sweep.notes[before:]].count("begin") == 6
