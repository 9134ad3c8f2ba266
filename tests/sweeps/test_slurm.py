"""Sweeps as jobs of SLURM: with programs that stand in for its own, and by submitit's executor."""

import json
import os
import pickle
import signal
import sys
import threading
import time

import pytest

from gradlog.sweeps import FailedRunsError, SweepError, run_sweep
from gradlog.sweeps.launchers import SlurmJob, check_slurm, run_on_slurm
from gradlog.sweeps.run_sweep import write_plan
from gradlog.sweeps.runs import DONE, FAILED, STARTED, make_task

pytest.importorskip("submitit", reason="submitit is not installed")
SECONDS = 60

# sbatch starts each task of the array at once; the state of a job is whether its process is there.
PROGRAMS = {
    "sbatch": """
import os, re, subprocess, sys
text = open(sys.argv[-1]).read()
open(os.environ["SLURM_STATE"] + "/submitted", "w").write(text)
if "partition=none" in text:
    sys.exit("sbatch: error: invalid partition specified: none")
last = int(re.search(r"--array=0-(\\d+)", text)[1])
for task in range(last + 1):
    environment = {
        **os.environ, "SLURM_JOB_ID": str(700 + task), "SLURM_ARRAY_JOB_ID": "70",
        "SLURM_ARRAY_TASK_ID": str(task), "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
    }
    process = subprocess.Popen(
        ["bash", sys.argv[-1]], env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    open(os.environ["SLURM_STATE"] + f"/70_{task}", "w").write(str(process.pid))
print("Submitted batch job 70")
""",
    "srun": """
import os, sys
words = sys.argv[1:]
while words[0].startswith("-"):
    words = words[2 if words[0] in ("--output", "--error") else 1 :]
os.execvp(words[0], words)
""",
    "sacct": """
import os
print("JobID|State|NodeList")
for name in os.listdir(os.environ["SLURM_STATE"]):
    if name.startswith("70_"):
        pid = open(os.environ["SLURM_STATE"] + "/" + name).read()
        try:
            stat = open(f"/proc/{pid}/stat").read()
            over = stat.rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            over = True
        print(f"{name}|{'FAILED' if over else 'RUNNING'}|here")
""",
}


@pytest.fixture
def slurm(sweep, tmp_path, monkeypatch):
    """A sweep on a machine with SLURM's programs."""
    programs, state = tmp_path / "bin", tmp_path / "slurm"
    programs.mkdir()
    state.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!{sys.executable}{text}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STATE", str(state))
    yield sweep
    (tmp_path / "hold").unlink(missing_ok=True)  # of jobs that wait for it after a failed test


def _launch(parameters=None, jobs=0, cluster="slurm"):
    return lambda tasks, on_end: run_on_slurm(tasks, jobs, on_end, parameters or {}, cluster)


def test_jobs_are_one_array_and_running_jobs_are_waited_for(slurm, tmp_path, monkeypatch):
    hold = tmp_path / "hold"
    hold.touch()
    slurm.set(HOLD=str(hold))
    plan = slurm.plan("seeds(3)", **{"training.steps": 20})
    tasks = [make_task(slurm.folder, plan, each) for each in plan.runs]
    parameters = {"slurm_partition": "here", "timeout_min": 7}
    waiting = threading.Thread(
        target=run_sweep, args=(slurm.folder, plan, _launch(parameters, jobs=2)), daemon=True
    )
    waiting.start()
    _wait(lambda: all(task.status == STARTED for task in tasks))
    submitted = (tmp_path / "slurm" / "submitted").read_text()
    for line in ("--array=0-2%2", "--partition=here", "--time=7", "--job-name=gradlog"):
        assert line in submitted
    assert json.loads(slurm.folder.job(tasks[1].name).read_text()) == {"id": "70_1"}
    ended, said = [], []

    def say(line):
        said.append(line)
        if "is job 70_2 already" in line:
            hold.unlink()

    monkeypatch.setattr("gradlog.sweeps.launchers.say", say)
    run_on_slurm(tasks, 0, ended.append, {})  # as another process of the same sweep would
    waiting.join(SECONDS)
    assert any("is job 70_2 already" in line for line in said)
    assert sorted(task.name for task in ended) == sorted(task.name for task in tasks)
    assert slurm.statuses(plan) == [DONE] * 3
    assert [note[:2] for note in slurm.events].count(["begin", "train"]) == 3
    assert not list(slurm.folder.runs.glob("*.job.json"))


@pytest.mark.slow
def test_failed_job_is_reported(slurm, capsys):
    plan = slurm.plan('[{"seed": 13}, {"seed": 1}]')
    with pytest.raises(FailedRunsError, match="1 of 2 runs failed: seed-13"):
        run_sweep(slurm.folder, plan, _launch())
    assert slurm.statuses(plan) == [FAILED, DONE]
    assert "error: bad luck" in capsys.readouterr().out


def test_slurm_error_is_one_line(slurm):
    plan = slurm.plan("seeds(2)")
    with pytest.raises(SweepError, match=r"--launcher=slurm: .*invalid partition specified"):
        run_sweep(slurm.folder, plan, _launch({"slurm_partition": "none"}))
    with pytest.raises(SweepError, match=r"--launcher=slurm: .*minutes"):
        run_sweep(slurm.folder, plan, _launch({"minutes": 3}))


def test_missing_slurm_or_submitit_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SweepError, match=r"^--launcher=slurm: .*srun"):
        check_slurm()
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SweepError, match="submitit"):
        check_slurm()


def test_job_writes_a_checkpoint_and_is_queued_again(sweep):
    """By a signal to the thread that waits for the run, as SLURM's comes."""
    sweep.set(STEP_SECONDS="0.05")
    plan = sweep.plan("seeds(1)", **{"training.steps": 1000})
    write_plan(sweep.folder, plan)
    task = make_task(sweep.folder, plan, plan.runs[0])
    job, again = pickle.loads(pickle.dumps(SlurmJob(task))), []

    def stop():
        _wait(lambda: task.status == STARTED)
        os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, lambda *_: again.append(job.checkpoint().function))
    try:
        threading.Thread(target=stop, daemon=True).start()
        job()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert "told 15" in sweep.folder.log(task.name).read_text()
    assert ([each.task for each in again], task.status) == ([task], STARTED)


@pytest.mark.slow
def test_local_executor_of_submitit_works(sweep):
    plan = sweep.plan("seeds(2)")
    run_sweep(sweep.folder, plan, _launch({"timeout_min": 1}, cluster="local"))
    assert sweep.statuses(plan) == [DONE] * 2


def _wait(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
