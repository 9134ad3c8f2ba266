"""A run of a chain whose drift is a network."""

import numpy as np
import pytest
import tiny
from learned_runs import moved, train

from gradlog.config_error import ConfigError
from gradlog.experiment.build import check_config
from gradlog.experiment.run import Run

SETTINGS = {
    "sde.name": "learned_drift",
    "sde.chain_steps": 4,
    "sde.drift_hidden": 4,
    "objective.name": "elbo",
    "likelihood.name": "bound",
    "likelihood.samples": 8,
    "sampling.name": "chain_reverse",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("drift") / "run", SETTINGS)


def test_drift_noise_and_score_learn(run):
    first = run.experiment.model.init(run.experiment.streams["init"], (2,))
    last = run.state(20).params
    assert set(first["process"]) == {"drift", "logits"}
    assert moved(first["network"], last["network"]) > 1e-4
    for name, tree in first["process"].items():
        assert moved(tree, last["process"][name]) > 1e-4, name


def test_it_is_evaluated_and_sampled(run):
    (summary,) = run.evaluate([20])
    assert np.isfinite(summary["bits_per_dim"])
    assert summary["forward_evaluations"] == 8 * 4
    assert np.isfinite(run.sample(None, 3).x).all()


def test_it_has_no_flow_and_no_score_at_any_time(run):
    x = run.experiment.dataset.test[:2]
    with pytest.raises(ConfigError, match=r"sde\.name"):
        run.encode(x)
    with pytest.raises(ConfigError, match=r"sde\.name"):
        run.score(x, 0.4)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"objective.name": "dsm"}, r"objective\.name"),
        ({"likelihood.name": "ode"}, r"likelihood\.name"),
        ({"sampling.name": "ddim"}, r"sampling\.name"),
        ({"objective.dequantization": "centers"}, r"objective\.dequantization"),
    ],
)
def test_what_needs_a_path_is_refused(wrong, key):
    with pytest.raises(ConfigError, match=key):
        check_config(tiny.points(**SETTINGS | wrong))
