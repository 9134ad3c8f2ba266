"""Continuous data of few dimensions, drawn from a seed: quick to learn, and easy to look at.

`num_train` and `num_test` of 0 mean 20,000 and 2,000. `scale` divides every coordinate: training
on data far from unit variance is a different problem. Dividing by `scale` multiplies a density in
two dimensions by `scale**2`.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gradlog.data.array_files import check_fits
from gradlog.data.dataset import DataError, Dataset, from_arrays

# Song & Ermon 2019, "Generative Modeling by Estimating Gradients of the Data Distribution",
# section 3.2.1: 1/5 N((-5, -5), I) + 4/5 N((5, 5), I).
MIXTURE_WEIGHTS = (0.2, 0.8)
MIXTURE_STD = 1.0

NUM_TRAIN = 20_000
NUM_TEST = 2_000
_BYTES = 8 + 8 + 4  # for each coordinate: its mean, its noise, and the float32 result

Draw = Callable[[np.random.Generator, int], Float[np.ndarray, "n d"]]


def load_mixture(
    *,
    num_train: int = 0,
    num_test: int = 0,
    seed: int = 0,
    scale: float = 1.0,
    dims: int = 2,
    center: float = 5.0,
) -> Dataset:
    """Draw from two Gaussians of unit std with weights 1/5 and 4/5. The law is known.

    The means are -`center` and `center` in each of `dims` coordinates. `scale` divides everything.

    Raises:
      DataError: a negative count or seed, a scale that is not positive, or no dimension.
    """
    if dims < 1 or not np.isfinite(center):
        raise DataError(
            f"config.data.dims = {dims} must be at least 1, and config.data.center = {center} must "
            "be finite"
        )
    _check_size(num_train, num_test, dims)
    means = np.outer([-center, center], np.ones(dims))

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        component = (rng.random(n) >= MIXTURE_WEIGHTS[0]).astype(int)
        return means[component] + MIXTURE_STD * rng.standard_normal((n, dims))

    toy = _draw_sets("mixture", draw, num_train, num_test, seed, scale)
    import jax.numpy as jnp  # not above: `--help` must not wait for JAX

    from gradlog.distributions import GaussianMixture

    weights = jnp.asarray(MIXTURE_WEIGHTS)
    stds = jnp.full(2, MIXTURE_STD / scale)
    law = GaussianMixture(weights, jnp.asarray(means / scale, weights.dtype), stds)
    return replace(toy, law=law)


def load_circle(
    *,
    num_train: int = 0,
    num_test: int = 0,
    seed: int = 0,
    scale: float = 1.0,
    noise: float = 0.1,
    dims: int = 2,
) -> Dataset:
    """Draw from a circle of radius 1 in a random plane of `dims` dimensions.

    Gaussian noise of std `noise` is added. Without noise the data lie on a manifold, and have no
    density and so no score.

    Raises:
      DataError: a negative count, seed or noise, a scale that is not positive, fewer than two
        dimensions.
    """
    _check_noise(noise)
    if dims < 2:
        raise DataError(f"config.data.dims = {dims}: a circle needs at least 2")
    _check_size(num_train, num_test, dims)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        plane = np.linalg.qr(_generator(seed, 2).standard_normal((dims, 2)))[0]
        angle = 2 * np.pi * rng.random(n)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane.T
        return circle + noise * rng.standard_normal((n, dims))

    return _draw_sets("circle", draw, num_train, num_test, seed, scale)


def load_moons(
    *,
    num_train: int = 0,
    num_test: int = 0,
    seed: int = 0,
    scale: float = 1.0,
    noise: float = 0.1,
) -> Dataset:
    """Draw from two interleaved half circles of radius 1, with Gaussian noise of std `noise`.

    Raises:
      DataError: a negative count, seed or noise, or a scale that is not positive.
    """
    _check_noise(noise)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        angle = np.pi * rng.random(n)
        upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
        points = np.where(rng.random((n, 1)) < 0.5, upper, lower)
        return points + noise * rng.standard_normal((n, 2))

    return _draw_sets("moons", draw, num_train, num_test, seed, scale)


def load_checkerboard(
    *, num_train: int = 0, num_test: int = 0, seed: int = 0, scale: float = 1.0
) -> Dataset:
    """Draw uniformly from the eight dark squares of a 4 x 4 board over [-4, 4]^2: density 1/32.

    Raises:
      DataError: a negative count or seed, or a scale that is not positive.
    """

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        row, half = np.divmod(rng.integers(0, 8, n), 2)
        column = 2 * half + row % 2
        return 2.0 * (np.stack([column, row], axis=1) + rng.random((n, 2))) - 4.0

    return _draw_sets("checkerboard", draw, num_train, num_test, seed, scale)


def _draw_sets(
    name: str, draw: Draw, num_train: int, num_test: int, seed: int, scale: float
) -> Dataset:
    if not 0 < scale < np.inf:
        raise DataError(f"config.data.scale = {scale} must be positive and finite")
    if min(num_train, num_test, seed) < 0:
        raise DataError(
            f"config.data.num_train = {num_train}, num_test = {num_test} and seed = {seed} "
            "must not be negative"
        )
    _check_size(num_train, num_test, 2)
    # One stream for each set, so that more training points do not change the test set.
    train, test = (
        (draw(_generator(seed, split), n) / scale).astype(np.float32)
        for split, n in enumerate((num_train or NUM_TRAIN, num_test or NUM_TEST))
    )
    return from_arrays(name, train, test, levels=None)


def _check_size(num_train: int, num_test: int, dims: int) -> None:
    """Raise a DataError if the memory of this machine could not hold the points."""
    points = (num_train or NUM_TRAIN) + (num_test or NUM_TEST)
    keys = f"config.data.num_train = {num_train}, num_test = {num_test} and dims = {dims}"
    check_fits(points * dims * _BYTES, keys)


def _check_noise(noise: float) -> None:
    if noise < 0:
        raise DataError(f"config.data.noise = {noise} is a std and cannot be negative")


def _generator(seed: int, stream: int) -> np.random.Generator:
    seeds = np.random.SeedSequence(seed, spawn_key=(stream,))
    return np.random.Generator(np.random.Philox(seeds))
