"""A run with noise levels for each dimension, chosen by a latent of the datum."""

import numpy as np
import pytest
import tiny
from learned_runs import LATENT, assert_division_changes_nothing, moved, train

from gradlog.config_error import ConfigError
from gradlog.data import known_spec
from gradlog.experiment.build import build, check_config
from gradlog.experiment.run import Run
from gradlog.models.networks import MapNetwork

DIGITS = known_spec("digits", {}).without_examples("not needed")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("multivariate") / "run"
    return train(folder, LATENT, **{"training.eval_every": 0})


def test_every_part_of_the_process_learns(run):
    first = run.state(10).params["process"]
    assert set(first) == {"inside", "ends", "encoder", "map"}
    assert first["inside"]["a"].shape == (2,)
    last = run.state(20).params["process"]
    for name, tree in first.items():
        assert moved(tree, last[name]) > 1e-4, name
    assert isinstance(run.experiment.model.network, MapNetwork)


def test_latent_is_a_line_of_the_loss_and_of_the_account(run):
    logged = run.metrics()
    terms = sum(logged[name] for name in ("prior", "diffusion", "reconstruction", "latent"))
    np.testing.assert_allclose(terms, logged["loss"], rtol=1e-5)
    assert np.all(logged["latent"] > 0)
    bound = tiny.points(**LATENT | {"eval.estimators": ("bound",)})
    (summary,) = Run.open(run.workdir.root, bound).evaluate([20])
    (line,) = [line for line in summary["account"] if line["term"] == "latent"]
    assert line["bits_per_dim"] > 0


def test_samples_are_drawn(run):
    assert np.isfinite(run.sample(None, 3).x).all()


def test_latents_have_no_encoding_and_no_score(run):
    x = run.experiment.dataset.test[:2]
    with pytest.raises(ConfigError, match=r"sde\.latents"):
        run.encode(x)
    with pytest.raises(ConfigError, match=r"sde\.latents"):
        run.score(x, 0.4)


def test_its_data_have_no_code(run):
    with pytest.raises(ConfigError, match=r"sde\.name"):
        run.compress(run.experiment.dataset.test[:2])


def test_divided_process_is_trained_as_a_whole_one():
    # Steps of Adam are as long as the rate, and so is what it makes of rounding.
    settings = 'r.LATENT | {"sde.latent_hidden": 1024, "optimizer.process_rate": 1.0}'
    assert_division_changes_nothing(settings, "encoder.layers_0.kernel")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"objective.importance_sampling": True}, r"objective\.importance_sampling"),
        ({"likelihood.variable": "log_rho"}, r"likelihood\.name = 'ode'.*'t'"),
        ({"eval.estimators": ("quadrature",)}, r"likelihood\.name = 'quadrature'"),
        ({"sampling.schedule": "karras"}, r"sampling\.name.*'uniform'"),
        ({"sampling.name": "dpm_2m"}, r"sampling\.name"),
        ({"sampling.task": "inpaint"}, r"sampling\.task"),
        ({"model.parametrization": "energy"}, r"model\.parametrization"),
        (
            {"model.parametrization": "levels", "objective.dequantization": "centers"},
            r"model\.parametrization",
        ),
        ({"sde.latent_ones": 4}, "latent_ones"),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong, key):
    with pytest.raises(ConfigError, match=key):
        check_config(tiny.points(**LATENT | wrong))


def test_truncated_normal_needs_ends_that_are_fixed():
    settings = {key: value for key, value in LATENT.items() if key != "eval.estimators"}
    settings |= {
        "model.label": "log_rho",
        "likelihood.name": "ode",
        "likelihood.start": "as_sample",
        "likelihood.dequantization": "truncated_normal",
    }
    with pytest.raises(ConfigError, match="truncated_normal"):
        _ = build(tiny.digits(**settings), DIGITS).estimators
    fixed = build(tiny.digits(**settings | {"sde.learn_ends": False}), DIGITS)
    dequantizer = fixed.estimators["ode"].dequantizer
    np.testing.assert_allclose(dequantizer.sigma / dequantizer.alpha, np.exp(-4.0), rtol=1e-5)
