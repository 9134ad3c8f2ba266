"""Continuous data of few dimensions, drawn afresh from a seed: quick to learn, easy to look at.

`num_train` and `num_test` of 0 mean 20,000 and 2,000. `scale` divides every coordinate: training
on data far from unit variance is a different problem, and a density of data divided by `scale` is
`scale**2` times larger.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from gradlog.data.dataset import DataError, Dataset, from_arrays
from gradlog.data.memory import check_fits

if TYPE_CHECKING:
    from gradlog.distributions import GaussianMixture

# Song & Ermon 2019, "Generative Modeling by Estimating Gradients of the Data Distribution",
# section 3.2.1: 1/5 N((-5, -5), I) + 4/5 N((5, 5), I).
MIXTURE_WEIGHTS = (0.2, 0.8)
MIXTURE_STD = 1.0

NUM_TRAIN = 20_000
NUM_TEST = 2_000
_BYTES = 8 + 8 + 4  # of each coordinate: its mean, its noise, and what is kept

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
    """Two Gaussians of unit std and of weights 1/5 and 4/5, its law known.

    The means are -`center` and `center` in each of `dims` coordinates; all is divided by `scale`.

    Raises:
      DataError: a negative count or seed, a scale that is not positive, or no dimension.
    """
    _check_size(num_train, num_test, dims)
    means = _mixture_means(dims, center)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        component = (rng.random(n) >= MIXTURE_WEIGHTS[0]).astype(int)
        return means[component] + MIXTURE_STD * rng.standard_normal((n, dims))

    toy = _toy("mixture", draw, num_train, num_test, seed, scale)
    return replace(toy, law=_mixture_law(means / scale, MIXTURE_STD / scale))


def load_circle(
    *,
    num_train: int = 0,
    num_test: int = 0,
    seed: int = 0,
    scale: float = 1.0,
    noise: float = 0.1,
    dims: int = 2,
) -> Dataset:
    """A circle of radius 1 in a random plane of `dims` dimensions, with noise of std `noise`.

    Without noise it is data on a manifold: it has no density, and so no score.

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

    return _toy("circle", draw, num_train, num_test, seed, scale)


def load_moons(
    *,
    num_train: int = 0,
    num_test: int = 0,
    seed: int = 0,
    scale: float = 1.0,
    noise: float = 0.1,
) -> Dataset:
    """Two interleaved half circles of radius 1, with Gaussian noise of std `noise`.

    Raises:
      DataError: a negative count, seed or noise, or a scale that is not positive.
    """
    _check_noise(noise)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return _draw_moons(rng, n) + noise * rng.standard_normal((n, 2))

    return _toy("moons", draw, num_train, num_test, seed, scale)


def load_checkerboard(
    *, num_train: int = 0, num_test: int = 0, seed: int = 0, scale: float = 1.0
) -> Dataset:
    """Uniform on the eight dark squares of a 4 x 4 board over [-4, 4]^2: density 1/32 there.

    Raises:
      DataError: a negative count or seed, or a scale that is not positive.
    """
    return _toy("checkerboard", _draw_checkerboard, num_train, num_test, seed, scale)


def _toy(name: str, draw: Draw, num_train: int, num_test: int, seed: int, scale: float) -> Dataset:
    if not 0 < scale < np.inf:
        raise DataError(f"config.data.scale = {scale} must be positive and finite")
    if min(num_train, num_test, seed) < 0:
        raise DataError(
            f"config.data.num_train = {num_train}, num_test = {num_test} and seed = {seed} "
            "must not be negative"
        )
    _check_size(num_train, num_test, 2)
    counts = (num_train or NUM_TRAIN, num_test or NUM_TEST)
    # One stream per split, so that more training points leave the test set as it is.
    train, test = (
        (draw(_generator(seed, split), n) / scale).astype(np.float32)
        for split, n in enumerate(counts)
    )
    return from_arrays(name, train, test, levels=None)


def _check_size(num_train: int, num_test: int, dims: int) -> None:
    """Raises DataError for more points than this machine could hold."""
    points = (num_train or NUM_TRAIN) + (num_test or NUM_TEST)
    keys = f"config.data.num_train = {num_train}, num_test = {num_test} and dims = {dims}"
    check_fits(points * dims * _BYTES, keys)


def _check_noise(noise: float) -> None:
    if noise < 0:
        raise DataError(f"config.data.noise = {noise} is a std and cannot be negative")


def _generator(seed: int, split: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(split,))))


def _mixture_means(dims: int, center: float) -> Float[np.ndarray, "2 d"]:
    if dims < 1 or not np.isfinite(center):
        raise DataError(
            f"config.data.dims = {dims} must be at least 1, config.data.center = {center} finite"
        )
    return np.outer([-center, center], np.ones(dims))


def _mixture_law(means: Float[np.ndarray, "2 d"], std: float) -> "GaussianMixture":
    import jax.numpy as jnp

    from gradlog.distributions import GaussianMixture

    weights = jnp.asarray(MIXTURE_WEIGHTS)
    return GaussianMixture(weights, jnp.asarray(means, weights.dtype), jnp.full(2, std))


def _draw_moons(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 2"]:
    angle = np.pi * rng.random(n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    return np.where(rng.random((n, 1)) < 0.5, upper, lower)


def _draw_checkerboard(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 2"]:
    square = rng.integers(0, 8, n)
    row, half = np.divmod(square, 2)
    column = 2 * half + row % 2
    return 2.0 * (np.stack([column, row], axis=1) + rng.random((n, 2))) - 4.0
