"""Tests of the maps from levels to points without noise."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import Centers, Scaled, Uniform

KEY = jax.random.key(0)


@pytest.mark.parametrize("centered", [True, False])
def test_scaled_levels_equal_those_of_score_sde(centered):
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


@pytest.mark.parametrize("kind", [Scaled, Centers])
@pytest.mark.parametrize(("levels", "dtype"), [(2, np.uint8), (256, np.uint8), (1000, np.uint16)])
@pytest.mark.parametrize("centered", [True, False])
def test_to_data_inverts_the_map(kind, levels, dtype, centered):
    dequantizer = kind(levels, centered=centered)
    stored = np.arange(levels, dtype=dtype)
    back = dequantizer.to_data(dequantizer(KEY, stored)[0])
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, stored)
    outside = dequantizer.to_data(jnp.array([-7.0, 7.0]))
    np.testing.assert_array_equal(outside, [0, levels - 1])


@pytest.mark.parametrize(("kind", "units"), [(Scaled, 255 / 2), (Centers, 128)])
def test_log_scale_is_the_log_of_levels_per_unit(kind, units):
    dequantizer = kind(256)
    (low, _), (high, _) = dequantizer(KEY, np.uint8(10)), dequantizer(KEY, np.uint8(11))
    np.testing.assert_allclose(1 / (high - low), units, rtol=1e-4)
    np.testing.assert_allclose(dequantizer.log_scale, math.log(units), rtol=1e-6)
