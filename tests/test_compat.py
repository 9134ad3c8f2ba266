"""``config.compat``: what it sets, what is kept from it, and the published bits at its end."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.config_error import ConfigError
from gradlog.configs import default
from gradlog.data.dataset import from_arrays
from gradlog.evaluation.likelihood import likelihood_evaluator
from gradlog.experiment.build import build, check_config
from gradlog.experiment.compat import COMPATS, compat_notes, resolve_compat
from gradlog.experiment.loading import load_config, load_saved_config
from gradlog.experiment.run import Run
from gradlog.likelihood import AsSample, OneDraw, SciPyLikelihood, scipy_ode
from gradlog.losses import ScoreFlow
from gradlog.models import Uniform
from gradlog.storage import write_json
from tests.models.official import GOLDEN, load_golden

POINTS = from_arrays(
    "points", np.zeros((9, 2), np.float32), np.zeros((9, 2), np.float32), levels=None
)
SCORE_FLOW = {"compat": "score_flow"}


def _likelihood(**overrides):
    """The likelihood that a small configuration with the preset builds."""
    experiment = build(tiny.points(**SCORE_FLOW | overrides), POINTS)
    (estimator,) = experiment.estimators.values()
    return estimator.likelihood


@pytest.mark.parametrize(("sde", "eps"), [("vp", 1e-5), ("ve", 1e-5), ("subvp", 1e-2)])
def test_score_flow_is_scipy_with_its_conventions(sde, eps):
    want = OneDraw(SciPyLikelihood(1e-5, 1e-5, eps, AsSample()))
    assert _likelihood(**{"sde.name": sde}) == want


@pytest.mark.parametrize("sde", ["vp", "subvp"])
def test_score_sde_begins_at_1e_5_whatever_the_process(sde):
    found = _likelihood(compat="score_sde", **{"sde.name": sde})
    assert found == OneDraw(SciPyLikelihood(1e-5, 1e-5, 1e-5, AsSample()))


@pytest.mark.parametrize(("sde", "variance"), [("vp", "beta"), ("ve", "posterior")])
def test_ancestral_steps_have_the_variance_of_score_flow(sde, variance):
    config = tiny.points(**SCORE_FLOW | {"sde.name": sde})
    assert resolve_compat(config).sampling.ancestral_variance == variance


IMAGENET = {"data.name": "imagenet32", "objective.weighting": "likelihood"}


@pytest.mark.parametrize(
    ("eps", "overrides"),
    [
        (5e-5, {}),
        (5e-5, {"objective.eps": 1e-3}),
        (1e-5, {"objective.importance_sampling": False}),
        (1e-5, {"objective.weighting": "sigma2"}),
        (1e-5, {"data.name": "digits"}),
        (1e-5, {"sde.name": "ve"}),
        (1e-2, {"sde.name": "subvp"}),
    ],
)
def test_score_flow_begins_at_the_smallest_time_of_its_own_file(eps, overrides):
    keys = SCORE_FLOW | IMAGENET | {"objective.importance_sampling": True} | overrides
    assert resolve_compat(tiny.points(**keys)).likelihood.eps == eps
    assert resolve_compat(tiny.points(**keys | {"compat": "score_sde"})).likelihood.eps == 1e-5


def test_score_flow_begins_where_its_published_experiments_are_trained_from():
    files = sorted((tiny.ROOT / "configs" / "score_flow").rglob("*.py"))
    assert len(files) == 8
    for file in files:
        config = load_config(str(file))
        config.compat = "score_flow"
        assert resolve_compat(config).likelihood.eps == config.objective.eps


@pytest.mark.parametrize("levels", ["ladder", "steps"])
def test_on_discrete_levels_the_scale_is_the_official_one_where_there_is_one(levels):
    for weighting, scaled in (("sigma2", True), ("likelihood", False)):
        keys = {"objective.levels": levels, "objective.weighting": weighting}
        objective = build(tiny.points(**SCORE_FLOW, **keys), POINTS).objective
        assert isinstance(objective.scaling, ScoreFlow) == scaled


def test_without_a_preset_the_configuration_stands_as_it_is():
    config = tiny.points()
    assert resolve_compat(config).to_dict() == config.to_dict()
    assert compat_notes(config, config) == []


@pytest.mark.parametrize("name", COMPATS)
def test_a_preset_is_resolved_once(name):
    config = tiny.points(compat=name)
    resolved = resolve_compat(config)
    assert resolved.compat == ""
    assert config.compat == name
    assert resolve_compat(resolved).to_dict() == resolved.to_dict()


def test_the_list_of_estimators_is_respected():
    experiment = build(tiny.points(**SCORE_FLOW, **{"eval.estimators": ("bound", "ode")}), POINTS)
    assert list(experiment.estimators) == ["bound", "ode"]
    settings = experiment.estimators["bound"].settings
    assert (settings["likelihood.samples"], settings["likelihood.form"]) == (1000, "dsm")
    assert experiment.estimators["ode"].settings["likelihood.start"] == "as_sample"


def test_of_what_a_training_is_it_changes_the_scale_of_the_loss():
    with_it, without = (build(tiny.points(**keys), POINTS) for keys in (SCORE_FLOW, {}))
    scale = {"objective.scaling": "score_flow", "objective.reduce_mean": True}
    assert with_it.identity == without.identity | scale
    assert isinstance(with_it.objective.scaling, ScoreFlow)
    assert "compat" in with_it.keys_read


def test_a_weighting_that_score_flow_has_not_keeps_its_scale():
    objective = build(tiny.points(**SCORE_FLOW, **{"objective.weighting": "edm"}), POINTS).objective
    assert not isinstance(objective.scaling, ScoreFlow)


@pytest.mark.parametrize(("estimator", "notes"), [("bound", 0), ("ode", 1)])
def test_the_bound_that_a_preset_has_settings_for_is_comparable(estimator, notes):
    config = tiny.points(**SCORE_FLOW, **{"likelihood.name": estimator})
    found = compat_notes(config, resolve_compat(config, ["likelihood.name"]))
    assert sum("likelihood.name" in note for note in found) == notes


def test_keys_given_by_hand_win_and_the_note_says_what_that_means():
    config = tiny.points(**SCORE_FLOW, **{"likelihood.rtol": 1e-3, "likelihood.probes": 1})
    kept = ["likelihood.rtol", "likelihood.probes", "training.steps"]
    resolved = resolve_compat(config, kept)
    assert resolved.objective.scaling == "score_flow"
    assert (resolved.likelihood.rtol, resolved.likelihood.atol) == (1e-3, 1e-5)
    changed, warning = compat_notes(config, resolved)
    assert changed.startswith("compat = score_flow sets objective.scaling = score_flow, likelihood")
    assert "likelihood.atol = 1e-05" in changed
    assert "rtol" not in changed
    assert warning.startswith("config.likelihood.rtol = 0.001 stays, where score_flow has 1e-05")
    sampling = compat_notes(config, resolved, {"sampling.batch_norms", "sampling.eps"})
    assert sampling == ["compat = score_flow sets sampling.batch_norms = True"]


@pytest.mark.parametrize("read", [lambda c: build(c, POINTS), check_config])
def test_an_unknown_preset_is_named_with_the_known_ones(read):
    with pytest.raises(ConfigError) as caught:
        read(tiny.points(compat="score_ode"))
    assert str(caught.value) == (
        "config.compat = 'score_ode' is unknown; choose one of ['score_flow', 'score_sde'], or ''"
    )


def test_a_workdir_made_before_there_was_a_preset_opens(trained):
    saved = Run.open(trained).config.to_dict()
    del saved["compat"]
    path = trained.parent / "before.json"
    write_json(path, saved)
    assert load_saved_config(path).compat == ""


def test_a_trained_run_is_evaluated_with_it_and_remembers_what_it_set(workdir):
    run = Run.open(workdir, tiny.points(**SCORE_FLOW), overridden=["likelihood.eps"])
    assert run.config.likelihood.name == "scipy"
    assert run.config.likelihood.eps == 1e-2
    summary = run.bits_per_dim()
    assert summary["estimator"] == "scipy"
    assert (summary["num_images"], summary["failed"]) == (12, [])
    other = run.open_like(workdir)
    assert other.experiment.estimators["scipy"].settings == (
        run.experiment.estimators["scipy"].settings
    )


def test_a_run_trained_with_it_opens_with_and_without_it_and_keeps_its_loss(tmp_path):
    config = tiny.points(**SCORE_FLOW, **{"training.steps": 1, "training.eval_every": 0})
    Run.open(tmp_path / "run", config).train()
    for again in (None, config):
        run = Run.open(tmp_path / "run", again)
        assert isinstance(run.experiment.objective.scaling, ScoreFlow)
        assert run.config.likelihood.name == "scipy"


# --- the published bits ---------------------------------------------------------------------


def _official(name):
    """A configuration for a stored network and its data, the parameters and all arrays."""
    network, params, golden = load_golden(GOLDEN / f"likelihood_{name}.npz")
    config = default.get_config()
    fields = ("nf", "ch_mult", "num_res_blocks", "attn_resolutions", "resblock_type", "centered")
    config.model.update({field: getattr(network, field) for field in fields})
    config.sde.name = name
    config.compat = "score_flow"
    params = jax.tree.map(jnp.asarray, params)
    return config, params, golden


@jax.tree_util.register_static
class Stored(Uniform):
    """The points as they were dequantized by the official code."""

    def __call__(self, key, x):
        return x, jnp.zeros(())


@pytest.mark.parametrize("name", ["vp"])
def test_a_built_experiment_gives_the_official_bits_of_the_official_points(name, monkeypatch):
    config, params, golden = _official(name)
    images = golden["images_uint8"]
    experiment = build(config, from_arrays("images", images, images, levels=256))
    monkeypatch.setattr(scipy_ode, "random_signs", lambda keys, xs: jnp.asarray(golden["epsilon"]))
    evaluator = likelihood_evaluator(experiment, experiment.estimators["scipy"])
    assert evaluator.model.dequantizer == Uniform(256)
    model = dataclasses.replace(evaluator.model, dequantizer=Stored(256))
    evaluator = dataclasses.replace(evaluator, model=model)
    found = evaluator({"network": params}, golden["x"], experiment.streams["eval"])
    distance = lambda bits: np.abs(bits - golden["ref64_bpd"]).max()  # noqa: E731
    assert np.all(found.good)
    # As near to the float64 solve of the same equation as the official code.
    assert distance(found.account.bits_per_dim) <= distance(golden["bpd"])
    np.testing.assert_allclose(found.values["nfe"], golden["nfe"], rtol=0.05)
    np.testing.assert_allclose(found.account.terms["units"], -64 * 7 * np.log(2), rtol=1e-6)
    assert np.all(found.account.terms["eps"] == 0)


def test_every_batch_holds_the_images_that_count_and_no_others(monkeypatch):
    """A padded row would have a say in the step size."""
    sizes = []

    def remember(keys, xs):
        sizes.append(len(xs))
        return jnp.ones_like(xs)

    monkeypatch.setattr(scipy_ode, "random_signs", remember)
    experiment = build(tiny.points(**{"likelihood.name": "scipy"}), POINTS)
    evaluator = likelihood_evaluator(experiment, experiment.estimators["scipy"])
    params = tiny.init(experiment.model, (2,))
    points = np.random.default_rng(0).normal(size=(13, 2)).astype(np.float32)
    found = evaluator(params, points, experiment.streams["eval"])
    assert sizes == [6, 6, 1]
    assert found.account.bits_per_dim.shape == (13,)
    assert np.all(found.good)
