"""A run whose path is learned as a whole: training, resuming, likelihoods and samples."""

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
    "sde.neural_hidden": 4,
    "objective.name": "elbo",
    "likelihood.name": "bound",
    "likelihood.samples": 4,
    "sampling.name": "neural_reverse",
}


def train(folder, steps, **overrides) -> Run:
    every = {"training.steps": steps, "training.checkpoint_every": 2, "training.eval_every": 0}
    Run.open(folder, tiny.points(**SETTINGS | every | overrides)).train()
    return Run.open(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("neural") / "run", 4)


def test_resumed_run_is_the_same_bit_for_bit_with_its_path(run, tmp_path):
    train(tmp_path / "run", 2)
    state = train(tmp_path / "run", 4).state(4)
    assert set(state.params) == {"network", "process"}
    tiny.assert_bitwise_equal(state, run.state(4))


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


def test_path_has_a_network_like_the_score_s_with_parameters_of_its_own(tmp_path):
    run = train(tmp_path / "run", 2, **{"sde.neural_network": "model"})
    params = run.state(2).params
    path = params["process"]["moments"]["network"]
    # The datum is twice in its channels: once for the mean, once for the standard deviation.
    inside, outside = (tree["Dense_1"]["kernel"].shape[0] for tree in (path, params["network"]))
    assert inside == 2 * outside
    first = run.experiment.model.init(run.experiment.streams["init"], (2,))["process"]["moments"]
    assert moved(first["network"], path) > 1e-6
    assert np.isfinite(run.bits_per_dim()["bits_per_dim"])


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
