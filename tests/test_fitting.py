"""Training from Python: the example, the defaults, and what importing the package does."""

import doctest
import runpy

import jax
import numpy as np
import pytest
import tiny

from gradlog import (
    MLP,
    VP,
    DiffusionModel,
    LearnedNumbers,
    Noise,
    ScaledTime,
    Uniform,
    fit,
    fitting,
)
from gradlog.likelihood import VariationalBound

POINTS = np.random.default_rng(0).normal(0, 1, (256, 2)).astype(np.float32)


def _model(process=None, **changes):
    network = MLP(hidden=8, num_layers=1, embedding=8, num_classes=changes.pop("classes", 0))
    return DiffusionModel(process or VP(), network, Noise(), ScaledTime(), **changes)


def test_the_example_trains_evaluates_and_samples(capsys):
    example = runpy.run_path(str(tiny.ROOT / "examples" / "train_in_python.py"))
    example["main"](steps=3)
    printed = capsys.readouterr().out
    assert "bits/dim" in printed
    assert "nan" not in printed


def test_the_example_is_short():
    source = (tiny.ROOT / "examples" / "train_in_python.py").read_text()
    body = source.split('"""', 2)[2]  # without the head of the file
    lines = [line for line in body.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) < 25


def test_the_documented_example_holds():
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(fit, "fit", globs={})
    assert doctest.DocTestRunner().run(found).failed == 0


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


def test_the_same_seed_gives_the_same_model():
    first, second, other = (
        fit(_model(), POINTS, steps=3, batch_size=32, seed=s) for s in (0, 0, 1)
    )
    tiny.assert_bitwise_equal(first.params, second.params)
    with pytest.raises(AssertionError):
        tiny.assert_bitwise_equal(first.params, other.params)


def test_classes_and_trained_numbers_of_a_process_are_fitted():
    process = LearnedNumbers(VP(), ("beta_max",))
    labels = np.arange(256) % 3
    fitted = fit(_model(process, classes=3), POINTS, steps=3, batch_size=32, labels=labels)
    assert set(fitted.params) == {"network", "process"}
    key = jax.random.key(0)
    assert np.isfinite(fitted.log_prob(POINTS[:2], key, condition=1)).all()
    assert fitted.sample(2, key, condition=2).shape == (2, 2)


def test_an_estimator_of_ones_own_is_used():
    from gradlog.likelihood import OneDraw, make_bound

    fitted = fit(_model(), POINTS, steps=3, batch_size=32)
    bound = make_bound(samples=8, eps=1e-3)
    assert isinstance(bound, VariationalBound)
    nats = fitted.log_prob(POINTS[:3], jax.random.key(0), OneDraw(bound))
    assert np.isfinite(nats).all()


def test_importing_the_package_imports_nothing_heavy_and_changes_nothing():
    script = (
        "import os, sys, warnings\n"
        "before = dict(os.environ), list(warnings.filters), sys.excepthook\n"
        "import gradlog\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert 'fit' in dir(gradlog)\n"
        "from gradlog import Run, fit\n"
        "assert (dict(os.environ), sys.excepthook) == (before[0], before[2])\n"
    )
    tiny.python("-c", script)


def test_every_public_name_is_found_where_the_package_says():
    import gradlog

    for name in gradlog.__all__:
        assert getattr(gradlog, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = gradlog.Nothing
    assert fitting.fit is gradlog.fit
