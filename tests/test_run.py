"""A run as an object: training's files, likelihoods, samples, results beside each other."""

import dataclasses
import errno
import json
import logging
import shutil

import jax
import numpy as np
import pytest
import tiny

from gradlog.data import DatasetSpec
from gradlog.evaluation import score_training
from gradlog.evaluation.batch_cache import BatchCache
from gradlog.evaluation.bits_per_dim import EstimatorRun
from gradlog.evaluation.comparison import (
    IncomparableError,
    compare_runs,
    compare_steps,
    save_differences,
)
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.experiment.build import load_dataset
from gradlog.experiment.run import Run
from gradlog.storage import CheckpointError, Checkpoints, WorkdirError, read_json, read_sealed

SUMMARY = {
    "bits_per_dim",
    "standard_error",
    "num_images",
    "estimator",
    "nfe",
    "seconds",
    "step",
    "data_fingerprint",
    "interval",
    "error_split",
    "second_look",
    "eps",
    "discretization",
    "convergence",
    "forward_evaluations",
    "jvp_evaluations",
}


@pytest.fixture(scope="module")
def run(trained):
    """The finished run, for what leaves no files."""
    return Run.open(trained)


@pytest.fixture
def own(workdir):
    """A run of one's own; ``own(**overrides)`` opens it with other settings.

    With the bound, which is soon compiled.
    """
    cheap = {"likelihood.name": "bound", "likelihood.samples": 2}

    def open_with(**overrides):
        return Run.open(workdir, tiny.points(**cheap | overrides))

    return open_with


def _results(run):
    folders = (path for path in run.workdir.root.glob("eval/*/*") if path.is_dir())
    return sorted(path.relative_to(run.workdir.root).as_posix() for path in folders)


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
    logged = run.metrics()
    assert {"step", "loss", "grad_norm", "held_out_loss"} <= set(logged)
    held_out = logged.pop("held_out_loss")
    levels = {name: logged.pop(name) for name in list(logged) if name.startswith("loss_at_rho_")}
    shares = [2, 2, 2, 2, 1, 1, 1, 1]  # of the 12 test points
    mean = np.average(list(levels.values()), axis=0, weights=shares)
    np.testing.assert_allclose(mean, held_out, rtol=1e-6)
    np.testing.assert_array_equal(logged["step"], [5, 10, 15, 20])
    np.testing.assert_array_equal(np.isfinite(held_out), [False, True, False, True])
    assert logged["step"].dtype == np.int64
    assert all(np.isfinite(values).all() for values in logged.values())


def test_training_changes_every_kernel_and_the_average_lags(run):
    first, last = run.state(10), run.state(20)
    leaves = jax.tree_util.tree_leaves_with_path(first.params)
    for (path, before), after in zip(leaves, jax.tree.leaves(last.params), strict=True):
        if "kernel" in str(path):
            assert not np.array_equal(before, after), path
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(last.params, last.ema)
    tiny.assert_bitwise_equal(run.params(20), last.ema)
    tiny.assert_bitwise_equal(run.params(), last.ema)


def test_previews_are_drawn_at_their_steps(tmp_path):
    config = tiny.points(**{"training.steps": 4, "training.sample_every": 3})
    config.update_from_flattened_dict({"training.eval_every": 0, "training.checkpoint_every": 0})
    run = Run.open(tmp_path / "run", config)
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
    run = Run.open(tmp_path / "new", tiny.points())
    for act in (run.steps, run.bits_per_dim, run.params):
        with pytest.raises(CheckpointError, match="train first"):
            act()
    assert not (tmp_path / "new").exists()


def test_another_experiment_cannot_be_opened(own):
    with pytest.raises(WorkdirError, match="seed is 0 there, 1 here"):
        own(seed=1)


def test_without_its_configuration_a_run_goes_on_as_itself_alone(own, capsys):
    workdir = own().workdir
    for steps, said in ((20, "already trained"), (21, "config.json was lost")):
        workdir.config.unlink()
        with pytest.raises(WorkdirError, match="seed is 0 there, 1 here"):
            own(seed=1)
        run = own(**{"training.steps": steps})
        run.train()
        assert said in capsys.readouterr().out
        assert read_json(workdir.config)["training"]["steps"] == steps
    assert run.steps("all") == [10, 20, 21]
    assert run.checkpoints.verify(21) == []  # the run has the name it had


def test_checkpoints_of_which_nothing_is_known_are_not_trained_on(own):
    run = own(**{"training.steps": 21})
    for path in (run.workdir.config, run.workdir.provenance):
        path.unlink()
    with pytest.raises(WorkdirError, match=r"has no provenance\.json, .*put a copy"):
        run.train()
    with pytest.raises(WorkdirError, match=r"has no provenance\.json"):
        own()
    assert run.checkpoints.steps() == [10, 20]


# --- likelihood -----------------------------------------------------------------------------


def test_a_result_has_its_numbers_its_settings_and_every_point_in_order(own):
    run = own(**{"likelihood.name": "ode"})
    found = run.bits_per_dim()
    folder = run.workdir.root / "eval" / "20" / "ode"
    written = read_sealed(folder / "bits_per_dim.json", ["per_image.npz", "settings.json"])
    assert written == json.loads(json.dumps(found))
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
    monkeypatch.setattr(Checkpoints, "restore", lambda *_: pytest.fail("restored"))
    again = own().bits_per_dim()
    # Nor do settings that the estimator does not read make it another result.
    other = own(**{"likelihood.rtol": 0.1, "sampling.eps": 0.1, "training.steps": 99})
    assert again == other.bits_per_dim() == json.loads(json.dumps(first))
    assert capsys.readouterr().out.count("already evaluated") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert _results(other) == ["eval/20/bound"]


def test_an_interrupted_evaluation_keeps_its_plan_and_counts_the_pilot(own, monkeypatch):
    planned = {"likelihood.name": "planned", "eval.second_look": 0}
    with monkeypatch.context() as patch:
        patch.setattr(LikelihoodEvaluator, "__call__", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            own(**planned).bits_per_dim()
    monkeypatch.setattr(LikelihoodEvaluator, "pilot", lambda *_: pytest.fail("measured again"))
    run = own(**planned)
    summary = run.bits_per_dim()
    products = 8 * 25 * (1 + 1)  # samples, nodes; one color, and what tells equal Jacobians
    assert summary["pilot"]["jvps"] == products
    with np.load(run.workdir.root / "eval" / "20" / "planned" / "per_image.npz") as found:
        nfe, jvps = found["nfe"], found["jvps"]
    assert summary["jvp_evaluations"] == pytest.approx(jvps.mean() + products / len(jvps))
    values = nfe.mean() + summary["pilot"]["nfe"] / len(nfe)
    assert summary["nfe"] == summary["forward_evaluations"] == pytest.approx(values)
    assert summary["seconds"] > summary["pilot"]["seconds"] > 0


def _interrupted(*_, **__):
    raise KeyboardInterrupt


def test_other_parameters_of_the_same_step_are_evaluated_again(own):
    """A run that was begun anew in its folder has another result, beside the old one."""
    run = own()
    first, state = run.bits_per_dim(), run.state(20)
    run.checkpoints.close()
    shutil.rmtree(run.workdir.checkpoints)
    again = own()
    longer = jax.tree.map(lambda leaf: np.float32(1.5) * leaf, state.ema)
    again.checkpoints.save(20, state.replace(ema=longer))
    again.checkpoints.close()
    assert again.bits_per_dim()["bits_per_dim"] != first["bits_per_dim"]
    assert len(_results(again)) == 2


def test_a_finished_run_keeps_its_configuration(own):
    run = own(**{"training.steps": 5})
    before = run.workdir.config.read_bytes(), run.workdir.provenance.read_bytes()
    run.train()
    assert (run.workdir.config.read_bytes(), run.workdir.provenance.read_bytes()) == before


def test_going_on_with_another_batch_size_is_noted(own, capsys):
    run = own(**{"training.steps": 21})
    stored = read_json(run.workdir.config)
    stored["training"]["batch_size"] = 8
    run.workdir.config.write_text(json.dumps(stored))
    run.train()
    assert "batch_size was 8 until step 20; with 16 " in capsys.readouterr().out


def test_a_finished_result_is_read_where_nothing_can_be_written(own, monkeypatch, capsys):
    estimators = {"eval.estimators": ("bound", "ode"), "eval.second_look": 0}
    run = own(**estimators)
    found = run.results([20])
    rows = save_differences(run.workdir, found)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for function in ("tempfile.mkstemp", "fcntl.flock", "os.replace"):
        monkeypatch.setattr(function, refuse)
    again = run.results([20])
    assert [each.summary for each in again] == [each.summary for each in found]
    assert save_differences(run.workdir, again) == rows
    assert "not kept" not in capsys.readouterr().out


def test_a_result_that_is_another_than_was_written_is_refused(own):
    run = own()
    run.bits_per_dim()
    folder = run.workdir.root / "eval" / "20" / "bound"
    path, images = folder / "bits_per_dim.json", folder / "per_image.npz"
    text, arrays = path.read_text(), images.read_bytes()
    found = json.loads(text)
    for name, value in (("standard_error", 1e-9), ("interval", [0, 0]), ("nfe", 3), ("eps", {})):
        path.write_text(json.dumps(found | {name: value}))
        _refused(run, "it is not as it was written")
    for other in ("[]", '{"bits_per_dim": 1}', "3", "null"):
        path.write_text(other)
        _refused(run, "it has no digest of its own")
    path.write_text(text)
    np.savez(images, bits_per_dim=np.zeros(12), ok=np.ones(12, bool))
    _refused(run, "per_image.npz is not as it was written")
    images.write_bytes(arrays)
    assert run.bits_per_dim()["standard_error"] == found["standard_error"]


def _refused(run, reason):
    with pytest.raises(WorkdirError, match=rf"the result in .*bound is damaged .*{reason}") as told:
        run.bits_per_dim()
    assert "\n" not in str(told.value)


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


def _interrupt_after_three_batches(run, monkeypatch):
    """Return the folders of the batches that are kept."""
    save, saved = BatchCache.save, []

    def interrupt(self, indices, arrays):
        save(self, indices, arrays)
        saved.append(self.folder.name)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BatchCache, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.bits_per_dim()
    return saved


def test_an_interrupted_evaluation_goes_on_without_a_digit_changed(own, monkeypatch):
    """After three of six batches; ``chaos/test_kills.py`` has one that is killed."""
    run = own(**{"eval.batch_size": 2})
    _interrupt_after_three_batches(run, monkeypatch)
    folder = run.workdir.root / "eval" / "20" / "bound"
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "partial", "settings.json"]
    assert len(list((folder / "partial").glob("*.npz"))) == 3
    computed = []
    compute = LikelihoodEvaluator._evaluate
    monkeypatch.setattr(
        LikelihoodEvaluator, "_evaluate", lambda *a: computed.append(1) or compute(*a)
    )
    run.bits_per_dim()
    assert len(computed) == 3
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "bits_per_dim.json",
        "per_image.npz",
        "settings.json",
    ]
    resumed = folder.rename(run.workdir.root / "resumed")
    run.bits_per_dim()
    assert len(computed) == 9
    with np.load(resumed / "per_image.npz") as again, np.load(folder / "per_image.npz") as whole:
        assert set(again) == set(whole)
        assert {name: again[name].tobytes() for name in again} == {
            name: whole[name].tobytes() for name in whole
        }


def test_an_interrupted_second_look_goes_on_as_well(own, monkeypatch):
    """It is of other draws, and the mean is of the first look alone."""
    run = own(**{"likelihood.name": "ode", "eval.batch_size": 6, "eval.second_look": 12})
    saved = _interrupt_after_three_batches(run, monkeypatch)
    assert saved == ["partial", "partial", "second_look"]
    computed = []
    compute = LikelihoodEvaluator._evaluate
    monkeypatch.setattr(
        LikelihoodEvaluator, "_evaluate", lambda *a: computed.append(1) or compute(*a)
    )
    found = run.bits_per_dim()
    assert len(computed) == 1
    assert found["second_look"] == 12
    with np.load(run.workdir.root / "eval" / "20" / "ode" / "per_image.npz") as each:
        assert each["bits_per_dim"].shape == (12,)
        np.testing.assert_allclose(found["bits_per_dim"], each["bits_per_dim"].mean(), rtol=1e-9)
    sources = {row["source"] for row in found["error_split"]}
    assert sources == {"test set", "noise at eps", "probes"}
    assert found["eps"] == {"evaluated": 1e-2, "trained": 1e-4, "start": "noised"}


def test_nothing_is_looked_at_twice_where_nothing_is_drawn(own):
    """Continuous data as they are, and the mixture's exact divergence."""
    changes = {"likelihood.name": "ode", "likelihood.start": "as_sample", "eval.num_images": 4}
    found = own(**changes, **{"eval.convergence_images": 3}).bits_per_dim()
    assert found["second_look"] == 0
    split = {row["source"]: row["share"] for row in found["error_split"]}
    assert split == {"test set": 1.0, "probes": 0.0}
    eps = next(line for line in found["account"] if line["term"] == "eps")
    assert (eps["nats"], found["eps"]["start"]) == (0.0, "as_sample")
    change = found["convergence"]
    assert change["images"] == 3
    assert change["tightened"] == pytest.approx({"solver.rtol": 1e-4, "solver.atol": 1e-4})
    assert 0 < abs(change["change_bits_per_dim"]) < 1e-2


def test_an_estimator_without_tolerances_has_nothing_to_tighten(own, capsys):
    found = own(**{"eval.convergence_images": 3}).bits_per_dim()
    assert found["convergence"] is None
    assert "bound has no tolerances" in capsys.readouterr().out


# --- comparisons ----------------------------------------------------------------------------


def _per_image(run, step, estimator="bound"):
    with np.load(run.workdir.root / "eval" / str(step) / estimator / "per_image.npz") as each:
        return each["bits_per_dim"]


def test_checkpoints_are_compared_image_by_image(own):
    run = own()
    (row,) = compare_steps(run, run.steps("all"))
    difference = _per_image(run, 20) - _per_image(run, 10)
    assert (row["estimator"], row["minuend"], row["subtrahend"]) == ("bound", "step 20", "step 10")
    np.testing.assert_allclose(row["bits_per_dim"], difference.mean(), rtol=1e-9)
    np.testing.assert_allclose(row["standard_error"], difference.std(ddof=1) / np.sqrt(12))
    with pytest.raises(CheckpointError, match=r"needs two checkpoints, got \[20\]"):
        compare_steps(run, run.steps())


def _untrained(folder, step, **overrides):
    """Return a run whose checkpoint of this step has the parameters before training."""
    run = Run.open(folder, tiny.points(**overrides))
    facts = DatasetSpec.of(run.experiment.dataset).facts()
    run.workdir.claim(run.config.to_dict(), run.experiment.identity, step, data_facts=facts)
    run.checkpoints.save(step, jax.device_get(score_training.initial_state(run.experiment)))
    run.checkpoints.close()
    return run


def test_runs_are_compared_with_the_first_ones_settings(own, tmp_path):
    """The other has a network of its own, and its saved config another estimator."""
    other = _untrained(tmp_path / "other", 4, **{"model.hidden": 4, "seed": 3})
    run = own(**{"eval.num_images": 7})
    (row,) = compare_runs(run, run.open_like(other.workdir.root), "")
    assert row["num_images"] == 7
    difference = _per_image(run, 20) - _per_image(other, 4)
    np.testing.assert_allclose(row["bits_per_dim"], difference.mean(), rtol=1e-9)
    assert row["minuend"].endswith("step 20")
    assert row["subtrahend"].endswith("other step 4")
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 10; there are \[4\]"):
        compare_runs(run, run.open_like(other.workdir.root), "10")
    (row,) = compare_runs(run, run.open_like(other.workdir.root), "10,4")
    assert row["minuend"].endswith("step 10")


def test_runs_on_other_data_are_not_compared(own, trained):
    run, other = own(), own().open_like(trained)
    data = load_dataset(tiny.points(**{"data.num_test": 11}))
    other = dataclasses.replace(other, experiment=other.experiment.with_data(data))
    with pytest.raises(IncomparableError, match="only runs on the same data can be compared"):
        compare_runs(run, other, "")
    assert _results(run) == []


def test_a_checkpoint_is_not_compared_with_itself(own):
    run = own()
    with pytest.raises(IncomparableError, match="is the same checkpoint"):
        compare_runs(run, run.open_like(run.workdir.root), "20")


def test_estimators_are_compared_at_each_step_and_the_differences_are_saved(own):
    run = own(**{"eval.estimators": ("bound", "ode"), "eval.second_look": 0})
    rows = save_differences(run.workdir, run.results([10, 20]))
    assert [(row["step"], row["minuend"], row["subtrahend"]) for row in rows] == [
        (10, "bound", "ode"),
        (20, "bound", "ode"),
    ]
    (saved,) = read_sealed(run.workdir.differences(20))["rows"]
    difference = _per_image(run, 20) - _per_image(run, 20, "ode")
    np.testing.assert_allclose(saved["bits_per_dim"], difference.mean(), rtol=1e-9)
    assert (saved["minuend_folder"], saved["subtrahend_folder"]) == ("bound", "ode")


# --- samples --------------------------------------------------------------------------------


def test_samples_are_a_function_of_the_key_and_of_their_index(run):
    six = run.sample(None, 6)
    assert six.x.shape == (6, 2)
    assert six.ok.all()
    np.testing.assert_allclose(run.sample(None, 3).x, six.x[:3], rtol=1e-5)
    other = run.sample(jax.random.key(5), 6)
    assert not np.isclose(other.x, six.x).any()
    assert not np.isclose(run.sample(None, 6, step=10).x, six.x).all()


def test_saved_samples_are_an_archive_and_a_picture(own):
    run = own()
    folder = run.save_samples(20)
    assert folder == run.workdir.root / "samples" / "20"
    with np.load(folder / "samples.npz") as found:
        np.testing.assert_array_equal(found["samples"], run.sample(None, 6).x)
    assert (folder / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_draw_of_samples_compiles_nothing(trained, caplog):
    run = Run.open(trained)
    run.sample(None, 6)
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        run.sample(None, 6, step=10)
        run.sample(jax.random.key(1), 6)
    compiled = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert [message for message in compiled if "precise" in message] == []


def test_all_folders_of_samples_are_looked_at_before_one_is_drawn(own):
    run = own()
    folder = run.save_samples(20)
    (folder / "settings.json").write_text("{")
    with pytest.raises(WorkdirError, match=r"settings\.json.*move .*20 away, and it is made again"):
        run.at_steps("all", run.save_samples, run.samples.check)
    assert [path.name for path in folder.parent.iterdir()] == ["20"]


def test_samples_of_other_settings_are_put_beside(own):
    first = own().save_samples(20)
    before = (first / "samples.npz").read_bytes()
    second = own(**{"sampling.num_samples": 5}).save_samples(20)
    assert second.parent == first
    assert (first / "samples.npz").read_bytes() == before
    assert read_json(second / "settings.json")["sampling.num_samples"] == 5
