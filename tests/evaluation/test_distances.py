"""The sliced Wasserstein distance against closed forms and against SciPy."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from gradlog.evaluation.distances import distances_within, random_directions, sliced_wasserstein

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = RNG.normal(1.0, 2.0, size=(50, 3))


def test_directions_are_uniform_unit_vectors():
    v = random_directions(20_000, 3, seed=1)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, rtol=1e-12)
    # E v v^T = I/3; an entry of v v^T has variance 4/45 on the diagonal and 1/15 off it.
    error = np.abs(v.T @ v / len(v) - np.eye(3) / 3)
    assert np.all(error < 4 * np.sqrt(np.where(np.eye(3), 4 / 45, 1 / 15) / len(v)))
    np.testing.assert_array_equal(v, random_directions(20_000, 3, seed=1))
    assert not np.allclose(v, random_directions(20_000, 3, seed=2))


@pytest.mark.parametrize("sizes", [(50, 50), (50, 20), (7, 50), (1, 13)])
def test_order_one_is_scipys_mean_over_directions(sizes):
    x, y, v = X[: sizes[0]], Y[: sizes[1]], random_directions(11, 3)
    want = np.mean([wasserstein_distance(x @ d, y @ d) for d in v])
    np.testing.assert_allclose(sliced_wasserstein(x, y, v, order=1), want, rtol=1e-12)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0])
def test_a_translation_moves_every_projection_by_its_own_component(order):
    v, c = random_directions(9, 3), np.array([0.3, -2.0, 1.1])
    want = np.mean(np.abs(v @ c) ** order) ** (1 / order)
    np.testing.assert_allclose(sliced_wasserstein(X, X + c, v, order), want, rtol=1e-12)


def test_a_dilation_costs_its_excess_times_the_second_moment():
    v, factor = random_directions(9, 3), 1.7
    want = (factor - 1) * np.sqrt(np.mean((X @ v.T) ** 2))
    np.testing.assert_allclose(sliced_wasserstein(X, factor * X, v), want, rtol=1e-12)


def test_the_other_set_may_repeat_and_permute_its_points():
    v = random_directions(9, 3)
    repeated = RNG.permutation(np.repeat(X, 3, axis=0))
    assert sliced_wasserstein(X, repeated, v) < 1e-12
    np.testing.assert_allclose(
        sliced_wasserstein(repeated, Y, v), sliced_wasserstein(Y, X, v), rtol=1e-12
    )


def test_two_gaussians_are_as_far_apart_as_their_closed_form():
    """``W_2^2 = (<v, m>)^2 + (s - 1)^2`` along every direction v, over twenty pairs of samples."""
    v, m, s = random_directions(16, 2), np.array([1.0, -0.5]), 1.5
    want = np.mean((v @ m) ** 2) + (s - 1) ** 2
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, 4000, 2))
        found.append(sliced_wasserstein(x, m + s * y, v) ** 2)
    # The bias of an empirical W_2^2 is of order log log n / n: a tenth of the standard error here.
    assert abs(np.mean(found) - want) < 4 * np.std(found, ddof=1) / np.sqrt(20)
    assert np.std(found, ddof=1) < 0.1 * want


def test_the_distances_of_data_to_data_are_those_of_disjoint_sets():
    source, y, v = RNG.normal(size=(230, 3)), X, random_directions(9, 3)
    found = distances_within(source, y, v)
    assert found == [sliced_wasserstein(source[k : k + 50], y, v) for k in (0, 50, 100, 150)]
    assert distances_within(source, y, v, most=2) == found[:2]


@pytest.mark.parametrize(("x", "y", "order"), [(X[:0], Y, 2.0), (X, Y[:, :2], 2.0), (X, Y, 0.5)])
def test_what_has_no_distance_is_refused(x, y, order):
    with pytest.raises(ValueError, match=r"needed|at least 1"):
        sliced_wasserstein(x, y, random_directions(4, 3), order)
