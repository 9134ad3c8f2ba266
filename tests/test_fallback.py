"""Damaged checkpoints, folders in use, numbers that go bad: told, and nothing is lost."""

import shutil

import jax
import jax.numpy as jnp
import pytest
import tiny

from gradlog.evaluation.score_training import initial_state
from gradlog.experiment.run import Run
from gradlog.storage import (
    CheckpointError,
    Checkpoints,
    DamagedError,
    WorkdirError,
    WorkdirLock,
    manifest,
    read_metrics,
    scan_metrics,
)
from gradlog.training import Interrupted, NonFiniteError, TrainStep

LONGER = {"training.steps": 30}


def _damage(folder, step):
    """Flips a bit in the middle of the largest file of a checkpoint."""
    files = (path for path in (folder / "checkpoints" / str(step)).rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> Run:
    """The run of ten steps more, in one go."""
    run = Run.open(tmp_path_factory.mktemp("longer") / "run", tiny.points(**LONGER))
    run.train()
    return run


# --- damaged checkpoints --------------------------------------------------------------------


def test_training_goes_on_from_the_newest_sound_one_to_the_same_state(workdir, longer, capsys):
    _damage(workdir, 20)
    run = Run.open(workdir, tiny.points(**LONGER))
    run.train()
    said = capsys.readouterr().out
    assert "warning: the checkpoint of step 20 is damaged: " in said
    assert "; step 10 is used instead" in said
    assert f"set aside: {workdir / 'checkpoints' / 'damaged' / '20'}" in said
    tiny.assert_bitwise_equal(run.state(30), longer.state(30))
    assert run.steps("all") == [10, 20, 30]
    assert scan_metrics(run.workdir.metrics) == scan_metrics(longer.workdir.metrics)
    assert list((workdir / "checkpoints" / "damaged").iterdir())


def test_what_reads_takes_what_is_sound_and_says_what_is_not(workdir, capsys):
    _damage(workdir, 20)
    run = Run.open(workdir)
    assert run.steps() == [10]
    assert "warning: the checkpoint of step 20 is damaged: " in capsys.readouterr().out
    assert run.steps("all") == [10]
    with pytest.raises(DamagedError, match=r"^--steps: the checkpoint of step 20 is damaged: "):
        run.steps("10,20")
    assert (workdir / "checkpoints" / "20").is_dir()  # who reads moves nothing
    with pytest.raises(DamagedError, match="step 20"):
        run.params(20)


def test_an_older_damaged_one_is_passed_over(workdir, capsys):
    _damage(workdir, 10)
    run = Run.open(workdir)
    assert run.steps() == [20]
    assert capsys.readouterr().out == ""
    assert run.steps("all") == [20]
    assert "step 10 is damaged" in capsys.readouterr().out


def test_without_a_sound_one_training_does_not_begin_again(workdir):
    for step in (10, 20):
        _damage(workdir, step)
    before = (workdir / "metrics.jsonl").read_bytes()
    run = Run.open(workdir, tiny.points(**LONGER))
    for act in (run.train, run.steps, run.train):
        with pytest.raises(CheckpointError, match=r"is sound: .*step 20 .*; .*step 10 is damaged"):
            act()
    assert (workdir / "metrics.jsonl").read_bytes() == before
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == ["10", "20"]


def test_a_checkpoint_that_is_deleted_while_it_is_wanted_is_told(workdir):
    run = Run.open(workdir)
    steps = run.steps("all")
    shutil.rmtree(workdir / "checkpoints" / "10")
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 10 .* there are \[20\]"):
        run.evaluate(steps)


def _deleted_when_read(monkeypatch, folder, step):
    """As a training beside does that goes on."""
    restore = Checkpoints.restore

    def late(self, which, like):
        if which == step:
            shutil.rmtree(folder / "checkpoints" / str(step), ignore_errors=True)
        return restore(self, which, like)

    monkeypatch.setattr(Checkpoints, "restore", late)


@pytest.mark.parametrize(("which", "step", "left"), [("all", 10, 20), ("", 20, 10)])
def test_what_is_deleted_before_its_turn_is_passed_over(
    workdir, monkeypatch, capsys, which, step, left
):
    _deleted_when_read(monkeypatch, workdir, step)
    (summary,) = Run.open(workdir).evaluate(which)
    assert summary["step"] == left
    note = f"note: the checkpoint of step {step} was deleted meanwhile; it is skipped"
    assert capsys.readouterr().out.count(note) == 1


def test_what_is_named_is_not_passed_over(workdir, monkeypatch):
    _deleted_when_read(monkeypatch, workdir, 20)
    with pytest.raises(CheckpointError, match=r"^no checkpoint of step 20 .* there are \[10\]$"):
        Run.open(workdir).evaluate("20")


def test_what_is_deleted_while_it_is_verified_is_passed_over(workdir, monkeypatch, capsys):
    verify = Checkpoints.verify

    def late(self, step):
        shutil.rmtree(workdir / "checkpoints" / "10", ignore_errors=True)
        return verify(self, step)

    run = Run.open(workdir)
    monkeypatch.setattr(Checkpoints, "steps", lambda self: [10, 20])
    monkeypatch.setattr(Checkpoints, "verify", late)
    assert run.steps("all") == [20]
    assert "step 10 was deleted meanwhile" in capsys.readouterr().out


def test_parameters_are_read_once_for_all_estimators(workdir, monkeypatch):
    """By the time that the last has its turn the checkpoint may be gone."""
    read, restore = [], Checkpoints.restore
    monkeypatch.setattr(
        Checkpoints, "restore", lambda *given: (read.append(given[1]), restore(*given))[1]
    )
    made = lambda workdir, experiment, name: lambda step, _, params: (name, params() and step)  # noqa: E731
    monkeypatch.setattr("gradlog.experiment.run.EstimatorRun", made)
    config = tiny.points(**{"eval.estimators": ("ode", "bound")})
    found = Run.open(workdir, config).results([10, 20])
    assert found == [("ode", 10), ("ode", 20), ("bound", 10), ("bound", 20)]
    assert read == [10, 20]


@pytest.mark.parametrize("act", ["train", "params"])
def test_a_checkpoint_is_hashed_once(workdir, monkeypatch, act):
    """Once to be chosen; not to be read then, nor are others when one is saved."""
    entry, hashed = manifest._describe_file, []
    monkeypatch.setattr(
        manifest, "_describe_file", lambda path: (hashed.append(path), entry(path))[1]
    )
    getattr(Run.open(workdir, tiny.points(**LONGER)), act)()
    folder = workdir / "checkpoints"
    old = [path for path in hashed if path.relative_to(folder).parts[0] in ("10", "20")]
    assert sorted(old) == sorted(p for p in (folder / "20/state").rglob("*") if p.is_file())


# --- folders in use -------------------------------------------------------------------------


def test_a_folder_that_is_trained_in_is_not_trained_in_by_another(workdir):
    run = Run.open(workdir, tiny.points(**LONGER))
    with WorkdirLock(workdir), pytest.raises(WorkdirError, match="is in use by process"):
        run.train()
    assert run.steps("all") == [10, 20]


def test_a_result_that_is_computed_is_not_computed_by_another(workdir):
    run = Run.open(workdir)
    folder = workdir / "eval" / "20" / "ode"
    with WorkdirLock(folder), pytest.raises(WorkdirError, match="20/ode is in use by process"):
        run.bits_per_dim()
    assert run.bits_per_dim()["num_images"] == 12


def test_a_disk_without_room_for_two_checkpoints_is_told_before_anything(tmp_path, monkeypatch):
    def full(folder, needed_bytes):
        raise WorkdirError(f"needs {needed_bytes}")

    monkeypatch.setattr("gradlog.training.workdir_training.check_writable", full)
    new = Run.open(tmp_path / "new", tiny.points())
    with pytest.raises(WorkdirError, match=r"^needs ") as error:
        new.train()
    assert not (tmp_path / "new").exists()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(initial_state(new.experiment)))
    assert str(error.value) == f"needs {2 * size}"


def test_a_damaged_result_is_told_by_its_folder(workdir):
    run = Run.open(workdir)
    run.bits_per_dim()
    file = workdir / "eval" / "20" / "ode" / "per_image.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(WorkdirError, match=r"the result in .*20/ode is damaged \("):
        run.bits_per_dim()


def test_what_a_killed_evaluation_did_not_clear_away_is_cleared_away(workdir):
    run = Run.open(workdir)
    run.bits_per_dim()
    (workdir / "eval" / "20" / "ode" / "partial").mkdir()
    run.bits_per_dim()
    assert not (workdir / "eval" / "20" / "ode" / "partial").exists()


def test_a_training_killed_before_its_curves_draws_them_when_it_is_run_again(workdir):
    before = (workdir / "curves.png").read_bytes()
    (workdir / "curves.png").unlink()
    Run.open(workdir).train()
    assert (workdir / "curves.png").read_bytes() == before


# --- signals, in one process ----------------------------------------------------------------


def test_a_run_left_within_a_line_goes_on_to_the_same_files(longer, tmp_path, monkeypatch):
    leave_at = [7, 23]
    monkeypatch.setattr(
        "gradlog.training.interruption.Interruption.poll",
        lambda self, step: 15 if step in leave_at and not leave_at.remove(step) else None,
    )
    for _ in range(2):
        with pytest.raises(Interrupted):
            Run.open(tmp_path / "run", tiny.points(**LONGER)).train()
    run = Run.open(tmp_path / "run", tiny.points(**LONGER))
    run.train()
    assert run.steps("all") == [7, 10, 20, 23, 30]
    tiny.assert_bitwise_equal(run.state(30), longer.state(30))
    assert scan_metrics(run.workdir.metrics) == scan_metrics(longer.workdir.metrics)


# --- numbers that go bad --------------------------------------------------------------------


@pytest.fixture
def bad_steps(monkeypatch):
    """Makes the loss of the steps 13 and 17 infinite."""
    update = TrainStep.update

    def spoilt(self, state, loss, grads, step):
        bad = (step == 13) | (step == 17)
        loss = loss._replace(value=jnp.where(bad, jnp.inf, loss.value))
        return update(self, state, loss, grads, step)

    monkeypatch.setattr(TrainStep, "update", spoilt)


def test_a_loss_that_was_never_finite_is_no_matter_of_the_rate(tmp_path):
    run = Run.open(tmp_path / "run", tiny.points(**{"objective.eps": 1e-38}))
    # Which of the first steps overflows depends on how the compiler orders the operations.
    with pytest.raises(
        NonFiniteError, match=r"^step [12]: .*config.objective.eps = 1e-38"
    ) as caught:
        run.train()
    assert "max_skips" not in str(caught.value)


def test_the_state_before_a_bad_step_is_kept_and_training_can_go_on(bad_steps, tmp_path):
    """Stopped, stopped again, and gone on: the run that left the steps out from the start."""
    stopped = Run.open(tmp_path / "stopped", tiny.points())
    for _ in range(2):
        with pytest.raises(
            NonFiniteError,
            match=r"^step 13: loss is inf; .* checkpoint of step 12: .*config.training.max_skips=",
        ):
            stopped.train()
    assert stopped.steps("all") == [10, 12]
    assert int(stopped.state(12).step) == 12
    going_on = Run.open(tmp_path / "stopped", tiny.points(**{"training.max_skips": 2}))
    going_on.train()
    whole = Run.open(tmp_path / "whole", tiny.points(**{"training.max_skips": 2}))
    whole.train()
    tiny.assert_bitwise_equal(going_on.state(20), whole.state(20))
    assert scan_metrics(going_on.workdir.metrics) == scan_metrics(whole.workdir.metrics)
    assert int(whole.state(20).skipped) == 2
    told = {r["step"]: r.get("skipped") for r in read_metrics(whole.workdir.metrics)}
    assert told == {5: None, 10: None, 15: 1, 20: 1}
