"""A run with variational dequantization: trained after the score, resumed, evaluated, compared."""

import shutil

import jax
import numpy as np
import pytest
import tiny

from gradlog.config_error import ConfigError
from gradlog.evaluation import score_training
from gradlog.evaluation.comparison import compare_runs
from gradlog.experiment.build import check_config
from gradlog.experiment.run import Run
from gradlog.storage import WorkdirError

VARIATIONAL = {
    "objective.name": "elbo",
    "objective.dequantization": "variational",
    "model.dequantizer_features": 4,
    "model.dequantizer_layers": 2,
    "model.dequantizer_bins": 3,
    "optimizer.dequantizer_rate": 5.0,
    "likelihood.dequantization": "variational",
}


def train(folder, steps, **overrides) -> Run:
    every = {"training.steps": steps, "training.checkpoint_every": 2}
    Run.open(folder, tiny.digits(**every | overrides)).train()
    return Run.open(folder)


@pytest.fixture(scope="module")
def score(tmp_path_factory, digits) -> Run:
    return Run.open(shutil.copytree(digits, tmp_path_factory.mktemp("score") / "run"))


@pytest.fixture(scope="module")
def after(tmp_path_factory, score) -> Run:
    """The flow of the run, trained after its score."""
    return train(tmp_path_factory.mktemp("after") / "run", 4, **settings_after(score))


def settings_after(score):
    source = str(score.workdir.root)
    return VARIATIONAL | {"training.start_from": source, "optimizer.frozen": ("network",)}


def test_flow_is_trained_after_the_score_which_stays_bit_for_bit(score, after):
    state = after.state(4)
    tiny.assert_bitwise_equal(state.params["network"], score.params()["network"])
    tiny.assert_bitwise_equal(state.ema["network"], score.params()["network"])
    assert list(state.opt_state) == ["dequantizer"]
    first = jax.device_get(score_training.initial_state(after.experiment)).params["dequantizer"]
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(state.ema["dequantizer"], first)


def test_resumed_run_is_the_same_bit_for_bit(tmp_path, score, after):
    train(tmp_path / "run", 2, **settings_after(score))
    resumed = train(tmp_path / "run", 4, **settings_after(score))
    tiny.assert_bitwise_equal(resumed.state(4), after.state(4))


def test_account_has_the_density_of_the_draw_and_runs_are_compared(score, after):
    (line,) = (row for row in after.bits_per_dim()["account"] if row["term"] == "dequantization")
    assert line["bits_per_dim"] != 0
    assert line["standard_error"] > 0
    other = after.open_like(score.workdir.root)
    assert other.config.likelihood.dequantization == "uniform"
    (row,) = compare_runs(after, other, "")
    assert row["num_images"] == 6
    assert np.isfinite(row["standard_error"])


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"objective.name": "dsm"}, "objective.name"),
        ({"objective.dequantization": "uniform"}, "likelihood.dequantization"),
        ({"optimizer.frozen": ("network", "dequantizer")}, "optimizer.frozen"),
        ({"optimizer.frozen": ("process",)}, "optimizer.frozen"),
    ],
)
def test_settings_without_a_trained_flow_are_refused(wrong, key):
    with pytest.raises(ConfigError, match=key):
        check_config(tiny.digits(**VARIATIONAL | wrong))


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"model.hidden": 9}, ConfigError, "model.hidden"),
        ({"training.start_from": "nowhere"}, WorkdirError, "nowhere"),
    ],
)
def test_parameters_of_another_network_are_refused(tmp_path, score, wrong, error, named):
    with pytest.raises(error, match=named):
        train(tmp_path / "run", 2, **settings_after(score) | wrong)
    assert not (tmp_path / "run").exists()


def test_continuous_data_have_no_levels_to_fill():
    settings = {name: value for name, value in VARIATIONAL.items() if "likelihood" not in name}
    with pytest.raises(ConfigError, match=r"objective\.dequantization"):
        train("nowhere", 2, **settings | {"data.name": "mixture"})
