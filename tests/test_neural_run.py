"""A run whose path is learned as a whole: training, likelihoods and samples."""

import numpy as np
import pytest
import tiny
from learned_runs import moved

from gradlog.config_error import ConfigError
from gradlog.data import known_spec
from gradlog.experiment.build import build, check_config
from gradlog.experiment.run import Run

SETTINGS = {
    "sde.name": "neural",
    "sde.neural_network": "model",
    "sde.neural_hidden": 4,
    "objective.name": "elbo",
    "likelihood.name": "bound",
    "likelihood.samples": 4,
    "sampling.name": "neural_reverse",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("neural") / "run"
    every = {"training.steps": 2, "training.checkpoint_every": 1, "training.eval_every": 0}
    Run.open(folder, tiny.points(**SETTINGS | every)).train()
    return Run.open(folder)


def test_trained_path_has_bits_and_samples_and_refuses_the_rest(run, tmp_path):
    summary = run.bits_per_dim()
    assert [row["term"] for row in summary["account"]] == [
        *("diffusion", "eps", "dequantization", "units")
    ]
    assert np.isfinite(summary["estimator_standard_error"])
    x = run.experiment.dataset.test[:3]
    assert np.isfinite(run.sample(None, 3).x).all()
    for refused in (lambda: run.score(x, 0.5), lambda: run.encode(x), lambda: run.export(tmp_path)):
        with pytest.raises(ConfigError, match=r"sde\.name"):
            refused()


def test_path_has_a_network_like_the_score_s_with_parameters_of_its_own(run):
    params = run.state(2).params
    assert set(params) == {"network", "process"}
    path = params["process"]["moments"]["network"]
    # The datum is twice in its channels: once for the mean, once for the standard deviation.
    inside, outside = (tree["Dense_1"]["kernel"].shape[0] for tree in (path, params["network"]))
    assert inside == 2 * outside
    before = run.state(1).params["process"]["moments"]["network"]
    assert moved(before, path) > 1e-6


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"objective.name": "dsm"}, "objective.name"),
        ({"likelihood.name": "ode"}, "likelihood.name"),
        ({"sampling.name": "heun"}, "sampling.name"),
        ({"sde.moves": "std"}, "moves"),
        ({"sde.neural_network": "unet"}, "neural_network"),
        ({"objective.dequantization": "scaled"}, "objective.dequantization"),
    ],
)
def test_members_for_other_processes_are_refused(wrong, key):
    with pytest.raises(ConfigError, match=key):
        check_config(tiny.points(**SETTINGS | wrong))


@pytest.mark.parametrize("name", ["decoder", "truncated_normal"])
def test_dequantizations_that_need_a_schedule_are_refused(name):
    digits = known_spec("digits", {}).without_examples("not needed")
    experiment = build(tiny.digits(**SETTINGS | {"likelihood.dequantization": name}), digits)
    with pytest.raises(ConfigError, match=r"likelihood\.dequantization"):
        _ = experiment.estimators
