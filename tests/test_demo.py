"""The demo's figures, and two hosts on one machine: minutes, run by `make test-slow`."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TIGHT = ("--config.likelihood.rtol=1e-6", "--config.likelihood.atol=1e-6")

pytestmark = pytest.mark.slow


def start(*arguments, **environment) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "main.py", *arguments], cwd=ROOT, env=os.environ | environment
    )


def main(*arguments, **environment) -> None:
    assert start(*arguments, **environment).wait() == 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("demo") / "digits"
    main("--config=configs/digits.py", f"--workdir={workdir}")
    return workdir


def results(workdir: Path) -> dict[tuple, np.ndarray]:
    """Bits/dim of every image by (batch size, devices)."""
    found = {}
    for path in workdir.glob("eval/*/*/settings.json"):
        settings = json.loads(path.read_text())
        key = settings["eval.batch_size"], settings["devices"], settings["likelihood.rtol"]
        found[key] = np.load(path.with_name("per_image.npz"))["bits_per_dim"]
    return found


def test_the_demo_reaches_its_bits_on_all_test_digits(demo):
    main(f"--workdir={demo}", "--mode=eval")
    summary = json.loads((demo / "eval/4000/ode/bits_per_dim.json").read_text())
    assert summary["num_images"] == 297
    assert summary["bits_per_dim"] < 1.95
    assert 0 < summary["standard_error"] < 0.03


def test_an_images_bits_depend_on_neither_batch_size_nor_devices(demo):
    for batch_size in (1, 7, 297):
        main(f"--workdir={demo}", "--mode=eval", f"--config.eval.batch_size={batch_size}", *TIGHT)
    eight = "--xla_force_host_platform_device_count=8"
    main(f"--workdir={demo}", "--mode=eval", *TIGHT, XLA_FLAGS=eight)
    found = results(demo)
    reference = found[297, 1, 1e-6]
    for key in ((1, 1, 1e-6), (7, 1, 1e-6), (297, 8, 1e-6)):
        assert np.abs(found[key] - reference).max() < 1e-4


def test_two_hosts_train_as_one(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    common = ("--config=configs/toy/mixture.py", "--config.training.steps=40")
    common += ("--config.training.log_every=10", "--config.data.num_test=100")
    main(*common, f"--workdir={tmp_path / 'one'}")
    hosts = [
        start(
            *common,
            f"--workdir={tmp_path / 'two'}",
            f"--coordinator={coordinator}",
            "--num_hosts=2",
            f"--host={host}",
        )
        for host in (0, 1)
    ]
    assert [host.wait() for host in hosts] == [0, 0]
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
