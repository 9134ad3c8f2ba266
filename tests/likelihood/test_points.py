"""Levels that are trained on without being dequantized."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import Centers, Scaled, Uniform

KEY = jax.random.key(0)


@pytest.mark.parametrize("centered", [True, False])
def test_scaled_levels_are_score_sdes(centered):
    levels = np.arange(256, dtype=np.uint8)
    points, log_q = Scaled(256, centered=centered)(KEY, levels)
    want = levels / 255.0
    np.testing.assert_allclose(points, 2 * want - 1 if centered else want, atol=1e-7)
    assert log_q == 0


@pytest.mark.parametrize("centered", [True, False])
def test_centers_are_the_mean_of_the_uniform_dequantization(centered):
    levels = np.arange(17, dtype=np.uint8)
    keys = jax.random.split(KEY, 20_000)
    mean = jnp.mean(jax.vmap(lambda key: Uniform(17, centered=centered)(key, levels)[0])(keys), 0)
    points, _ = Centers(17, centered=centered)(KEY, levels)
    np.testing.assert_allclose(points, mean, atol=4 * 2 / 17 / math.sqrt(12 * 20_000))


@pytest.mark.parametrize("member", [Scaled, Centers])
@pytest.mark.parametrize(("levels", "dtype"), [(2, np.uint8), (256, np.uint8), (1000, np.uint16)])
@pytest.mark.parametrize("centered", [True, False])
def test_what_is_stored_comes_back(member, levels, dtype, centered):
    points = member(levels, centered=centered)
    stored = np.arange(levels, dtype=dtype)
    back = points.stored(points(KEY, stored)[0])
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, stored)
    outside = points.stored(jnp.array([-7.0, 7.0]))
    np.testing.assert_array_equal(outside, [0, levels - 1])


@pytest.mark.parametrize(("member", "units"), [(Scaled, 255 / 2), (Centers, 128)])
def test_a_unit_of_the_space_is_so_many_levels(member, units):
    points = member(256)
    (low, _), (high, _) = points(KEY, np.uint8(10)), points(KEY, np.uint8(11))
    np.testing.assert_allclose(1 / (high - low), units, rtol=1e-4)
    np.testing.assert_allclose(points.log_scale, math.log(units), rtol=1e-6)
