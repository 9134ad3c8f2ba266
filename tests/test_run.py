"""A run as an object: training's files, likelihoods, samples, results beside each other."""

import json
import logging
import shutil

import jax
import numpy as np
import pytest
import tiny

from run import RunDirectory
from run.evaluation import EstimatorRun
from storage import CheckpointError, WorkdirError, read_json

SUMMARY = {
    "bits_per_dim",
    "standard_error",
    "num_images",
    "estimator",
    "nfe",
    "seconds",
    "step",
    "data_fingerprint",
}


@pytest.fixture(scope="module")
def run(trained):
    """The finished run, for what leaves no files."""
    return RunDirectory.open(trained)


@pytest.fixture
def own(workdir):
    """A run of one's own; ``own(**overrides)`` opens it with other settings.

    With the bound, which is soon compiled.
    """
    cheap = {"likelihood.name": "bound", "likelihood.samples": 2}

    def open_with(**overrides):
        return RunDirectory.open(workdir, tiny.points(**cheap | overrides))

    return open_with


def _results(run):
    return sorted(
        p.relative_to(run.workdir.root).as_posix() for p in run.workdir.root.glob("eval/*/*")
    )


# --- the folder -----------------------------------------------------------------------------


def test_a_trained_folder_holds_config_provenance_metrics_checkpoints_and_curves(run):
    names = {path.name for path in run.workdir.root.iterdir()}
    assert {"config.json", "provenance.json", "metrics.jsonl", "checkpoints"} <= names
    assert {"curves.png", "tensorboard"} <= names
    provenance = read_json(run.workdir.provenance)
    assert provenance["identity"]["data.fingerprint"] == run.experiment.dataset.fingerprint
    assert provenance["versions"]["jax"] == jax.__version__


def test_the_saved_configuration_is_the_whole_one(run):
    assert run.config.to_dict() == tiny.points().to_dict()
    assert type(run.config.model.ch_mult) is tuple


def test_metrics_have_each_step_once_and_the_held_out_loss_at_its_steps(run):
    records = run.metrics()
    assert [record["step"] for record in records] == [5, 10, 15, 20]
    assert [r["step"] for r in records if "held_out_loss" in r] == [10, 20]
    for record in records:
        assert {"loss", "grad_norm"} <= set(record)
        assert all(np.isfinite(value) for value in record.values())


def test_training_changes_every_kernel_and_the_average_lags(run):
    first, last = run.state(10), run.state(20)
    leaves = jax.tree_util.tree_leaves_with_path(first.params)
    for (path, before), after in zip(leaves, jax.tree.leaves(last.params), strict=True):
        if "kernel" in str(path):
            assert not np.array_equal(before, after), path
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(last.params, last.ema_params)
    tiny.assert_bitwise_equal(run.params(20), last.ema_params)
    tiny.assert_bitwise_equal(run.params(), last.ema_params)


def test_previews_are_drawn_at_their_steps(tmp_path):
    config = tiny.points(**{"training.steps": 4, "training.sample_every": 3})
    config.update_from_flattened_dict({"training.eval_every": 0, "training.checkpoint_every": 0})
    run = RunDirectory.open(tmp_path / "run", config)
    run.train()
    assert sorted(p.name for p in (tmp_path / "run" / "previews").iterdir()) == [
        "00000003.png",
        "00000004.png",
    ]
    assert run.steps("all") == [4]  # the last one is kept even where none was asked for


# --- steps ----------------------------------------------------------------------------------


def test_steps_are_the_newest_all_or_those_listed(run):
    assert run.steps() == [20]
    assert run.steps("all") == [10, 20]
    assert run.steps("10") == [10]
    assert run.steps("20,10") == [20, 10]


@pytest.mark.parametrize("which", ["5", "10,5", "x", "10,", "-10", "1e1"])
def test_steps_that_are_not_there_are_an_error(run, which):
    with pytest.raises(CheckpointError, match=r"--steps.* \[10, 20\]"):
        run.steps(which)


def test_a_run_without_a_checkpoint_says_so_and_makes_no_folder(tmp_path):
    run = RunDirectory.open(tmp_path / "new", tiny.points())
    for act in (run.steps, run.bits_per_dim, run.params):
        with pytest.raises(CheckpointError, match="train first"):
            act()
    assert not (tmp_path / "new").exists()


def test_another_experiment_cannot_be_opened(own):
    with pytest.raises(WorkdirError, match="seed is 0 there, 1 here"):
        own(seed=1)


# --- likelihood -----------------------------------------------------------------------------


def test_a_result_has_its_numbers_its_settings_and_every_point_in_order(own):
    run = own(**{"likelihood.name": "ode"})
    found = run.bits_per_dim()
    folder = run.workdir.root / "eval" / "20" / "ode"
    assert read_json(folder / "bits_per_dim.json") == json.loads(json.dumps(found))
    assert set(found) >= SUMMARY
    assert (found["estimator"], found["step"], found["num_images"]) == ("ode", 20, 12)
    assert found["data_fingerprint"] == run.experiment.dataset.fingerprint
    assert found["failed"] == []
    with np.load(folder / "per_image.npz") as each:
        bits = each["bits_per_dim"]
        assert bits.shape == (12,)
        np.testing.assert_allclose(found["bits_per_dim"], bits.mean(), rtol=1e-6)
        error = bits.std(ddof=1) / np.sqrt(12)
        np.testing.assert_allclose(found["standard_error"], error, rtol=1e-6)
    # The account adds up, and continuous data have no offset of units.
    total = sum(line["bits_per_dim"] for line in found["account"])
    np.testing.assert_allclose(total, found["bits_per_dim"], rtol=1e-6)
    assert {line["term"]: line["nats"] for line in found["account"]}["units"] == 0
    # The same points by the other door.
    nats = run.log_prob(run.experiment.dataset.test)
    np.testing.assert_allclose(nats, -bits * 2 * np.log(2), rtol=1e-5)


def test_a_log_probability_is_of_the_step_that_is_asked_for(run):
    x = run.experiment.dataset.test[:6]
    newest, older = run.log_prob(x), run.log_prob(x, 10)
    assert newest.shape == (6,)
    assert np.isfinite(newest).all()
    assert not np.isclose(newest, older).any()


def test_a_result_of_the_same_settings_is_read_and_not_computed(own, monkeypatch, capsys):
    first = own().bits_per_dim()
    folder = own().workdir.root / "eval" / "20" / "bound"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(EstimatorRun, "evaluate", lambda *_: pytest.fail("computed again"))
    again = own().bits_per_dim()
    # Nor do settings that the estimator does not read make it another result.
    other = own(**{"likelihood.rtol": 0.1, "sampling.eps": 0.1, "training.steps": 99})
    assert again == other.bits_per_dim() == json.loads(json.dumps(first))
    assert capsys.readouterr().out.count("already evaluated") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert _results(other) == ["eval/20/bound"]


def test_other_parameters_of_the_same_step_are_evaluated_again(tmp_path):
    """A run that was begun anew in its folder has another result, beside the old one."""
    folder = tmp_path / "run"
    few = {"training.steps": 4, "training.checkpoint_every": 4, "likelihood.name": "bound"}
    run = RunDirectory.open(folder, tiny.points(**few))
    run.train()
    first = run.bits_per_dim()
    run.checkpoints.close()
    shutil.rmtree(run.workdir.checkpoints)
    again = RunDirectory.open(folder, tiny.points(**few, **{"training.batch_size": 32}))
    again.train()
    assert again.bits_per_dim()["bits_per_dim"] != first["bits_per_dim"]
    assert len(_results(again)) == 2


def test_a_finished_run_keeps_its_configuration(own):
    run = own(**{"training.steps": 5})
    before = run.workdir.config.read_bytes(), run.workdir.provenance.read_bytes()
    run.train()
    assert (run.workdir.config.read_bytes(), run.workdir.provenance.read_bytes()) == before


def test_going_on_with_another_batch_size_is_noted(own, capsys):
    run = own(**{"training.steps": 21, "training.batch_size": 8})
    run.train()
    assert "batch_size was 16 until step 20" in capsys.readouterr().out


def test_results_of_other_settings_are_put_beside_and_the_first_is_left(own):
    """Five points of twelve: another result, in which they have the numbers they have there."""
    whole, part = own(), own(**{"eval.num_images": 5})
    whole.bits_per_dim()
    first = whole.workdir.root / "eval" / "20" / "bound"
    before = {path: path.read_bytes() for path in first.iterdir()}
    part.bits_per_dim()
    names = _results(part)
    assert len(names) == 2
    assert names[0] == "eval/20/bound"
    assert names[1].startswith("eval/20/bound-")
    assert {path: path.read_bytes() for path in first.iterdir()} == before
    second = whole.workdir.root / names[1]
    assert read_json(second / "settings.json")["eval.num_images"] == 5
    assert read_json(second / "bits_per_dim.json")["num_images"] == 5
    each = []
    for folder in (first, second):
        with np.load(folder / "per_image.npz") as arrays:
            each.append(arrays["bits_per_dim"])
    assert (len(each[0]), len(each[1])) == (12, 5)
    np.testing.assert_allclose(each[0][:5], each[1], atol=1e-5)


def test_all_steps_and_all_estimators_are_evaluated(own):
    run = own(**{"eval.estimators": ("bound", "ode")})
    found = run.evaluate(run.steps("all"))
    assert [(r["estimator"], r["step"]) for r in found] == [
        ("bound", 10),
        ("bound", 20),
        ("ode", 10),
        ("ode", 20),
    ]
    assert _results(run) == ["eval/10/bound", "eval/10/ode", "eval/20/bound", "eval/20/ode"]
    assert len({r["bits_per_dim"] for r in found}) == 4


# --- samples --------------------------------------------------------------------------------


def test_samples_are_a_function_of_the_key_and_of_their_index(run):
    six = run.sample(6)
    assert six.x.shape == (6, 2)
    assert six.ok.all()
    np.testing.assert_allclose(run.sample(3).x, six.x[:3], rtol=1e-5)
    other = run.sample(6, key=jax.random.key(5))
    assert not np.isclose(other.x, six.x).any()
    assert not np.isclose(run.sample(6, step=10).x, six.x).all()


def test_saved_samples_are_an_archive_and_a_picture(own):
    run = own()
    folder = run.save_samples(20)
    assert folder == run.workdir.root / "samples" / "20"
    with np.load(folder / "samples.npz") as found:
        np.testing.assert_array_equal(found["samples"], run.sample(6).x)
    assert (folder / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_draw_of_samples_compiles_nothing(trained, caplog):
    run = RunDirectory.open(trained)
    run.sample(6)
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        run.sample(6, step=10)
        run.sample(6, key=jax.random.key(1))
    compiled = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert [message for message in compiled if "precise" in message] == []


def test_samples_of_other_settings_are_put_beside(own):
    first = own().save_samples(20)
    before = (first / "samples.npz").read_bytes()
    second = own(**{"sampling.num_steps": 5}).save_samples(20)
    assert second.parent == first
    assert (first / "samples.npz").read_bytes() == before
    assert read_json(second / "settings.json")["sampling.num_steps"] == 5
