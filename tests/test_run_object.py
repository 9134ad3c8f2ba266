"""A run in a notebook: what it says of itself, data by hand, what needs no data set."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.cli.main import main
from gradlog.config_error import ConfigError
from gradlog.data import DataError, known_spec
from gradlog.evaluation import samples
from gradlog.experiment import run as module
from gradlog.experiment.run import Run, to_columns


@pytest.fixture
def nothing(monkeypatch):
    """Data that cannot be had."""

    def load(config):
        raise DataError("there is no network")

    monkeypatch.setattr(module, "load_dataset", load)


# --- without the data -----------------------------------------------------------------------


def test_scores_samples_and_what_is_given_by_hand_need_no_data_set(digits, nothing):
    opened = Run.open(digits)
    x = np.zeros((2, 8, 8, 1), np.uint8)
    assert np.isfinite(opened.log_prob(x)).all()
    assert np.isfinite(opened.score(x, 0.5)).all()
    assert "digits, (8, 8, 1), 17 levels" in repr(opened)
    with pytest.raises(DataError, match="there is no network"):
        opened.bits_per_dim()


def test_a_file_of_points_is_not_needed_to_draw_samples(tmp_path):
    file, folder = tmp_path / "points.npy", tmp_path / "run"
    np.save(file, np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    settings = {"data.name": "files", "data.path": str(file), "training.steps": 1}
    Run.open(folder, tiny.points(**settings)).train()
    file.unlink()
    main(["--mode=sample", f"--workdir={folder}", "--config.sampling.num_samples=3"])
    with np.load(folder / "samples" / "1" / "samples.npz") as found:
        assert found["samples"].shape == (3, 2)
    opened = Run.open(folder)
    np.testing.assert_array_equal(opened.sample(None, 3).x.shape, (3, 2))
    with pytest.raises(DataError, match=r"points\.npy"):
        opened.bits_per_dim()


def test_a_data_set_that_comes_late_is_the_one_of_the_run(digits):
    opened = Run.open(digits)
    known = opened.experiment.dataset.fingerprint
    whole = Run.open(digits, opened.config).experiment.dataset
    assert known == whole.fingerprint
    late = opened.experiment.dataset
    np.testing.assert_array_equal(late.test[np.arange(3)], whole.test[np.arange(3)])
    assert late.num_classes == whole.num_classes == 10
    assert late.train_labels is not None


def test_a_data_set_that_is_another_one_by_now_is_refused(digits, monkeypatch):
    other = known_spec("digits", {}).without_examples("a spec")
    monkeypatch.setattr(module, "load_dataset", lambda config: other)
    opened = Run.open(digits)
    with pytest.raises(DataError, match="fingerprint is unknown"):
        opened.experiment.dataset.test[np.arange(1)]


# --- likelihoods ----------------------------------------------------------------------------


def test_bits_of_the_test_set_by_hand_are_those_of_the_evaluation(digits):
    opened = Run.open(digits)
    summary = opened.bits_per_dim()
    by_hand = opened.bits_per_dim_of(opened.experiment.dataset.test[np.arange(6)])
    np.testing.assert_allclose(by_hand.mean(), summary["bits_per_dim"], atol=1e-6)
    file = digits / "eval" / "4" / "bound" / "bits_per_dim.json"
    assert json.loads(file.read_text())["bits_per_dim"] == summary["bits_per_dim"]
    bits = f"{summary['bits_per_dim']:.4f} ± {summary['standard_error']:.4f}"
    assert f"{bits} (bound, 6 of 297 images)" in repr(opened)


def test_bits_by_hand_are_those_of_the_log_probability(digits):
    opened = Run.open(digits)
    x = np.full((1, 8, 8, 1), 16)
    bits = opened.bits_per_dim_of(x)
    np.testing.assert_allclose(bits, -opened.log_prob(x) / (64 * math.log(2)), rtol=1e-12)


BAD = {
    "of another shape": (np.zeros((2, 8, 8)), "shape"),
    "one without its axis": (np.zeros((8, 8, 1)), "shape"),
    "none": (np.zeros((0, 8, 8, 1)), "n > 0"),
    "scaled": (np.full((1, 8, 8, 1), 0.5), "whole numbers from 0 to 16"),
    "of too many levels": (np.full((1, 8, 8, 1), 17), "whole numbers from 0 to 16"),
    "negative": (np.full((1, 8, 8, 1), -1), "whole numbers from 0 to 16"),
    "not finite": (np.full((1, 8, 8, 1), np.nan), "finite"),
    "text": (np.full((1, 8, 8, 1), "a"), "not real numbers"),
}


@pytest.mark.parametrize("what", BAD)
def test_data_that_are_not_like_those_of_the_run_are_refused(digits, what):
    x, said = BAD[what]
    opened = Run.open(digits)
    for ask in (opened.log_prob, opened.bits_per_dim_of, opened.encode):
        with pytest.raises(DataError, match=said):
            ask(x)


# --- the score ------------------------------------------------------------------------------


def test_the_score_is_that_of_the_model(digits):
    opened = Run.open(digits)
    experiment, params = opened.experiment, opened.params()
    x = np.asarray(jax.random.normal(jax.random.key(0), (2, 8, 8, 1)))
    score_fn = experiment.model.bind(params).score
    for times in (np.array([0.2, 0.9]), 0.2):
        each = np.broadcast_to(times, (2,))
        expected = [
            score_fn(jnp.asarray(one), jnp.float32(t)) for one, t in zip(x, each, strict=True)
        ]
        np.testing.assert_allclose(opened.score(x, times), np.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("times", [-0.1, 1.1, np.nan, np.zeros(3)])
def test_a_time_that_the_process_has_not_is_refused(digits, times):
    with pytest.raises(DataError, match="times"):
        Run.open(digits).score(np.zeros((2, 8, 8, 1)), times)


@pytest.mark.parametrize("count", [0, -1])
def test_no_samples_are_refused(digits, count):
    with pytest.raises(ValueError, match=f"n = {count} samples: choose 1 or more"):
        Run.open(digits).sample(None, count)


@pytest.mark.parametrize("step", ["4", 4.0])
def test_a_step_that_is_no_whole_number_is_not_called_damaged(digits, step):
    with pytest.raises(TypeError, match="integer"):
        Run.open(digits).params(step)


def test_more_samples_than_the_memory_holds_are_refused(digits):
    with pytest.raises(DataError, match="10,000,000,000,000 samples"):
        Run.open(digits).sample(None, 10**13)


def test_a_run_with_checkpoints_says_that_it_does_not_start_from_another(workdir, capsys):
    changed = tiny.points(**{"training.start_from": "elsewhere", "training.steps": 22})
    for _ in range(2):  # the stored configuration keeps the true beginning
        Run.open(workdir, changed).train()
        assert "start_from = 'elsewhere'" in capsys.readouterr().out
    assert Run.open(workdir).config.training.start_from == ""


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_samples_count_with_the_bytes_of_their_levels(monkeypatch, dtype):
    found = []
    monkeypatch.setattr(samples, "check_fits", lambda count, what: found.append(count))
    samples.check_samples_fit(10, (100,), 256 if dtype == np.uint8 else None)
    assert found == [10 * (2 * np.dtype(dtype).itemsize * 100 + 32)]


# --- what it says of itself -----------------------------------------------------------------


def test_a_run_tells_what_it_is(trained, tmp_path):
    told = repr(Run.open(trained)).splitlines()
    assert told[0] == f"Run({str(trained)!r})"
    assert [line.split()[0] for line in told[1:]] == [
        "data",
        "process",
        "network",
        "trained",
        "bits/dim",
    ]
    count = sum(leaf.size for leaf in jax.tree.leaves(Run.open(trained).params()))
    assert f"mlp, {count:,} parameters" in told[3]
    assert told[4].endswith("20 of 20 steps; checkpoints 10, 20")
    new = repr(Run.open(tmp_path / "new", tiny.points()))
    assert "no checkpoint yet" in new
    assert "not evaluated yet" in new


def test_a_damaged_result_is_no_fault_of_the_description(workdir):
    folder = workdir / "eval" / "20" / "ode"
    folder.mkdir(parents=True)
    (folder / "bits_per_dim.json").write_text("{")
    assert "not evaluated yet" in repr(Run.open(workdir))


def test_columns_have_a_row_for_each_record_and_nan_where_there_is_none():
    found = to_columns([{"step": 5, "loss": 0.5}, {"step": 10, "loss": None, "held_out_loss": 2}])
    assert {name: column.dtype for name, column in found.items()} == {
        "step": np.int64,
        "loss": np.float64,
        "held_out_loss": np.float64,
    }
    np.testing.assert_array_equal(found["step"], [5, 10])
    np.testing.assert_array_equal(found["loss"], [0.5, np.nan])
    np.testing.assert_array_equal(found["held_out_loss"], [np.nan, 2.0])
    assert to_columns([])["step"].tolist() == []


def test_a_key_that_is_none_is_refused(trained):
    with pytest.raises(TypeError, match="key = 16"):
        Run.open(trained).sample(16, 4)


def test_parameters_are_read_once_for_a_step(trained, monkeypatch):
    opened = Run.open(trained)
    first = opened.params(10)
    monkeypatch.setattr(Run, "state", lambda *_: pytest.fail("read again"))
    assert opened.params(10) is first


# --- the log density as a function to differentiate -------------------------------------------


def test_its_gradients_follow_the_estimate_of_a_trained_network(workdir):
    """By fixed steps, which are soon compiled; ``likelihood/test_density.py`` has the others."""
    steps = {"likelihood.name": "quadrature", "likelihood.path": "multistep"}
    run = Run.open(workdir, tiny.points(**steps, **{"likelihood.start": "as_sample"}))
    f, key, base = run.log_density_fn(), jax.random.key(0), (run.params(), jnp.array([0.2, -0.1]))
    program = jax.jit(jax.vmap(jax.value_and_grad(lambda point: f(*point, key))))

    def at(steps, slopes):
        """Values and gradients, parameters and point moved along slopes."""
        outer = lambda slope: np.multiply.outer(np.float32(steps), np.asarray(slope))  # noqa: E731
        move = lambda leaf, slope: np.asarray(leaf) + outer(slope)  # noqa: E731
        return program(jax.tree.map(move, base, slopes))

    _, gradients = at([0.0, 0.0], base)
    slopes = jax.tree.map(lambda leaf: np.asarray(leaf)[0], gradients)
    (up, down), _ = at([2e-3, -2e-3], slopes)
    rise = sum(float(np.sum(slope**2)) for slope in jax.tree.leaves(slopes))
    np.testing.assert_allclose((up - down) / 4e-3, rise, rtol=0.05)


@pytest.mark.parametrize(
    ("overrides", "adjoint", "says"),
    [
        ({"likelihood.name": "scipy"}, None, "'scipy': .* runs on the host"),
        ({"likelihood.name": "bound"}, "direct", "'bound': .* no adaptive solver"),
        ({}, "sideways", "adjoint = 'sideways' is unknown"),
    ],
)
def test_what_has_no_gradient_is_one_line_that_names_the_key(workdir, overrides, adjoint, says):
    run = Run.open(workdir, tiny.points(**overrides))
    with pytest.raises(ConfigError, match=f"config.likelihood.name = .*{says}"):
        run.log_density_fn(adjoint)
