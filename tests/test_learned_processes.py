"""A run whose process learns: training, resuming, freezing, and everything that follows."""

import jax
import numpy as np
import pytest
import tiny
from jax import export
from learned_runs import SCALAR, moved, train

from gradlog.config_error import ConfigError
from gradlog.data import known_spec
from gradlog.evaluation.export import score_program
from gradlog.experiment.build import build, check_config
from gradlog.experiment.reader import Reader
from gradlog.experiment.run import Run
from gradlog.experiment.training_parts import build_process, trained_groups
from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder
from gradlog.sde_lib import GammaPath

DIGITS = known_spec("digits", {}).without_examples("not needed")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("learned") / "run", SCALAR)


def test_each_group_moves_by_its_own_rate_and_average(run):
    first, state = run.state(10).params, run.state(20)
    assert set(state.params) == {"network", "process"}

    change = {name: moved(first[name], state.params[name]) for name in first}
    # Adam's steps are nearly as long as the rate, whatever the gradient.
    assert change["process"] > 3 * change["network"]
    assert moved(first["process"], state.ema["process"]) > 0.5 * change["process"]
    groups = run.experiment.groups
    assert (groups["network"].ema_decay, groups["process"].ema_decay) == (0.999, 0.5)


def test_resumed_run_is_the_same_bit_for_bit(run, tmp_path):
    train(tmp_path / "run", SCALAR, 10)
    tiny.assert_bitwise_equal(train(tmp_path / "run", SCALAR).state(20), run.state(20))


def test_averaged_schedule_is_used_by_likelihoods(run):
    """A run of another schedule has other numbers from the same network."""
    bound = SCALAR | {"likelihood.name": "bound", "likelihood.samples": 2}
    run = Run.open(run.workdir.root, tiny.points(**bound))
    x = run.experiment.dataset.test[:2]
    params = run.params()
    process = run.experiment.model.bind(params).process
    assert isinstance(process, GammaPath)
    assert abs(float(process.gamma(1.0)) - 5.0) > 1e-3
    log_prob = run.log_prob(x)
    assert np.isfinite(log_prob).all()
    ends = {"gamma_min": -7.0, "log_range": np.log(9.0)}
    other = {**params, "process": {**params["process"], "ends": ends}}
    found = run._evaluator(other, x, run.experiment.streams["eval"]).nats
    assert np.max(np.abs(found - log_prob)) > 1e-3


def test_exported_score_is_that_of_the_learned_process(run):
    params = run.params()
    program = score_program(run.experiment, lambda tree: tree)
    x, t = np.float32([[0.3, -0.2]]), np.float32([0.4])
    spec = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (params, x, t))
    loaded = export.deserialize(export.export(jax.jit(program))(*spec).serialize())
    np.testing.assert_allclose(loaded.call(params, x, t), run.score(x, 0.4), rtol=1e-5)


def test_report_draws_the_schedule_over_training(run):
    logged = run.metrics()
    assert logged["gamma_0.00"][-1] < logged["gamma_0.50"][-1] < logged["gamma_1.00"][-1]
    terms = sum(logged[name] for name in ("prior", "diffusion", "reconstruction"))
    np.testing.assert_allclose(terms, logged["loss"], rtol=1e-5)
    page = render_page(RunFolder(run.workdir.root))
    assert "Learned process" in page
    assert f"{logged['gamma_1.00'][-1]:.4f} at t = 1.00" in page


def test_fixed_run_has_no_chart_of_a_schedule(trained):
    assert "Learned process" not in render_page(RunFolder(trained))


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"objective.importance_sampling": True}, "objective.importance_sampling"),
        ({"objective.name": "dsm"}, "objective.name"),
        ({"objective.eps": 1e-3}, "objective.eps"),
        ({"objective.levels": "one"}, "objective.levels"),
        ({"objective.dequantization": "scaled"}, "objective.dequantization"),
        ({"objective.form": "fsm"}, "objective.form"),
        ({"model.label": "time"}, "model.label"),
        ({"optimizer.frozen": ("network", "process")}, "optimizer.frozen"),
        ({"optimizer.frozen": ("proces",)}, "optimizer.frozen"),
        ({"sde.schedule": "spline"}, "schedule"),
    ],
)
def test_settings_that_cannot_learn_are_refused(wrong, key):
    with pytest.raises(ConfigError, match=key):
        check_config(tiny.points(**SCALAR | wrong))


@pytest.mark.parametrize(("names", "frozen"), [("process, ", ["process"]), ("", [])])
def test_spaces_and_empty_names_among_the_frozen_groups_are_no_names(names, frozen):
    config = tiny.points(**SCALAR | {"optimizer.frozen": (names,)})
    reader = Reader(config)
    trained = trained_groups(reader, build_process(reader, None))
    assert [name for name in ("network", "process") if name not in trained] == frozen


@pytest.mark.parametrize(
    ("wrong", "key"),
    [({"likelihood.start": "as_sample"}, "start"), ({"likelihood.name": "importance"}, "name")],
)
def test_decoder_needs_the_noise_of_eps_and_has_no_draws(wrong, key):
    settings = {"likelihood.name": "ode", "likelihood.dequantization": "decoder"}
    experiment = build(tiny.digits(**settings | wrong), DIGITS)
    with pytest.raises(ConfigError, match=rf"likelihood\.{key}") as refused:
        _ = experiment.estimators
    assert "'decoder'" in str(refused.value)


def test_score_alone_may_be_trained_with_a_frozen_schedule():
    frozen = {"optimizer.frozen": ("process",), "objective.name": "dsm"}
    check_config(tiny.points(**SCALAR | frozen))
