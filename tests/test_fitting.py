"""Training from Python: the example, the defaults, and what importing the package does."""

import runpy
from typing import get_args

import jax
import numpy as np
import optax
import pytest
import shared_programs
import tiny

from gradlog import (
    MLP,
    VP,
    DiffusionModel,
    FittedModel,
    LearnedNumbers,
    Noise,
    ScaledTime,
    Uniform,
    fit,
    fitting,
)
from gradlog.data import DataError
from gradlog.likelihood import (
    OneDraw,
    VariationalBound,
    make_bound,
)
from gradlog.models import Datum, Logits, NoLabel, QuarterLogRho, Tokens
from gradlog.models.networks import MapNetwork, TokenNetwork
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sampling import ProbabilityFlow
from gradlog.sde_lib import (
    Discrete,
    Kind,
    LearnedDrift,
    LearnedMasking,
    Masking,
    Multivariate,
    Neural,
    OnePosition,
    Process,
    Uniform as UniformNoise,
    check_process,
)
from gradlog.training import Example, NonFiniteError, ParameterGroup, ScoreModelTraining

POINTS = np.random.default_rng(0).normal(0, 1, (256, 2)).astype(np.float32)


def _model(process=None, **changes):
    network = MLP(hidden=8, num_layers=1, embedding=8, num_classes=changes.pop("classes", 0))
    return DiffusionModel(process or VP(), network, Noise(), ScaledTime(), **changes)


def _fitted() -> FittedModel:
    """Return a model of POINTS with random parameters, in place of a training."""
    model, rng = _model(), np.random.default_rng(0)
    spec = jax.eval_shape(lambda key: model.init(key, (2,)), jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(leaf.dtype), spec)
    return FittedModel(model, params, (2,), np.zeros(0))


def test_the_example_trains_evaluates_and_samples(capsys, monkeypatch):
    """With fewer points than it has."""
    example = runpy.run_path(str(tiny.ROOT / "examples" / "train_in_python.py"))
    points = example["two_moons"]
    few = lambda n, seed: points(min(n, 200), seed)  # noqa: E731
    monkeypatch.setitem(example["main"].__globals__, "two_moons", few)
    example["main"](steps=3)
    printed = capsys.readouterr().out
    assert "bits/dim" in printed
    assert "nan" not in printed


def test_the_example_is_short():
    source = (tiny.ROOT / "examples" / "train_in_python.py").read_text()
    body = source.split('"""', 2)[2]  # without the head of the file
    lines = [line for line in body.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) < 25


def test_a_fitted_model_has_likelihoods_and_samples_of_data_with_levels():
    model = _model(dequantizer=Uniform(4))
    data = np.random.default_rng(0).integers(0, 4, (64, 2)).astype(np.uint8)
    fitted = fit(model, data, steps=4, batch_size=16, log_every=2)
    assert fitted.losses.shape == (2,)
    key = jax.random.key(0)
    bits = fitted.bits_per_dim(data[:5], key)
    nats = fitted.log_prob(data[:5], key)
    np.testing.assert_allclose(bits.value, -nats.mean() / (2 * np.log(2)), rtol=1e-6)
    samples = fitted.sample(6, key)
    assert samples.dtype == np.uint8
    assert samples.max() <= 3
    np.testing.assert_array_equal(fitted.sample(3, key), samples[:3])


def test_classes_and_trained_numbers_of_a_process_are_fitted():
    process = LearnedNumbers(VP(), ("beta_max",))
    labels = np.arange(256) % 3
    fitted = fit(_model(process, classes=3), POINTS, steps=3, batch_size=32, labels=labels)
    assert set(fitted.params) == {"network", "process"}
    key = jax.random.key(0)
    assert np.isfinite(fitted.log_prob(POINTS[:2], key, condition=1)).all()
    assert fitted.sample(2, key, condition=2).shape == (2, 2)
    for wrong in (3, -1):  # 3 would be "no class"
        with pytest.raises(DataError, match="num_classes = 3"):
            fitted.sample(2, key, condition=wrong)
        with pytest.raises(DataError, match="num_classes = 3"):
            fitted.log_prob(POINTS[:2], key, condition=wrong)


@pytest.mark.parametrize(
    "labels",
    [np.arange(256) % 3 + 1, np.arange(255) % 3, np.zeros(256), np.full(256, 2**64 - 1), None],
)
def test_labels_that_are_not_the_classes_of_the_model_are_refused(labels):
    with pytest.raises(DataError, match="labels"):
        fit(_model(classes=3), POINTS, steps=3, batch_size=32, labels=labels)


def test_each_group_of_parameters_has_its_own_optimizer_or_none():
    """A frozen group stays, and one with an optimizer moves; the fitted one is the average."""
    model = _model(LearnedNumbers(VP(), ("beta_max",)))
    start = np.log(np.float32(20.0))
    logs = {}
    fast, averaged = (ParameterGroup(optax.sgd(1.0), decay) for decay in (0.0, 0.9))
    own = {"frozen": ParameterGroup(None), "fast": fast, "averaged": averaged, "default": None}
    for name, group in own.items():
        groups = {"process": group} if group else None
        fitted = fit(model, POINTS, steps=3, batch_size=32, groups=groups)
        logs[name] = float(fitted.params["process"]["log_beta_max"])
    assert logs["frozen"] == start
    assert logs["default"] != start
    assert logs["fast"] not in (start, logs["default"])
    assert abs(logs["averaged"] - start) < abs(logs["fast"] - start)
    with pytest.raises(ValueError, match="proces"):
        fit(model, POINTS, steps=3, batch_size=32, groups={"proces": ParameterGroup(None)})


def test_masks_are_fitted_to_the_law_of_tokens():
    prob = np.array([0.7, 0.2, 0.1])
    tokens = np.random.default_rng(0).choice(3, (2048, 4), p=prob)
    network = MLP(hidden=16, num_layers=1, embedding=8, conditional=False)
    network = TokenNetwork(network, levels=3, token_features=4)
    model = DiffusionModel(Masking(levels=3), network, Logits(), NoLabel(), Tokens(levels=3))
    fitted = fit(model, tokens, steps=200, batch_size=256)
    nats = fitted.log_prob(tokens[:64], jax.random.key(0))
    np.testing.assert_allclose(nats.mean(), np.log(prob)[tokens[:64]].sum(1).mean(), atol=0.1)
    samples = fitted.sample(1000, jax.random.key(1))
    found = np.bincount(samples.ravel(), minlength=3) / samples.size
    np.testing.assert_allclose(found, prob, atol=0.05)


_TOKENS = np.random.default_rng(0).integers(0, 3, (256, 2))


@pytest.mark.parametrize(
    ("process", "data"),
    [
        (OnePosition(levels=3), _TOKENS),
        (UniformNoise(levels=3), _TOKENS),
        (LearnedMasking(levels=3), _TOKENS),
        (Multivariate((2,), -8.0, 4.0), POINTS),
        (Neural((2,), neural_hidden=8), POINTS),
        (LearnedDrift((2,), chain_steps=4, drift_hidden=8), POINTS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_defaults_of_each_kind_of_process_fit_it(process, data):
    """Traced: masks are fitted above, and a run of each other kind has its numbers."""
    assert {"gaussian", *fitting.DEFAULTS} == set(get_args(Kind))
    network = MLP(hidden=8, num_layers=1, embedding=8)
    if isinstance(process, Discrete):
        tokens = TokenNetwork(network, levels=3, token_features=4)
        label = NoLabel() if process.kind == "masks" else ScaledTime()
        model = DiffusionModel(process, tokens, Logits(), label, Tokens(levels=3))
    elif process.kind == "gaussian":
        model = DiffusionModel(process, MapNetwork(network), Noise(), QuarterLogRho())
    else:
        output = Datum() if process.kind == "neural" else Noise()
        model = DiffusionModel(process, network, output, ScaledTime())
    objective = fitting.default_objective(model, fitting.EPS)
    likelihood = fitting.default_likelihood(model, 2, fitting.EPS)
    sampler = fitting.default_sampler(model, fitting.EPS)
    for part in (objective, likelihood, sampler):
        check_process(part, process)
    trainable = ScoreModelTraining(model, objective, (2,))

    def whole(key, x, z):
        params = trainable.init(key)
        loss = lambda params: trainable.loss(params, Example(x[0], z[0], None), key).value  # noqa: E731
        bound = model.bind(params)
        nats = likelihood(bound, x, jax.random.split(key, len(x))).nats
        drawn = bound.draw_latent(key)
        return params, jax.grad(loss)(params), nats, drawn.to_data(sampler(drawn, z, key).x)

    key, z = jax.random.key(0), np.zeros(2, np.float32)
    params, slopes, nats, sample = jax.eval_shape(whole, key, data[:4], z)
    assert jax.tree.map(lambda leaf: leaf.shape, slopes) == jax.tree.map(
        lambda leaf: leaf.shape, params
    )
    assert (nats.shape, sample.shape) == ((4,), (2,))


def test_an_estimator_of_ones_own_is_used_and_compiled_once():
    fitted = _fitted()
    key, bound = jax.random.key(0), make_bound(samples=8, eps=1e-3)
    assert isinstance(bound, VariationalBound)
    nats = fitted.log_prob(POINTS[:3], key, OneDraw(bound))
    assert np.isfinite(nats).all()
    shared_programs.forget()  # the model keeps its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VariationalBound, "one", None)  # it would be traced again
        again = fitted.log_prob(POINTS[:3], key, OneDraw(make_bound(samples=8, eps=1e-3)))
    np.testing.assert_array_equal(again, nats)


def test_failed_samples_are_counted_and_are_not_numbers(capsys):
    fitted = _fitted()
    sampler = ProbabilityFlow(Adaptive(1e-5, 1e-5, max_steps=2), LogRhoFlow(), 1e-3)
    samples = fitted.sample(3, jax.random.key(0), sampler)
    assert np.isnan(samples).all()
    assert "3 of 3 samples failed" in capsys.readouterr().out
    with pytest.raises(ValueError, match="n = 0"):
        fitted.sample(0, jax.random.key(0))


def test_a_process_of_another_kind_is_refused_before_anything_is_compiled():
    model = _model(Process())
    with pytest.raises(ValueError, match=r"EvidenceBound .*, got Process"):
        fit(model, POINTS, steps=3, batch_size=32)
    fitted = FittedModel(model, {}, (2,), np.zeros(0))
    with pytest.raises(ValueError, match=r"OneDraw .*, got Process"):
        fitted.log_prob(POINTS[:2], jax.random.key(0))
    with pytest.raises(ValueError, match=r"DDIM .*, got Process"):
        fitted.sample(2, jax.random.key(0))


def test_a_training_that_diverges_names_the_step_and_no_checkpoint():
    with pytest.raises(NonFiniteError, match=r"^step 1: (loss|grad_norm) is (nan|inf)$"):
        fit(_model(), POINTS * 1e30, steps=3, batch_size=32)


NOT_FINITE = np.where(np.arange(512).reshape(256, 2) == 7, np.inf, POINTS)
LEVELS = np.arange(512).reshape(256, 2) % 4
BAD_DATA = {
    "not finite": (None, NOT_FINITE, "1 of 256 .* 3$"),
    "too large": (None, POINTS.astype(float) * 1e200, "float32: 256 of 256"),
    "levels without a dequantizer": (None, LEVELS, "dequantizer"),
    "too many levels": (4, LEVELS + 1, "from 1 to 4 .* from 0 to 3"),
    "negative levels": (4, LEVELS - 1, "from 0 to 3"),
    "levels that would wrap around": (4, LEVELS * 2**40, "from 0 to 3"),
    "scaled levels": (4, LEVELS / 4, "from 0 to 3"),
    "complex": (None, POINTS * 1j, "complex"),
    "text": (None, POINTS.astype(str), "real numbers"),
    "none": (None, POINTS[:0], "n > 0"),
    "one number": (None, POINTS[0, 0], "shape"),
}


@pytest.mark.parametrize("what", BAD_DATA)
def test_data_that_do_not_fit_the_model_are_refused_before_anything_is_compiled(what):
    levels, data, says = BAD_DATA[what]
    model = _model(**({"dequantizer": Uniform(levels)} if levels else {}))
    with pytest.raises(DataError, match=says):
        fit(model, data, steps=3, batch_size=32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps", 0), ("log_every", 0), ("ema_decay", 1.0), ("class_dropout", 1.5)),
        *(("eps", 0.0), ("eps", -1e-3), ("eps", 1.0)),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_its_name(name, value):
    optimizer = optax.sgd(1.0)  # the default one refuses no steps itself
    arguments = {"steps": 3, "batch_size": 32, "optimizer": optimizer, name: value}
    with pytest.raises(ValueError, match=rf"^{name} = {value}"):
        fit(_model(), POINTS, **arguments)


def test_the_same_seed_gives_the_same_model_and_rounding_to_float32_is_said(capsys):
    fitted = lambda data, seed: fit(_model(), data, steps=3, batch_size=32, seed=seed)  # noqa: E731
    first = fitted(POINTS.astype(np.float64), 0)
    assert "float64" in capsys.readouterr().out
    second, other = fitted(POINTS, 0), fitted(POINTS, 1)
    assert "float" not in capsys.readouterr().out
    tiny.assert_bitwise_equal(first.params, second.params)
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(first.params, other.params)


@pytest.mark.parametrize(
    ("levels", "x", "says"),
    [
        (None, POINTS[:, :1], r"\(256, 1\)"),
        (None, POINTS[0], r"\(2,\)"),
        (None, POINTS[..., None], r"\(256, 2, 1\)"),
        (None, POINTS[:0], "n > 0"),
        (None, NOT_FINITE, "finite"),
        (4, LEVELS + 1, "from 0 to 3"),
        (4, LEVELS / 2, "from 0 to 3"),
    ],
)
def test_a_likelihood_of_data_unlike_those_of_training_is_refused(levels, x, says):
    model = _model(**({"dequantizer": Uniform(levels)} if levels else {}))
    fitted = FittedModel(model, {}, (2,), np.zeros(0))
    with pytest.raises(DataError, match=says):
        fitted.bits_per_dim(x, jax.random.key(0))


def test_more_samples_than_the_memory_holds_are_refused():
    fitted = FittedModel(_model(), {}, (2,), np.zeros(0))
    with pytest.raises(DataError, match="10,000,000,000,000 samples"):
        fitted.sample(10**13, jax.random.key(0))


def test_importing_the_package_imports_nothing_heavy_and_changes_nothing():
    script = (
        "import os, sys, warnings\n"
        "before = dict(os.environ), list(warnings.filters), sys.excepthook\n"
        "import gradlog\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert 'fit' in dir(gradlog)\n"
        "assert warnings.filters == before[1]\n"
        "import flax, optax, diffrax, scipy.special\n"
        "before = before[0], list(warnings.filters), before[2]\n"
        "from gradlog import Run, fit\n"
        "assert (dict(os.environ), warnings.filters, sys.excepthook) == before\n"
    )
    tiny.python("-c", script)


def test_every_public_name_is_found_where_the_package_says():
    import gradlog

    for name in gradlog.__all__:
        assert getattr(gradlog, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = gradlog.Nothing
    assert fitting.fit is gradlog.fit
