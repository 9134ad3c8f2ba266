"""Tests of what is planned for a model once, and of densities that samples have on their way."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import thirteen
import tiny

from gradlog.config_error import ConfigError
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.evaluation.samples import SampleDriver
from gradlog.experiment.build import check_config
from gradlog.likelihood import AsSample, OneDraw, Planned, make_exact
from gradlog.models import Centers, Decoder
from gradlog.ode import ExponentialMultistep, LogRhoFlow
from gradlog.sampling import DPMSolver2M, LogSNRSchedule
from gradlog.sampling.base import Density, Sample
from gradlog.sde_lib import Process

STREAM = jax.random.key(3)


def test_plan_is_a_function_of_the_parameters_alone():
    estimate = LikelihoodEvaluator(OneDraw(Planned(1e-3, tolerance=1e9)), thirteen.DEQUANTIZED, 13)
    params = thirteen.params()
    first = estimate(params, thirteen.SOURCE, STREAM)
    np.testing.assert_array_equal(first.plan, estimate.plan(params, thirteen.SHAPE))
    # The plan of an evaluation does not depend on its data, and it is used.
    part = estimate(params, thirteen.SOURCE[:13], STREAM, plan=np.full(25, 4, np.int32))
    assert part.values["jvps"][0] == 100 > first.values["jvps"][0]
    larger = jax.tree.map(lambda leaf: 3 * leaf, params)
    assert not np.array_equal(estimate.plan(larger, thirteen.SHAPE), first.plan)


def test_densities_of_samples_are_those_of_the_samples_as_data():
    """Backward to the sample, and forward from it, within the errors that are stated."""
    options = {"denoise": False, "log_prob": True, "schedule": LogSNRSchedule()}
    sampler = DPMSolver2M(60, 1e-3, **options)
    driver = SampleDriver(sampler, thirteen.MODEL, thirteen.SHAPE, 13)
    samples = driver(thirteen.params(), 13, STREAM)
    flow, path = LogRhoFlow(), ExponentialMultistep()
    exact = make_exact(*(None, flow, 1e-3, AsSample()), path=path, intervals=48)
    forward = LikelihoodEvaluator(OneDraw(exact), thirteen.MODEL, 13)
    want = forward(thirteen.params(), samples.x, STREAM)
    allowed = 3 * samples.log_prob_error + np.abs(samples.log_prob_discretization) + 1e-3
    assert np.all(np.abs(samples.log_prob - want.nats) <= allowed)
    errors = samples.log_prob - want.nats
    assert np.sqrt(np.mean(errors**2)) < 2 * np.sqrt(np.mean(samples.log_prob_error**2))
    assert np.std(errors) < np.std(want.nats) / 3

    stored = SampleDriver(sampler, thirteen.DEQUANTIZED, thirteen.SHAPE, 13)
    in_levels = stored(thirteen.params(), 13, STREAM)
    shift = 4 * thirteen.DEQUANTIZED.dequantizer.log_scale
    np.testing.assert_allclose(in_levels.log_prob, samples.log_prob - shift, rtol=1e-4)
    decoded = replace(thirteen.DEQUANTIZED, dequantizer=Decoder(17))
    in_centers = SampleDriver(sampler, decoded, thirteen.SHAPE, 13)(thirteen.params(), 13, STREAM)
    shift = 4 * Centers(17).log_scale
    np.testing.assert_allclose(in_centers.log_prob, samples.log_prob - shift, rtol=1e-4)
    without = SampleDriver(replace(sampler, log_prob=False), thirteen.MODEL, thirteen.SHAPE, 13)
    assert without(thirteen.params(), 2, STREAM).log_prob is None


class Overflowing:
    """A sampler whose densities overflow where the first coordinate is positive."""

    accepts, evaluations = Process, 1

    def __call__(self, model, z, key):
        del model, key
        nats = jnp.where(z.ravel()[0] > 0, jnp.nan, 0.0)
        return Sample(z, jnp.array(1), jnp.array(True), Density(nats, nats, nats))


def test_a_sample_without_a_finite_density_has_failed():
    driver = SampleDriver(Overflowing(), thirteen.MODEL, thirteen.SHAPE, 13)
    samples = driver(thirteen.params(), 13, STREAM)
    assert 0 < samples.ok.sum() < 13
    np.testing.assert_array_equal(samples.ok, np.isfinite(samples.log_prob))


def test_configurations_choose_plans_and_densities():
    asked = {"sampling.log_prob": True, "sampling.denoise": False, "sampling.num_steps": 8}
    planned = {"likelihood.name": "planned", "likelihood.target": 0.5}
    asked |= {"sampling.name": "dpm_2m", "sampling.schedule": "log_snr"}
    config = tiny.points(**asked, **planned)
    experiment = check_config(config)
    assert experiment.sampler.log_prob
    assert experiment.estimators["planned"].likelihood.likelihood.target == 0.5
    uneven = {"sampling.schedule": "uniform"}
    for wrong in ({"sampling.name": "predictor_corrector"}, {"sampling.denoise": True}, uneven):
        with pytest.raises(ConfigError, match="log_prob"):
            check_config(tiny.points(**asked | wrong))
    fixed = check_config(
        tiny.points(**{"likelihood.name": "exact", "likelihood.path": "multistep"})
    )
    assert fixed.estimators["exact"].likelihood.likelihood.path == ExponentialMultistep()
