"""A run that is killed again and again equals an undisturbed run, bit for bit."""

import signal
from pathlib import Path

import numpy as np
import pytest
from killing import (
    MOMENTS,
    Killed,
    Moment,
    assert_nothing_is_damaged,
    assert_the_same_run,
    moment,
    run_in,
)

from gradlog.experiment.run import Run

KILLS = 50
KILLS_OF_A_RUN = {"train": 12, "eval": 5}  # afterwards it may run to its end


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Run:
    """Train and evaluate without an interruption."""
    run = run_in(tmp_path_factory.mktemp("undisturbed") / "run")
    run.train()
    run.bits_per_dim()
    return run


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """The folder of compiled programs, which the processes share."""
    return tmp_path_factory.mktemp("cache")


def _aimed(mode: str, name: str, later: float = 0.0) -> Moment:
    return next(Moment(n, seen, later) for n, seen, _ in MOMENTS[mode] if n == name)


def test_a_run_killed_three_times_and_interrupted_is_the_same(undisturbed, cache, tmp_path):
    run = Killed(tmp_path / "killed", cache)
    assert run.kill("train", _aimed("train", "while a checkpoint is written"))
    assert_nothing_is_damaged(run.folder)
    assert run.kill("train", _aimed("train", "while it trains", 0.2), signal.SIGTERM)
    left_at = Run.open(run.folder).steps("all")[-1]
    assert left_at % 50  # a checkpoint of its own, in the middle of a line
    assert run.kill("train", _aimed("train", "when a checkpoint appears"))
    run_in(run.folder).train()
    assert run.kill("eval", _aimed("eval", "after a batch"))
    run_in(run.folder).bits_per_dim()
    assert_the_same_run(run.folder, undisturbed.workdir.root)


@pytest.mark.slow
def test_fifty_kills_at_random_moments_lose_nothing(undisturbed, cache, tmp_path):
    """Every killed run ends as the undisturbed one, with the same checkpoints."""
    rng, moments = np.random.default_rng(6), []
    steps = undisturbed.steps("all")
    while len(moments) < KILLS:
        run = Killed(tmp_path / f"killed{len(moments)}", cache)
        for mode, most in KILLS_OF_A_RUN.items():
            for _ in range(most):
                if not run.kill(mode, moment(mode, rng)):
                    break
                assert_nothing_is_damaged(run.folder)
            run.finish(mode)
        assert_the_same_run(run.folder, undisturbed.workdir.root)
        assert Run.open(run.folder).steps("all") == steps
        moments += run.moments
    counts = {name: moments.count(name) for name in sorted(set(moments))}
    print(f"{len(moments)} kills: {counts}")
    assert len(counts) > len(MOMENTS)
