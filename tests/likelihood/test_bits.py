"""Tests that uniform dequantization covers the bins, and that the account of bits adds up."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.likelihood import Account, account, mean_standard_error
from gradlog.likelihood.parts import DEQUANTIZATION, DIVERGENCE, EPS, PRIOR
from gradlog.models import Continuous, Uniform

LEVELS = [2, 17, 256, 1000, 65536]


def stored_levels(levels):
    return np.arange(levels, dtype=np.uint8 if levels <= 256 else np.uint16)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("u", [None, 0.0, 1 - 2.0**-24])
def test_every_draw_in_a_bin_maps_back_to_its_level(levels, centered, u, monkeypatch):
    """Including the smallest and the largest float32 draws."""
    if u is not None:
        monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.full(shape, u))
    dequantization, k = Uniform(levels, centered=centered), jnp.asarray(stored_levels(levels))
    x, log_q = dequantization(jax.random.key(0), k)
    again = dequantization.to_data(x)
    assert x.dtype == jnp.float32
    assert again.dtype == k.dtype
    np.testing.assert_array_equal(again, k)
    assert log_q == 0


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("levels", [2, 17, 256, 1000])
def test_draws_are_uniform_over_the_space(levels, centered):
    low, high = (-1, 1) if centered else (0, 1)
    width = (high - low) / levels
    k = np.repeat(stored_levels(levels), 4000 // levels + 1)
    x, _ = Uniform(levels, centered=centered)(jax.random.key(0), jnp.asarray(k))
    u = (np.asarray(x, np.float64) - low) / width - k
    # Four standard errors of the moments of a uniform variable.
    assert abs(u.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / len(u))
    assert abs(u.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / len(u))
    assert low <= x.min() < low + width
    assert high - width < x.max() <= high


def test_values_outside_the_space_map_to_the_end_levels():
    stored = Uniform(17).to_data(jnp.array([-3.0, -1.0, 1.0, 3.0]))
    np.testing.assert_array_equal(stored, [0, 0, 16, 16])


def test_continuous_data_is_unchanged():
    x = jnp.array([0.3, -2.0])
    same, log_q = Continuous()(jax.random.key(0), x)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(Continuous().to_data(x), x)
    assert log_q == 0
    assert Continuous().log_scale == 0
    opened = account({PRIOR: np.array([-2.0, -4.0])}, Continuous().log_scale, 2)
    np.testing.assert_array_equal(opened.nats, [-2, -4])


@pytest.mark.parametrize(
    ("levels", "centered", "bits"), [(256, True, 7), (256, False, 8), (2, True, 0), (16, False, 4)]
)
def test_scale_equals_the_published_offset(levels, centered, bits):
    assert math.isclose(Uniform(levels, centered=centered).log_scale / math.log(2), bits)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("levels", LEVELS)
def test_uniform_density_has_the_bits_of_the_number_of_levels(levels, centered):
    dims = 5
    density = np.full(3, -dims * math.log(2 if centered else 1))
    scale = Uniform(levels, centered=centered).log_scale
    opened = account({PRIOR: density}, scale, dims)
    np.testing.assert_allclose(opened.bits_per_dim, math.log2(levels), rtol=1e-12)
    if levels == 17:
        assert round(opened.total().bits_per_dim, 4) == 4.0875


def test_signs_of_the_account():
    """``log P = parts - d log(levels per unit)``, with ``-log q`` a part."""
    parts = {PRIOR: np.array([1.0]), EPS: np.array([2.0]), DEQUANTIZATION: np.array([-0.25])}
    opened = account(parts, 0.5, dims=4)
    np.testing.assert_allclose(opened.nats, 1 + 2 - 0.25 - 4 * 0.5)
    np.testing.assert_allclose(opened.bits_per_dim, -0.75 / (4 * math.log(2)))


def test_lines_add_up_to_the_total_and_have_standard_errors():
    rng = np.random.default_rng(0)
    parts = {PRIOR: rng.normal(size=20) - 90, DIVERGENCE: 3 * rng.normal(size=20) + 40}
    parts = {DEQUANTIZATION: rng.normal(size=20)} | parts
    opened = account(parts, Uniform(17).log_scale, dims=6)
    lines = opened.lines()
    assert [line.name for line in lines] == ["prior", "divergence", "dequantization", "units"]
    total = opened.total()
    np.testing.assert_allclose(sum(line.bits_per_dim for line in lines), total.bits_per_dim)
    per_image = -parts["prior"] / (6 * math.log(2))
    np.testing.assert_allclose(lines[0].standard_error, per_image.std(ddof=1) / math.sqrt(20))
    np.testing.assert_allclose(total.standard_error, opened.bits_per_dim.std(ddof=1) / 20**0.5)
    assert lines[-1].standard_error < 1e-12


def test_sums_are_in_float64():
    terms = {"large": np.float32([1e8]), "small": np.float32([1.0]), "back": np.float32([-1e8])}
    assert Account(terms, 1).nats == 1


def test_standard_error_of_a_mean():
    assert math.isclose(mean_standard_error(np.array([1.0, 2.0, 6.0])), 7**0.5 / 3**0.5)
    assert math.isnan(mean_standard_error(np.array([1.0])))
