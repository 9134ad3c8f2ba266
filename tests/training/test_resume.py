"""Tests that an interrupted and resumed run equals an uninterrupted one."""

import contextlib
from pathlib import Path

import jax
import pytest
import tiny

from gradlog.experiment.run import Run
from gradlog.storage import WorkdirError

# Interrupted in the middle of an accumulation, of a warm-up's epoch and of the data's.
SETTINGS = {
    "optimizer.accumulate": 2,
    "optimizer.schedule": "cosine",
    "optimizer.decay_steps": 100,
    "training.log_every": 25,
    "training.checkpoint_every": 75,
    "training.eval_every": 25,
}


def _train(folder, steps, **overrides):
    config = tiny.points(**SETTINGS | {"training.steps": steps} | overrides)
    Run.open(folder, config).train()
    return Run.open(folder)


@pytest.fixture(scope="module")
def in_one_go(tmp_path_factory):
    """A run of 200 steps."""
    return _train(tmp_path_factory.mktemp("one") / "run", 200)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A run that ended at step 100 and went on to 200, in a folder with a relative path."""
    with contextlib.chdir(tmp_path_factory.mktemp("resumed")):
        _train("run", 100)
        _train("run", 200)
        return Run.open(Path("run").absolute())


def test_resume_is_bitwise_equal(in_one_go, resumed):
    state = in_one_go.state(200)
    assert int(state.step) == 200
    tiny.assert_bitwise_equal(resumed.state(200), state)


def test_resumed_run_logs_every_step_once_with_the_same_numbers(in_one_go, resumed):
    assert resumed.metrics()["step"].tolist() == list(range(25, 201, 25))
    tiny.assert_bitwise_equal(resumed.metrics(), in_one_go.metrics())


def test_steps_after_the_last_checkpoint_are_repeated(in_one_go, tmp_path):
    """As after a crash between checkpoints: steps 100 and 125 were logged and not saved.

    The checkpoint of step 75 is in the middle of an accumulation.
    """
    run = _train(tmp_path / "run", 75)
    with run.workdir.metrics.open("a") as file:
        file.write('{"step": 100, "loss": -1.0}\n{"step": 125, "lo')
    resumed = _train(tmp_path / "run", 200)
    tiny.assert_bitwise_equal(resumed.metrics(), in_one_go.metrics())
    tiny.assert_bitwise_equal(resumed.state(200), in_one_go.state(200))


def test_the_schedule_of_the_rate_can_be_extended(tmp_path, capsys):
    _train(tmp_path / "run", 25, **{"optimizer.decay_steps": 12})
    assert "until step" not in capsys.readouterr().out
    run = _train(tmp_path / "run", 50, **{"optimizer.decay_steps": 25})
    assert "config.optimizer.decay_steps was 12 until step 25" in capsys.readouterr().out
    assert run.config.optimizer.decay_steps == 25


def test_finished_run_is_unchanged(in_one_go, capsys):
    files = sorted(path for path in in_one_go.workdir.root.rglob("*") if path.is_file())
    changing = ("provenance.json", ".lock")
    before = {path: path.stat().st_mtime_ns for path in files if path.name not in changing}
    Run.open(in_one_go.workdir.root).train()
    assert "already trained: 200 steps" in capsys.readouterr().out
    before.pop(in_one_go.workdir.config)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_seed_gives_other_parameters(in_one_go, tmp_path):
    other = _train(tmp_path / "run", 75, seed=1)
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(other.state(75).params, in_one_go.state(75).params)


def test_state_is_that_of_its_step(in_one_go):
    assert in_one_go.steps("all") == [75, 150, 200]
    states = [in_one_go.state(step) for step in (75, 150, 200)]
    assert [int(state.step) for state in states] == [75, 150, 200]
    optimizers = [state.opt_state["network"] for state in states]
    assert [int(optimizer.gradient_step) for optimizer in optimizers] == [37, 75, 100]
    assert [int(optimizer.mini_step) for optimizer in optimizers] == [1, 0, 0]


def test_a_setting_of_jax_that_changes_all_draws_is_another_run(in_one_go):
    message = "JAX_ENABLE_X64 is False there, True here; set JAX_ENABLE_X64 as there"
    with jax.enable_x64(True), pytest.raises(WorkdirError, match=message):
        Run.open(in_one_go.workdir.root)


def test_another_precision_of_matrix_products_is_said(in_one_go, tmp_path, capsys):
    _train(tmp_path / "run", 25)
    with jax.default_matmul_precision("bfloat16"):
        _train(tmp_path / "run", 50)
    assert "JAX_DEFAULT_MATMUL_PRECISION was '' until step 25, it is 'bfloat16'" in (
        capsys.readouterr().out
    )
