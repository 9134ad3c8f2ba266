"""Means over images and seeds: errors against simulations and closed forms."""

import math

import numpy as np
import pytest

from gradlog.evaluation.uncertainty import mean
from gradlog.sweeps.crossed_effects import crossed_mean, is_significant, pool_seed_variance

TABLES = 1000


def _simulate_tables(seeds, images, *, of_images, of_seeds, of_rest):
    """Draws of ``y_ri = a_i + b_r + e_ri``."""
    rng = np.random.default_rng(0)
    for _ in range(TABLES):
        a = of_images * rng.normal(size=images)
        b = of_seeds * rng.normal(size=(seeds, 1))
        yield a + b + of_rest * rng.normal(size=(seeds, images))


def _simulated(seeds, images, **stds):
    """The mean estimated variance over the true one, its error, and the intervals' coverage."""
    found = [crossed_mean(table) for table in _simulate_tables(seeds, images, **stds)]
    true = (
        stds["of_images"] ** 2 / images
        + stds["of_seeds"] ** 2 / seeds
        + stds["of_rest"] ** 2 / (seeds * images)
    )
    ratios = np.array([each.standard_error**2 for each in found]) / true
    covered = np.mean([i["low"] <= 0 <= i["high"] for i in (each.interval for each in found)])
    return ratios.mean(), ratios.std() / math.sqrt(TABLES), covered


@pytest.mark.parametrize(
    ("of_images", "of_seeds", "of_rest"), [(1.0, 0.12, 0.3), (1.0, 0.5, 1.0), (0.2, 0.5, 1.0)]
)
@pytest.mark.parametrize("seeds", [3, 5])
def test_variance_is_unbiased_and_intervals_cover(seeds, of_images, of_seeds, of_rest):
    stds = {"of_images": of_images, "of_seeds": of_seeds, "of_rest": of_rest}
    ratio, error, covered = _simulated(seeds, 100, **stds)
    assert abs(ratio - 1) < 4 * error
    # Of the nominal 0.95; three seeds are few to know a spread by.
    assert covered > (0.91 if seeds == 3 else 0.93)


@pytest.mark.parametrize("of_images", [1.0, 0.2])
def test_without_seed_variance_the_error_is_conservative(of_images):
    ratio, error, covered = _simulated(3, 100, of_images=of_images, of_seeds=0.0, of_rest=0.3)
    assert 1 - 4 * error < ratio < 1.35
    assert covered > 0.93


def test_ignoring_seeds_would_underestimate_the_variance():
    """The mistake would be to treat all images and seeds as independent numbers."""
    tables = _simulate_tables(3, 100, of_images=1.0, of_seeds=0.5, of_rest=0.3)
    naive = [np.var(table, ddof=1) / table.size for table in tables]
    true = 1 / 100 + 0.25 / 3 + 0.09 / 300
    assert np.mean(naive) < 0.1 * true


def test_one_seed_has_the_error_of_the_images():
    values = np.random.default_rng(1).normal(size=50)
    found, expected = crossed_mean(values[None]), mean(values)
    assert found.value == pytest.approx(expected.value)
    assert found.standard_error == pytest.approx(expected.standard_error)
    assert found.interval == pytest.approx(expected.interval)
    assert math.isnan(found.seeds_error)


def test_equal_seeds_add_no_error_and_equal_images_leave_that_of_the_seeds():
    images = np.random.default_rng(2).normal(size=40)
    same = crossed_mean(np.stack([images] * 3))
    assert (same.seeds_error, same.standard_error) == (0.0, same.images_error)
    assert same.images_error == pytest.approx(mean(images).standard_error)
    seeds = np.array([1.0, 2.0, 4.0])
    other = crossed_mean(np.repeat(seeds[:, None], 40, axis=1))
    assert other.images_error == 0.0
    assert other.standard_error == pytest.approx(mean(seeds).standard_error)
    assert other.freedom == pytest.approx(2)


@pytest.mark.parametrize("shape", [(3, 0), (1, 0), (3, 1)])
def test_too_few_images_have_no_error(shape):
    found = crossed_mean(np.ones(shape))
    assert math.isnan(found.standard_error)
    assert math.isnan(found.interval["low"])


SETTINGS = 9


def _settings(rng, best=0.0, of_seeds=0.1):
    """Settings of three seeds whose means are zero, but for the first, on the same images."""
    images = rng.normal(size=60)
    of_seeds = of_seeds * rng.normal(size=(SETTINGS, 3, 1))
    tables = images + of_seeds + 0.2 * rng.normal(size=(SETTINGS, 3, 60))
    tables[0] -= best
    return tables


def _separated(tables):
    """Return which settings differ significantly from the lowest one."""
    pooled, (count, seeds, _) = pool_seed_variance(tables), tables.shape
    best = int(np.argmin(tables.mean(axis=(1, 2))))
    differences = [crossed_mean(table - tables[best]) for table in np.delete(tables, best, axis=0)]
    return [is_significant(each, seeds, pooled, math.comb(count, 2)) for each in differences]


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_settings_are_rarely_significant_and_distant_ones_always(seeds):
    """Counting only comparisons with the best, it would be 12 % for one seed."""
    rng = np.random.default_rng(3)
    wrong = np.mean(
        [any(_separated(_settings(rng, of_seeds=0.1 * (seeds > 1))[:, :seeds])) for _ in range(400)]
    )
    assert wrong < 0.05
    assert np.mean([all(_separated(_settings(rng, best=1.0)[:, :seeds])) for _ in range(50)]) == 1


def test_pooled_variance_is_that_of_the_seeds():
    rng = np.random.default_rng(4)
    found = [pool_seed_variance(_settings(rng)) for _ in range(300)]
    assert {each.freedom for each in found} == {2 * SETTINGS}
    variances = np.array([each.variance for each in found])
    assert abs(variances.mean() - 0.01) < 4 * variances.std() / math.sqrt(300)


def test_one_seed_each_is_compared_by_the_images():
    images = np.random.default_rng(5).normal(size=200)
    pooled = pool_seed_variance([images[None], images[None] + 1])
    assert (pooled.variance, pooled.freedom) == (0.0, 0)
    for shift, expected in ((0.01, False), (0.5, True)):
        noise = np.random.default_rng(6).normal(size=200)
        assert is_significant(crossed_mean((noise + shift)[None]), 1, pooled, 1) is expected
    assert is_significant(crossed_mean(np.ones((1, 1))), 1, pooled, 1) is None
