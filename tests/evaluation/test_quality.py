"""Numbers of sample quality: reference implementations, closed forms, limits, honest errors."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gradlog.evaluation.quality import (
    Moments,
    QualityError,
    compare_features,
    frechet,
    frechet_distance,
    kernel_distance,
    moments,
    neighbors,
    polynomial_mmd,
    precision_recall,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "quality.npz")
X, Y = GOLDEN["x"], GOLDEN["y"]
compare = partial(compare_features, kid_subsets=20, kid_subset_size=30)


def _generator(seed):
    return np.random.Generator(np.random.Philox(seed))


def _gaussian(mean, covariance, count=10):
    return Moments(count, np.asarray(mean, float), np.asarray(covariance, float))


# --- FID ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["pytorch_fid", "clean_fid"])
def test_fid_is_that_of_the_reference_implementations(reference):
    found = frechet_distance(moments(X), moments(Y))
    np.testing.assert_allclose(found, GOLDEN[f"frechet/{reference}"], rtol=1e-12)
    assert frechet(X, Y).value == found


def test_the_distance_of_gaussians_whose_covariances_commute():
    a, b = _gaussian([1, 0, 2], np.diag([4, 9, 0.25])), _gaussian([0, 0, 0], np.diag([1, 1, 4]))
    expected = 5 + (2 - 1) ** 2 + (3 - 1) ** 2 + (0.5 - 2) ** 2
    np.testing.assert_allclose(frechet_distance(a, b), expected, rtol=1e-14)


def test_the_distance_of_gaussians_in_the_plane():
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    product = a @ b  # the trace of the root of a matrix of two rows has a closed form
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    found = frechet_distance(_gaussian([0, 0], a), _gaussian([3, 4], b))
    np.testing.assert_allclose(found, 25 + np.trace(a + b) - 2 * root, rtol=1e-13)


def test_singular_covariances_need_nothing_added():
    u, v = _generator(0).standard_normal((2, 40))
    a, b = _gaussian(np.zeros(40), np.outer(u, u)), _gaussian(np.zeros(40), np.outer(v, v))
    expected = u @ u + v @ v - 2 * abs(u @ v)
    np.testing.assert_allclose(frechet_distance(a, b), expected, rtol=1e-13)


def test_fid_of_few_points_in_many_dimensions():
    x = _generator(1).standard_normal((12, 80))
    assert abs(frechet_distance(moments(x), moments(x))) < 1e-12 * np.sum(x**2)
    shifted = frechet_distance(moments(x), moments(x + 0.5))
    np.testing.assert_allclose(shifted, 80 * 0.25, rtol=1e-12)
    assert np.isnan(frechet(x, x + 0.5, groups=3).extrapolated)


def _with_moments_of_unit_gaussian(dims):
    """Points whose mean is zero and whose unbiased covariance is exactly one."""
    scale = np.sqrt((2 * dims - 1) / 2)
    return np.concatenate([scale * np.eye(dims), -scale * np.eye(dims)])


def test_samples_tend_to_the_distance_of_their_gaussians():
    x = _generator(2).standard_normal((20_000, 3)) * [2.0, 1.0, 0.5] + [0.0, 1.0, 0.0]
    found = frechet(x, _with_moments_of_unit_gaussian(3))
    expected = 1 + (2 - 1) ** 2 + (0.5 - 1) ** 2
    assert abs(found.extrapolated - expected) < 3 * found.standard_error
    assert found.standard_error < 0.05


def test_the_error_and_the_bias_of_fid_are_told_as_they_are():
    count, dims, repeats = 120, 5, 400
    reference, std = _with_moments_of_unit_gaussian(dims), np.array([1.5, 1.2, 1.0, 0.8, 0.7])
    found = [
        frechet(_generator((3, i)).standard_normal((count, dims)) * std, reference)
        for i in range(repeats)
    ]
    values = np.array([f.value for f in found])
    told = np.sqrt(np.mean([f.standard_error**2 for f in found]))
    assert 0.85 < told / values.std() < 1.2
    truth = np.sum((std - 1) ** 2)
    bias = values.mean() - truth
    left = np.mean([f.extrapolated for f in found]) - truth
    error = values.std() / np.sqrt(repeats)
    assert bias > 10 * error
    assert abs(left) < 4 * error


# --- KID ------------------------------------------------------------------------------------


def test_the_kernel_distance_is_that_of_the_reference_implementations():
    found = polynomial_mmd(X[:100], Y[:100])
    np.testing.assert_allclose(found, GOLDEN["kernel/of_100"], rtol=1e-12)
    np.testing.assert_allclose(found, GOLDEN["kernel/clean_fid_of_100"], rtol=1e-12)


def test_means_over_subsets_are_those_of_the_reference_implementation():
    draw = np.random.RandomState(2020)  # as it draws them
    subset = lambda x: x[draw.choice(len(x), 40, replace=False)]  # noqa: E731
    found = [polynomial_mmd(subset(X), subset(Y)) for _ in range(12)]
    np.testing.assert_allclose(np.mean(found), GOLDEN["kernel/mean"], rtol=1e-12)
    np.testing.assert_allclose(np.std(found), GOLDEN["kernel/std"], rtol=1e-12)


def _moments_of_polynomial(mean):
    return np.array([1, mean, mean**2 + 1, mean**3 + 3 * mean])  # of a unit Gaussian


def test_the_kernel_distance_of_two_gaussians_on_the_line():
    weights = [1, 3, 3, 1]  # (ab + 1)^3 = sum of weights a^j b^j
    expected = weights @ (_moments_of_polynomial(0.0) - _moments_of_polynomial(0.5)) ** 2
    generator = _generator(4)
    x, y = generator.standard_normal((4000, 1)), generator.standard_normal((5000, 1)) + 0.5
    found = kernel_distance(x, y, subsets=60, subset_size=400)
    assert abs(found.value - expected) < 3 * found.standard_error
    assert found.standard_error < 0.2 * expected


@pytest.mark.parametrize(("apart", "least", "most"), [(0.0, 0.9, 3.0), (0.5, 0.85, 1.25)])
def test_the_error_of_the_kernel_distance_is_told_as_it_is(apart, least, most):
    """Of one law the distance is degenerate: the error may be told too large, never too small."""
    repeats = 300
    found = []
    for i in range(repeats):
        x, y = _generator((5, i)).standard_normal((2, 200, 3))
        found.append(kernel_distance(x, y + apart, subsets=30, subset_size=50, seed=i))
    values = np.array([f.value for f in found])
    told = np.sqrt(np.mean([f.standard_error**2 for f in found]))
    assert least < told / values.std() < most
    if apart == 0:
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(repeats)


def test_subsets_are_those_of_the_seed_and_at_most_half_of_a_set():
    first, again = (kernel_distance(X, Y, 10, 40, seed=1) for _ in range(2))
    assert first == again != kernel_distance(X, Y, 10, 40, seed=2)
    assert kernel_distance(X, Y).subset_size == len(Y) // 2


# --- precision and recall -------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 5])
def test_precision_and_recall_are_those_of_the_reference_implementation(count):
    found = precision_recall(X, Y, count)
    np.testing.assert_allclose(
        [found.precision, found.recall], GOLDEN[f"neighbours/{count}"], rtol=1e-6
    )


def test_balls_on_the_line():
    reference = np.array([[0.0], [1.0], [3.0], [10.0]])  # nearest others: 1, 1, 2, 7
    samples = np.array([[-1.0], [2.0], [5.1], [17.5]])  # nearest others: 3, 3, 3.1, 12.4
    found = precision_recall(samples, reference, neighbors=1)
    assert found.precision == 3 / 4  # 17.5 lies outside
    assert found.recall == 1.0
    assert precision_recall(reference, samples, neighbors=1).precision == 1.0


def test_precision_and_recall_of_equal_and_of_far_sets():
    same, far = precision_recall(X, X), precision_recall(X, X + 1000)
    assert (same.precision, same.recall) == (1.0, 1.0)
    assert (far.precision, far.recall) == (0.0, 0.0)
    half = precision_recall(np.concatenate([X, X + 1000]), X)
    assert (half.precision, half.recall) == (0.5, 1.0)


def test_points_that_are_there_many_times_lie_inside():
    x = np.repeat(_generator(6).standard_normal((20, 50)), 5, axis=0)
    assert precision_recall(x[::5], x).precision == 1.0


def test_distances_come_in_blocks_that_do_not_matter(monkeypatch):
    whole = precision_recall(X, Y)
    monkeypatch.setattr(neighbors, "_NUMBERS_AT_ONCE", 7 * len(Y))
    assert precision_recall(X, Y) == whole


# --- all of them ----------------------------------------------------------------------------


def test_the_order_of_examples_does_not_matter():
    order = _generator(7).permutation(len(X))
    found, shuffled = compare(X, Y), compare(X[order], Y[::-1])
    for key in ("fid", "precision", "recall"):
        np.testing.assert_allclose(shuffled[key], found[key], rtol=1e-12)
    for key in ("fid_extrapolated", "kid"):  # cut and drawn by place
        assert abs(shuffled[key] - found[key]) < 3 * found[f"{key[:3]}_standard_error"]


def test_a_summary_says_what_its_numbers_stand_on():
    found = compare(X[:8], Y)
    assert (found["count"], found["reference_count"], found["num_features"]) == (8, 130, 6)
    assert (found["fid_groups"], found["kid_subset_size"]) == (4, 4)


MISTAKES = {
    "features must be tables": (X[:, 0], Y),
    "at least 4 examples are needed, got 3": (X[:3], Y),
    "one set has 5 features, the other 6": (X[:, :5], Y),
    "1 of 150 examples have features that are not finite": (np.where(X[3, 3] == X, np.nan, X), Y),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_sets_that_cannot_be_compared_are_one_line(message):
    with pytest.raises(QualityError, match=message) as caught:
        compare(*MISTAKES[message])
    assert "\n" not in str(caught.value)


def test_more_groups_than_pairs_of_samples_are_an_error():
    with pytest.raises(QualityError, match="10 samples cannot be cut into 6 groups"):
        frechet(X[:10], Y, groups=6)
