"""Two processes on this machine join, train, evaluate and lose each other as hosts do."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
import two_hosts

from gradlog import distributed, supervisor
from gradlog.cli.flags import Options
from gradlog.config_error import UsageError
from gradlog.distributed import HostError, Hosts
from gradlog.experiment.run import Run

STEPS = 200
NOTICED_SECONDS = 60


def config():
    """Return a small MLP on the digits. Its steps are quick: a host is lost between two of them."""
    config = tiny.points(**{"training.steps": STEPS, "training.log_every": 50})
    config.data = tiny.images().data
    config.training.update(checkpoint_every=10, eval_every=100, keep=0)
    config.eval.update(num_images=7, batch_size=2)
    config.likelihood.update(name="bound", samples=4, rtol=1e-5, atol=1e-5)
    return config


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Run:
    """Train in one process without an interruption."""
    run = Run.open(tmp_path_factory.mktemp("alone") / "run", config())
    run.train()
    return run


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> str:
    return two_hosts.config_file(tmp_path_factory.mktemp("config"), config())


def losses(workdir: Path) -> np.ndarray:
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").open()]
    return np.array([[r["step"], r["loss"], r.get("held_out_loss", 0.0)] for r in records])


def wait_for(path: Path, processes: list[subprocess.Popen]) -> None:
    end = time.monotonic() + two_hosts.SECONDS
    while not path.exists():
        for process in processes:
            assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < end
        time.sleep(0.01)


def work_of(process: subprocess.Popen) -> int:
    """Return the process that the parent waits for."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(children.split()[0])


def lose(file, workdir, victim, signum, *, parent=False):
    """Train on two hosts and lose one after step 20. Return (status, errors) of each."""
    processes = two_hosts.start_hosts(file, f"--workdir={workdir}", "--mode=train")
    try:
        wait_for(workdir / "checkpoints" / "20", processes)
        pid = processes[victim].pid if parent else work_of(processes[victim])
        os.kill(pid, signum)
        other = two_hosts.finish([processes[1 - victim]], NOTICED_SECONDS)[0]
        if signum == signal.SIGSTOP:
            os.kill(pid, signal.SIGCONT)
        lost = two_hosts.finish([processes[victim]], NOTICED_SECONDS)[0]
    finally:
        for process in processes:
            process.kill()
    return (lost, other) if victim == 0 else (other, lost)


def check_message(status: int, said: str, host: int) -> None:
    """Check the one line of the remaining host, which says how to resume."""
    assert status == 75, said
    (line,) = said.strip().splitlines()
    assert line.startswith(f"error: host {host} lost touch with another host")
    assert "the newest checkpoint in" in line
    assert "the same command on every host resumes" in line


def check_same_run(workdir: Path, alone: Run) -> None:
    """Check that the logged lines equal those of one process, and none is there twice."""
    np.testing.assert_allclose(losses(workdir), losses(alone.workdir.root), rtol=1e-5)
    assert len(losses(workdir)) == STEPS // 10


def test_after_a_lost_host_the_same_command_resumes(alone, file, tmp_path):
    workdir = tmp_path / "two"
    (status, said), (killed, _) = lose(file, workdir, 1, signal.SIGKILL)
    check_message(status, said, 0)
    assert killed == 75
    two_hosts.succeed(two_hosts.start_work(file.removeprefix("--config="), str(workdir)))
    check_same_run(workdir, alone)
    check_same_evaluation(workdir, alone)


def check_same_evaluation(workdir: Path, alone: Run) -> None:
    """Check that two hosts evaluate the same parameters to the same bits as one."""
    (folder,) = (workdir / "eval" / str(STEPS)).iterdir()
    assert not (folder / "partial").exists()
    with np.load(folder / "per_image.npz") as found:
        together = dict(found)
    for path in folder.iterdir():
        path.unlink()
    one = Run.open(workdir).results([STEPS])[0]
    np.testing.assert_array_equal(together["bits_per_dim"], one.bits_per_dim)
    assert together["ok"].shape == (7,)
    assert np.isfinite(one.bits_per_dim).all()
    undisturbed = alone.results([STEPS])[0].bits_per_dim
    np.testing.assert_allclose(one.bits_per_dim, undisturbed, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 2}, "--num_hosts and --host need --coordinator=HOST:PORT"),
        ({"index": 0}, "--num_hosts and --host need --coordinator=HOST:PORT"),
        ({"coordinator": "a:1"}, "--coordinator needs --num_hosts and --host"),
        ({"coordinator": "a:1", "count": 2}, "--coordinator needs --num_hosts and --host"),
        ({"coordinator": "a", "count": 2, "index": 0}, "--coordinator=a: expected HOST:PORT"),
        ({"coordinator": "a:b", "count": 2, "index": 0}, "--coordinator=a:b: expected HOST:PORT"),
        ({"coordinator": ":1", "count": 2, "index": 0}, "--coordinator=:1: expected HOST:PORT"),
        ({"coordinator": "a:0", "count": 2, "index": 0}, "--coordinator=a:0: expected HOST:PORT"),
        ({"coordinator": "a:70000", "count": 2, "index": 0}, "with a port from 1 to 65535"),
        ({"coordinator": "a:1", "count": 0, "index": 0}, "--num_hosts=0: must be at least 1"),
        ({"coordinator": "a:1", "count": 2, "index": 2}, "--host=2: hosts are numbered from 0"),
        ({"coordinator": "a:1", "count": 2, "index": -1}, "--host=-1: hosts are numbered from 0"),
        ({"coordinator": "a:1", "count": 2, "index": 0, "join_seconds": 0}, "at least 1"),
        ({"from_environment": True}, "neither SLURM, Open MPI nor a TPU names the hosts here"),
    ],
)
def test_impossible_hosts_are_refused_before_anyone_waits(settings, message, monkeypatch):
    monkeypatch.setattr(jax.distributed, "initialize", _as_without_a_cluster)
    with pytest.raises(HostError, match=re.escape(message)):
        Hosts(**settings).join()


def _as_without_a_cluster(*_, **__):
    raise ValueError("coordinator_address should be defined.")


def test_the_address_in_jaxs_own_variable_is_checked_too(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "nonsense")
    with pytest.raises(HostError, match="JAX_COORDINATOR_ADDRESS=nonsense: expected HOST:PORT"):
        Hosts(from_environment=True).join()


def test_settings_of_hosts_reach_jax(monkeypatch):
    seen = {}
    monkeypatch.setattr(jax.distributed, "initialize", lambda *a, **k: seen.update(k, given=a))
    monkeypatch.setattr(supervisor, "report_joined", lambda *_: None)
    Hosts(False, "a:1", 2, 1, join_seconds=7, heartbeat_seconds=9).join()
    assert seen["given"] == ("a:1", 2, 1)
    assert (seen["initialization_timeout"], seen["heartbeat_timeout_seconds"]) == (7, 9)


def test_one_host_alone_asks_nobody():
    assert distributed.is_writer()
    assert distributed.broadcast(3) == 3
    assert distributed.any_host(True)
    assert not distributed.any_host(False)
    tree = {"x": np.arange(3)}
    assert distributed.gather(tree)[0] is tree
    assert distributed.take_share([1, 2, 3]) == [1, 2, 3]
    Hosts().join()
    distributed.check_agreement({"color": "red"})


class Device:
    def __init__(self, host: int):
        self.process_index = host


def test_hosts_with_different_numbers_of_devices_are_refused(monkeypatch):
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: None)
    monkeypatch.setattr(supervisor, "report_joined", lambda *_: None)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "devices", lambda: [Device(0), Device(0), Device(1)])
    with pytest.raises(HostError, match="as many devices: host 0 has 2, host 1 has 1"):
        Hosts(False, "a:1", 2, 0).join()


@pytest.mark.parametrize("mode", ["import", "verify"])
def test_a_mode_of_one_host_refuses_several(mode):
    options = Options(mode, "w", source="f" * (mode == "import"), distributed=True)
    with pytest.raises(UsageError, match=f"--mode={mode} runs on one host"):
        options.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "signum", "parent"),
    [
        (0, signal.SIGKILL, False),
        (0, signal.SIGKILL, True),
        (1, signal.SIGKILL, True),
        (0, signal.SIGSTOP, False),
        (1, signal.SIGSTOP, False),
    ],
)
def test_any_host_may_be_lost_in_any_way(alone, file, tmp_path, victim, signum, parent):
    told = lose(file, tmp_path, victim, signum, parent=parent)
    check_message(*told[1 - victim], 1 - victim)
    assert told[victim][0] == (-signal.SIGKILL if parent else 75)
    two_hosts.run(file, f"--workdir={tmp_path}", "--mode=train", count=2)
    check_same_run(tmp_path, alone)


@pytest.mark.slow
def test_a_signal_to_one_host_stops_all(alone, file, tmp_path):
    processes = two_hosts.start_hosts(file, f"--workdir={tmp_path}", "--mode=train")
    wait_for(tmp_path / "checkpoints" / "20", processes)
    processes[1].terminate()
    assert [status for status, _ in two_hosts.finish(processes)] == [143, 143]
    two_hosts.run(file, f"--workdir={tmp_path}", "--mode=train", count=2)
    check_same_run(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["shard_map", "fsdp"])
def test_a_run_resumes_with_another_number_of_hosts(alone, file, tmp_path, parallel):
    """From one to two to one, and under a mapping that divides the state over both."""
    for steps, count in ((50, 1), (100, 2), (STEPS, 1)):
        flags = (f"--config.training.steps={steps}", "--config.training.sample_every=100")
        flags += (f"--config.training.parallel={parallel}",) * (count == 2)
        two_hosts.run(file, f"--workdir={tmp_path}", "--mode=train", *flags, count=count)
    check_same_run(tmp_path, alone)
    assert len(list((tmp_path / "previews").iterdir())) == STEPS // 100


@pytest.mark.slow
def test_an_evaluation_that_lost_a_host_resumes_with_any_number(alone, tmp_path):
    workdir = shutil.copytree(alone.workdir.root, tmp_path / "run")
    shutil.rmtree(workdir / "eval", ignore_errors=True)
    flags = (f"--workdir={workdir}", "--mode=eval", "--config.eval.num_images=200")
    flags += ("--config.likelihood.name=ode",)
    processes = two_hosts.start_hosts(*flags)
    partial = workdir / "eval" / str(STEPS) / "ode" / "partial"
    wait_for(partial / "2.npz", processes)
    os.kill(work_of(processes[1]), signal.SIGKILL)
    found = two_hosts.finish(processes, NOTICED_SECONDS)
    check_message(*found[0], 0)
    kept = {path.name: path.stat().st_mtime_ns for path in partial.glob("*.npz")}
    assert kept
    two_hosts.run(*flags)
    with np.load(partial.parent / "per_image.npz") as again:
        resumed = again["bits_per_dim"]
    alone.config.eval.num_images = 200
    alone.config.likelihood.name = "ode"
    whole = Run.open(alone.workdir.root, alone.config).results([STEPS])[0]
    np.testing.assert_array_equal(resumed, whole.bits_per_dim)


@pytest.mark.slow
def test_samples_and_classifier_of_two_hosts_are_those_of_one(tmp_path):
    config = tiny.points(**{"sampling.num_samples": 7, "sampling.batch_size": 2})
    config.data = tiny.images().data
    config.classifier.update(steps=20, batch_size=16, nf=8, hidden=8)
    Run.open(tmp_path / "1", config).train()
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    for mode in ("sample", "encode", "classifier"):
        for count in (1, 2):
            two_hosts.run(f"--workdir={tmp_path / str(count)}", f"--mode={mode}", count=count)
    for name in ("samples/20/samples.npz", "encodings/20/latents.npz"):
        with np.load(tmp_path / "1" / name) as one, np.load(tmp_path / "2" / name) as two:
            for key in one.files:
                np.testing.assert_array_equal(one[key], two[key])
    paths = [tmp_path / name / "classifier" / "accuracy.json" for name in ("1", "2")]
    held_out = [json.loads(path.read_text())["held_out"] for path in paths]
    accuracies = [[row["accuracy"] for row in rows] for rows in held_out]
    assert accuracies[0] == accuracies[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own", "name"),
    [
        (
            lambda host: (f"--config.training.batch_size={16 << host}",),
            "config.training.batch_size",
        ),
        (lambda host: (f"--mode={('train', 'eval')[host]}",), "--mode"),
        (lambda host: (f"--config.data.path=x{host}", f"--config.seed={host}"), "config.seed"),
    ],
)
def test_hosts_that_disagree_are_refused(file, tmp_path, own, name):
    processes = two_hosts.start_hosts(file, f"--workdir={tmp_path / 'run'}", own=own)
    for status, said in two_hosts.finish(processes):
        assert status == 2
        (line,) = said.strip().splitlines()
        assert line.startswith(f"error: the hosts differ in {name}: it is ")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_workdir_that_one_host_alone_sees_is_refused(file, tmp_path):
    processes = two_hosts.start_hosts(file, own=lambda host: (f"--workdir={tmp_path / str(host)}",))
    for status, said in two_hosts.finish(processes):
        assert status == 2
        (line,) = said.strip().splitlines()
        assert "the workdir must be on a file system that all hosts share" in line
    assert not (tmp_path / "1").exists()


@pytest.mark.slow
@pytest.mark.parametrize("host", [0, 1])
def test_a_missing_host_is_not_waited_for_forever(file, tmp_path, host):
    flags = (file, f"--workdir={tmp_path / 'run'}", "--num_hosts=2", f"--host={host}")
    flags += (f"--coordinator=localhost:{two_hosts.free_port()}", "--join_seconds=5")
    ((status, said),) = two_hosts.finish([two_hosts.start(*flags)], NOTICED_SECONDS)
    assert status == 2
    (line,) = said.strip().splitlines()
    assert line.startswith("error: the hosts did not all come together in time")
