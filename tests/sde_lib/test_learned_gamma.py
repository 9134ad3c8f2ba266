"""Tests of the learned schedule: for any parameters it is a path of VDM between its two ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.sde_lib import LearnedGamma, LogSNR, check_process
from gradlog.sde_lib.learned_gamma import SCHEDULES, GammaPath
from tests.rounding import chain


def random_path(schedule: str, **settings) -> GammaPath:
    """Return the path of parameters far from their start, also negative ones."""
    process = LearnedGamma(schedule=schedule, **settings)
    keys = iter(jax.random.split(jax.random.key(1), 4))
    inside = jax.tree.map(
        lambda leaf: leaf + jax.random.normal(next(keys), leaf.shape),
        process.init(jax.random.key(0))["inside"],
    )
    return process.bind(process.init(jax.random.key(0)) | {"inside": inside})


def mapped(function):
    """Return a function of many times or levels, as one program."""
    return jax.jit(jax.vmap(function))


@pytest.fixture(params=SCHEDULES)
def path(request):
    return random_path(request.param)


def test_gamma_increases_from_end_to_end(path):
    t = jnp.linspace(0, 1, 1001)
    gamma = jax.vmap(path.gamma)(t)  # exact at the ends, but for what a compiler contracts
    np.testing.assert_array_equal(gamma[jnp.array([0, -1])], np.float32([-13.3, 5.0]))
    assert np.all(np.diff(gamma) > 0)
    straight = -13.3 + 18.3 * t
    assert np.max(np.abs(gamma - straight)) > 1  # these parameters bend it


def test_path_is_that_of_log_snr_at_the_same_gamma(path):
    t = jnp.linspace(0, 1, 41)
    same = mapped(LogSNR().time_of_log_rho)(mapped(path.log_rho)(t))
    for name in ("log_alpha", "log_sigma"):
        ours, theirs = mapped(getattr(path, name))(t), mapped(getattr(LogSNR(), name))(same)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_time_of_log_rho_is_the_inverse_with_its_derivatives(path):
    with jax.enable_x64(True):
        path = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), path)
        t = jnp.linspace(0.0, 1.0, 31)
        log_rho = mapped(path.log_rho)(t)
        np.testing.assert_allclose(mapped(path.time_of_log_rho)(log_rho), t, atol=1e-10)
        slope = mapped(jax.grad(path.time_of_log_rho))(log_rho)
        np.testing.assert_allclose(slope, 1 / mapped(path.log_rho_rate)(t), rtol=1e-6)

        # The level stays where the parameters move: d t = -(d log rho at t) / rate.
        def shifted(share, function):
            moved = jax.tree.map(lambda leaf: leaf + share, path.inside)
            return function(GammaPath(path.gamma_min, 4.0, inside=moved, schedule=path.schedule))

        @jax.jit
        def found():
            at = shifted(0.0, lambda moved: moved.time_of_log_rho(-2.0))
            by_time = jax.grad(shifted)(0.0, lambda moved: moved.time_of_log_rho(-2.0))
            by_level = jax.grad(shifted)(0.0, lambda moved: moved.log_rho(at))
            return by_time, by_level, shifted(0.0, lambda moved: moved.log_rho_rate(at))

        by_time, by_level, rate = found()
        np.testing.assert_allclose(by_time, -by_level / rate, rtol=1e-6)


def test_inverse_of_float32_is_as_exact_as_its_function(path):
    """An error of log rho of some units in the last place of 6 moves t by this over the rate."""
    t = jnp.linspace(0.0, 1.0, 1001)
    again = mapped(lambda t: path.time_of_log_rho(path.log_rho(t)))(t)
    rate = mapped(path.log_rho_rate)(t)
    assert np.all(np.abs(again - t) <= 6.65 * chain(16) / rate + chain(4))


def test_drift_and_diffusion_are_the_derivatives_of_the_marginals(path):
    with jax.enable_x64(True):
        path = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), path)
        t = jnp.linspace(0.0, 1.0, 31)
        f, g2 = mapped(path.drift_and_diffusion)(t)
        f_marginal = mapped(jax.grad(path.log_alpha))(t)
        variance_rate = mapped(jax.grad(lambda t: path.sigma(t) ** 2))(t)
        np.testing.assert_allclose(f, f_marginal, rtol=1e-9)
        sigma2 = mapped(path.sigma)(t) ** 2
        np.testing.assert_allclose(g2, variance_rate - 2 * f_marginal * sigma2, rtol=1e-9)


def test_slope_of_the_polynomial_is_a_square():
    path = random_path("polynomial")
    a, b, c = (path.inside[name] for name in "abc")
    t = jnp.linspace(0, 1, 11)
    slope = mapped(jax.grad(lambda t: path.schedule(path.inside, t)))(t)
    np.testing.assert_allclose(slope, ((a * t + b) * t + c) ** 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_training_starts_near_a_straight_line(schedule):
    gamma = LearnedGamma(schedule=schedule).initial().gamma
    t = jnp.linspace(0, 1, 21)
    np.testing.assert_allclose(mapped(gamma)(t), -13.3 + 18.3 * t, atol=0.25)


def test_only_learned_ends_are_parameters():
    assert set(LearnedGamma().init(jax.random.key(0))) == {"inside"}
    process = LearnedGamma(-8.0, 4.0, learn_ends=True)
    params = process.init(jax.random.key(0))
    ends = {"gamma_min": jnp.float32(-9.0), "log_range": jnp.log(jnp.float32(11.0))}
    bound = process.bind(params | {"ends": ends})
    for path, wanted in ((process.initial(), [-8, 4]), (bound, [-9, 2])):
        np.testing.assert_allclose([path.gamma(0.0), path.gamma(1.0)], wanted, rtol=1e-6)


def test_a_learned_schedule_is_accepted_where_its_path_is():
    class NeedsLogSNR:
        accepts = LogSNR

    check_process(NeedsLogSNR(), LearnedGamma())


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"gamma_min": 6.0}, "gamma_min"),
        ({"schedule": "spline"}, "schedule"),
        ({"schedule_features": 0}, "schedule_features"),
    ],
)
def test_wrong_settings_raise(wrong, name):
    with pytest.raises(ValueError, match=name):
        LearnedGamma(**wrong)
