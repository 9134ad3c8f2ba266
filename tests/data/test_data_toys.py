import jax
import numpy as np
import pytest

from gradlog.data.dataset import DataError
from gradlog.data.toys import (
    MIXTURE_STD,
    MIXTURE_WEIGHTS,
    load_checkerboard,
    load_circle,
    load_mixture,
    load_moons,
)

TOYS = {
    "mixture": load_mixture,
    "moons": load_moons,
    "checkerboard": load_checkerboard,
    "circle": load_circle,
}


@pytest.mark.parametrize("name", TOYS)
def test_continuous_vectors(name):
    toy = TOYS[name]()
    assert (toy.name, toy.shape, toy.levels) == (name, (2,), None)
    assert (toy.train.shape, toy.test.shape) == ((20_000, 2), (2_000, 2))
    assert toy.train.dtype == toy.test.dtype == np.float32
    assert np.isfinite(toy.train).all()


@pytest.mark.parametrize("name", TOYS)
def test_seed_and_counts(name):
    load = TOYS[name]
    first, again = (load(num_train=100, num_test=50) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != load(num_train=100, num_test=50, seed=1).fingerprint
    assert (len(first.train), len(first.test)) == (100, 50)
    assert len(np.intersect1d(first.train, first.test)) == 0
    more = load(num_train=500, num_test=50)
    np.testing.assert_array_equal(more.test, first.test)


@pytest.mark.parametrize("name", TOYS)
def test_scale_divides(name):
    plain, scaled = TOYS[name](num_train=100), TOYS[name](num_train=100, scale=4.0)
    np.testing.assert_allclose(scaled.train, plain.train / 4.0, rtol=1e-6)


def test_the_mixture_has_its_moments():
    points = load_mixture(num_train=200_000).train.astype(np.float64)
    upper = points.sum(axis=1) > 0
    assert MIXTURE_WEIGHTS == (0.2, 0.8)
    assert upper.mean() == pytest.approx(0.8, abs=0.004)
    for part, mean in ((points[~upper], (-5.0, -5.0)), (points[upper], (5.0, 5.0))):
        np.testing.assert_allclose(part.mean(axis=0), mean, atol=0.02)
        np.testing.assert_allclose(np.cov(part.T), MIXTURE_STD**2 * np.eye(2), atol=0.03)


def test_the_checkerboard_is_uniform_on_half_of_the_squares():
    points = load_checkerboard(num_train=80_000).train
    assert np.abs(points).max() <= 4.0
    column, row = np.clip(np.floor((points + 4.0) / 2.0).astype(int), 0, 3).T
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (column, row), 1)
    dark = np.indices((4, 4)).sum(axis=0) % 2 == 0
    assert counts[~dark].sum() <= 2  # rounding to float32 at an edge
    np.testing.assert_allclose(counts[dark], 10_000, rtol=0.05)
    within = (points + 4.0) / 2.0 % 1.0
    np.testing.assert_allclose(within.mean(axis=0), 0.5, atol=0.005)
    np.testing.assert_allclose(within.var(axis=0), 1 / 12, atol=0.002)


def test_the_moons_lie_on_their_arcs():
    points = load_moons(num_train=4_000, noise=0.0).train
    upper = np.abs(np.hypot(*points.T) - 1.0) < 1e-5
    lower = np.abs(np.hypot(points[:, 0] - 1.0, points[:, 1] - 0.5) - 1.0) < 1e-5
    assert (upper | lower).all()
    assert points[upper & ~lower][:, 1].min() >= -1e-6
    assert points[lower & ~upper][:, 1].max() <= 0.5 + 1e-6
    assert upper.mean() == pytest.approx(0.5, abs=0.03)


def test_the_noise_of_the_moons_is_a_standard_deviation():
    clean = load_moons(num_train=20_000, noise=0.0).train
    noisy = load_moons(num_train=20_000, noise=0.2).train
    assert np.std(noisy - clean) == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_train": -1}, "num_train = -1"),
        ({"num_test": -5}, "num_test = -5"),
        ({"seed": -2}, "seed = -2"),
        ({"scale": 0.0}, "scale = 0"),
        ({"scale": float("nan")}, "scale = nan"),
    ],
)
def test_errors(name, arguments, message):
    with pytest.raises(DataError, match=message):
        TOYS[name](**arguments)


@pytest.mark.parametrize("load", [load_moons, load_circle])
def test_negative_noise(load):
    with pytest.raises(DataError, match=r"noise = -0\.1"):
        load(noise=-0.1)


@pytest.mark.parametrize(
    ("load", "arguments", "message"),
    [
        (load_mixture, {"dims": 0}, "dims = 0 must be at least 1"),
        (load_mixture, {"center": float("inf")}, "center = inf must be finite"),
        (load_circle, {"dims": 1}, "dims = 1: a circle needs at least 2"),
    ],
)
def test_impossible_shapes_are_refused(load, arguments, message):
    with pytest.raises(DataError, match=message):
        load(**arguments)


@pytest.mark.parametrize(("dims", "center", "scale"), [(1, 2.0, 1.0), (5, 1.5, 3.0)])
def test_the_law_of_the_mixture_matches_its_points(dims, center, scale):
    toy = load_mixture(num_train=40_000, dims=dims, center=center, scale=scale)
    sample, log_density = (jax.jit(jax.vmap(f)) for f in (toy.law.sample, toy.law.log_density))
    drawn = np.asarray(sample(jax.random.split(jax.random.key(0), 40_000)))
    assert toy.train.shape == drawn.shape == (40_000, dims)
    density, of_drawn = (np.asarray(log_density(x)) for x in (toy.train, drawn))
    error = np.hypot(density.std(), of_drawn.std()) / 200
    assert abs(density.mean() - of_drawn.mean()) < 4 * error
    np.testing.assert_allclose(toy.train.mean(axis=0), 0.6 * center / scale, atol=0.03 * center)


def test_only_the_mixture_has_a_known_law():
    assert [name for name, load in TOYS.items() if load().law is not None] == ["mixture"]


def test_the_circle_lies_in_a_plane():
    points = load_circle(num_train=2_000, dims=7, noise=0.0).train
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-5)
    spread = np.linalg.svd(points, compute_uv=False)
    assert spread[1] > 20
    assert spread[2] < 1e-4
    noisy = load_circle(num_train=2_000, dims=7, noise=0.05).train
    assert np.linalg.svd(noisy, compute_uv=False)[2:] == pytest.approx(0.05 * 2_000**0.5, rel=0.1)


@pytest.mark.parametrize("load", [load_moons, load_circle, load_mixture])
def test_too_many_points_are_refused(load):
    with pytest.raises(DataError, match=r"num_train = 1000000000000"):
        load(num_train=10**12)


@pytest.mark.parametrize("load", [load_circle, load_mixture])
def test_too_many_dimensions_are_refused(load):
    with pytest.raises(DataError, match=r"dims = 1000000000"):
        load(dims=10**9)
