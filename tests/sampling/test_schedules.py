"""Tests of time schedules: their ends, their order, their published formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.sampling import TIME_SCHEDULES, KarrasSchedule, LogSNRSchedule, UniformSchedule
from gradlog.sde_lib import SDES, VE, VP

EPS = 1e-3


@pytest.mark.parametrize("sde", SDES)
@pytest.mark.parametrize("name", TIME_SCHEDULES)
def test_times_decrease_from_t_max_to_eps(name, sde):
    sde = SDES[sde]()
    times = np.asarray(jax.jit(lambda: TIME_SCHEDULES[name]()(sde, EPS, 50))())
    assert times.shape == (51,)
    assert np.all(np.diff(times) < 0)
    np.testing.assert_array_equal(times[[0, -1]], np.float32([sde.t_max, EPS]))


@pytest.mark.parametrize("name", TIME_SCHEDULES)
def test_one_step_spans_the_whole_range(name):
    np.testing.assert_array_equal(TIME_SCHEDULES[name]()(VP(), EPS, 1), np.float32([1, EPS]))


def test_quadratic_times_have_even_square_roots():
    times = TIME_SCHEDULES["quadratic"]()(VP(), EPS, 20)
    steps = np.diff(np.sqrt(times))
    np.testing.assert_allclose(steps, (np.sqrt(EPS) - 1) / 20, rtol=1e-4)


@pytest.mark.parametrize("exponent", [1.0, 3.0, 7.0])
def test_karras_times_on_ve_have_the_sigmas_of_equation_5(exponent):
    with jax.enable_x64(True):
        sde = VE(0.002, 80.0)
        sigmas = jax.jit(lambda: jax.vmap(sde.sigma)(KarrasSchedule(exponent)(sde, 1e-12, 17)))()
    i = np.arange(18) / 17
    root = 80 ** (1 / exponent)
    want = (root + i * (0.002 ** (1 / exponent) - root)) ** exponent
    np.testing.assert_allclose(sigmas, want, rtol=1e-9)


@pytest.mark.parametrize("name", SDES)
def test_log_snr_times_have_an_even_log_rho(name):
    with jax.enable_x64(True):
        sde = SDES[name]()
        log_rhos = jax.jit(lambda: jax.vmap(sde.log_rho)(LogSNRSchedule()(sde, EPS, 12)))
        steps = np.diff(log_rhos())
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-6)


def test_uniform_times_of_ve_are_even_in_log_sigma():
    uniform, log = (s(VE(), EPS, 10) for s in (UniformSchedule(), LogSNRSchedule()))
    np.testing.assert_allclose(uniform, log, rtol=1e-4, atol=1e-6)


def test_schedules_can_be_traced():
    got = jax.jit(lambda top: KarrasSchedule()(VE(0.01, top), EPS, 5))(jnp.float32(50.0))
    np.testing.assert_allclose(got, KarrasSchedule()(VE(), EPS, 5), rtol=1e-5)
