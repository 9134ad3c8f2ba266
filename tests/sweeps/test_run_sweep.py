"""Sweeps on this machine, with a quick replacement of ``main.py``."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
from conftest import FAKE_MAIN

from gradlog.storage import DamagedFileError, WorkdirError, WorkdirLock
from gradlog.sweeps import FailedRunsError, SweepError, run_sweep, show_sweep_plan
from gradlog.sweeps.launchers import assign_gpus, list_gpus
from gradlog.sweeps.runs import DONE, FAILED, STARTED, TRAINED, WAITING

SECONDS = 60


def test_runs_are_trained_and_evaluated_and_results_are_written(sweep, capsys):
    plan = sweep.run("seeds(2)")
    a, b = (each.name for each in plan.runs)
    modes = [("begin", "train"), ("end", "train"), ("begin", "eval"), ("end", "eval")]
    assert sweep.events == [[*mode, name, "-"] for name in (a, b) for mode in modes]
    assert sweep.statuses(plan) == [DONE, DONE]
    assert {each.name for each in sweep.folder.root.glob("results.*")} == {
        *("results.csv", "results.json", "results.png")
    }
    assert "settings by ode" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["runs", "runs/{}", "runs/{}.log", "runs/{}.json", "sweep.json"])
def test_nothing_is_written_through_a_link(sweep, tmp_path, place):
    (run,) = sweep.plan("seeds(1)").runs
    link, target = sweep.folder.root / place.format(run.name), tmp_path / "elsewhere"
    target.mkdir() if place in ("runs", "runs/{}") else target.write_text("of the user")
    link.parent.mkdir(parents=True, exist_ok=True)
    if place == "sweep.json":  # the plan of an earlier command
        sweep.plan("seeds(1)").save(target)
    before = None if target.is_dir() else target.read_text()
    link.symlink_to(target)
    if place.startswith("runs"):
        sweep.plan("seeds(1)").save(sweep.folder.plan)
    with pytest.raises((WorkdirError, DamagedFileError), match=str(link)):
        sweep.run("seeds(1)")
    assert sweep.events == []
    assert (list(target.iterdir()) == []) if before is None else (target.read_text() == before)


def test_finished_runs_are_not_repeated(sweep, capsys):
    sweep.run("seeds(2)")
    before = sweep.events
    sweep.run("seeds(2)")
    assert sweep.events == before
    assert "all runs are done" in capsys.readouterr().out


def test_new_runs_are_added_to_finished_ones(sweep, capsys):
    sweep.run("seeds(2)")
    before = sweep.events
    plan = sweep.run("seeds(3)[1:]")
    added = [note[2] for note in sweep.events[len(before) :]]
    assert set(added) == {plan.runs[1].name}
    said = capsys.readouterr().out
    assert "1 of its 2 runs are kept, 1 are new, and 1 that it no longer contains" in said


def test_other_evaluation_settings_do_not_train_again(sweep):
    (run,) = sweep.run("seeds(1)").runs
    plan = sweep.plan("seeds(1)", **{"likelihood.rtol": 1e-2})
    assert sweep.statuses(plan) == [TRAINED]
    before = dataclasses.replace(
        sweep.folder.read_record(run.name), train_seconds=1000.0, eval_seconds=1000.0
    )
    sweep.folder.write_record(run.name, before)
    sweep.run("seeds(1)", **{"likelihood.rtol": 1e-2})
    after = sweep.folder.read_record(run.name)
    assert (after.train_seconds, after.settings != before.settings) == (1000.0, True)
    assert 0 < after.eval_seconds < 1000  # of this evaluation alone
    assert [note[:2] for note in sweep.events[4:]] == [["begin", "eval"], ["end", "eval"]]


def test_failed_run_stops_no_other_run_and_is_reported(sweep, capsys):
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
    assert sweep.folder.table("csv").exists()


def test_simultaneous_runs_have_their_own_gpus(sweep):
    sweep.set(CUDA_VISIBLE_DEVICES="4,5,6", STEP_SECONDS="0.1")
    sweep.run("seeds(6)", jobs=0)
    running, most = {}, 0
    for moment, mode, name, own in sweep.events:
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
def test_gpus_are_divided_between_slots(devices, jobs, shares):
    found = [assign_gpus(devices, slot, jobs).get("CUDA_VISIBLE_DEVICES") for slot in range(jobs)]
    assert found == shares


def test_visible_gpus_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert list_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert list_gpus() == ["3", "GPU-5"]


def test_dry_run_writes_nothing(sweep, capsys):
    plan = sweep.plan("seeds(2)")
    show_sweep_plan(sweep.folder, plan)
    assert not sweep.folder.root.exists()
    said = capsys.readouterr().out
    assert all(each.name in said for each in plan.runs)
    assert said.count(WAITING) == 2


def test_other_folder_is_refused_and_unchanged(sweep):
    sweep.folder.root.mkdir()
    (sweep.folder.root / "mine").write_text("mine")
    for act in (show_sweep_plan, lambda folder, plan: run_sweep(folder, plan, None)):
        with pytest.raises(SweepError, match="holds something else than a sweep; choose another"):
            act(sweep.folder, sweep.plan("seeds(2)"))
    assert [each.name for each in sweep.folder.root.iterdir()] == ["mine"]


def test_second_sweep_in_the_folder_is_refused(sweep):
    with WorkdirLock(sweep.folder.root), pytest.raises(WorkdirError, match="is in use by process"):
        sweep.run("seeds(2)")
    assert sweep.events == []


# --- interrupted --------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
import tiny, planned_sweeps
from gradlog.sweeps import SweepFolder, run_sweep, runs
from gradlog.sweeps.launchers import run_locally
from gradlog.training import raise_on_signal
path = Path(sys.argv[1])
runs.PROGRAM = (sys.argv[2],)
plan = planned_sweeps.plan_sweep(path, sys.argv[3], **{"training.steps": 30})
with raise_on_signal():
    run_sweep(SweepFolder(path / "sweep"), plan, lambda tasks, end: run_locally(tasks, 2, end))
"""


def _start(sweep, returned):
    """Start a sweep in its own process and wait until two runs have started."""
    arguments = [str(sweep.path), str(FAKE_MAIN), returned]
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
    """Return whether no process of the sweep runs any more."""
    pids = {line.split()[4] for line in sweep.events_file.read_text().splitlines()}
    return not any(_lives(int(pid)) for pid in pids)


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_interrupted_sweep_stops_its_runs_and_resumes_them(sweep, signum):
    sweep.set(STEP_SECONDS="0.05")
    process = _start(sweep, "seeds(3)")
    process.send_signal(signum)
    process.wait(SECONDS)
    _wait(lambda: _gone(sweep))
    plan = sweep.plan("seeds(3)", **{"training.steps": 30})
    assert sweep.statuses(plan) == [STARTED, STARTED, WAITING]
    stopped = [b"told 15" in sweep.folder.log(each.name).read_bytes() for each in plan.runs[:2]]
    assert stopped == [signum == signal.SIGTERM] * 2
    steps = {each.name: sweep.folder.newest_step(each.name) for each in plan.runs[:2]}
    assert all(5 <= step < 30 for step in steps.values())
    before = len(sweep.events)
    sweep.set(STEP_SECONDS="0")
    sweep.run("seeds(3)", jobs=2, **{"training.steps": 30})
    assert sweep.statuses(plan) == [DONE] * 3
    assert [note[0] for note in sweep.events[before:]].count("begin") == 6
