"""Tests of probes on colors: which dimensions share a color, and the reduction of the variance."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.likelihood import Orthogonal, Probing
from gradlog.likelihood.divergences.coloring import random_partition, regular_partition

TILES = [
    ((8, 8, 1), 16, (4, 4)),
    ((8, 8, 1), 8, (4, 2)),
    ((16, 16, 3), 48, (4, 4)),
    ((16, 16, 3), 12, (2, 2)),
    ((16, 16, 3), 3, (1, 1)),
    ((6, 10, 2), 16, (4, 2)),
]


@pytest.mark.parametrize(("shape", "count", "tile"), TILES)
def test_colors_of_an_image_are_the_position_modulo_a_tile_and_the_channel(shape, count, tile):
    rows, columns, channels = np.indices(shape)
    place = (rows % tile[0]) * tile[1] * shape[2] + (columns % tile[1]) * shape[2] + channels
    colors = regular_partition(shape, count)
    # The same partition, whatever the names of the colors.
    pairs = set(zip(colors.ravel().tolist(), place.ravel().tolist(), strict=True))
    assert len(pairs) == len(set(colors.ravel().tolist())) == count


SHAPES = [(8, 8, 1), (16, 16, 3), (5, 7, 3), (1, 9, 2), (30,), (4, 6), (2, 2, 2, 3)]


@pytest.mark.parametrize(("shape", "count"), itertools.product(SHAPES, (1, 2, 5, 16, 24, 10**4)))
def test_every_color_has_a_dimension(shape, count):
    colors = regular_partition(shape, min(count, int(np.prod(shape))))
    assert colors.shape == shape
    assert set(colors.ravel().tolist()) == set(range(min(count, colors.size)))


@pytest.mark.parametrize(("shape", "count"), [((8, 8, 1), 16), ((16, 16, 3), 16), ((5, 7, 3), 14)])
def test_neighbors_and_channels_have_different_colors(shape, count):
    colors = regular_partition(shape, count)
    assert np.all(colors[1:] != colors[:-1])
    assert np.all(colors[:, 1:] != colors[:, :-1])
    for a, b in itertools.combinations(range(shape[2]), 2):
        assert not set(colors[..., a].ravel()) & set(colors[..., b].ravel())


def test_data_that_are_no_images_use_their_index_modulo_the_colors():
    np.testing.assert_array_equal(regular_partition((7,), 3), [0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(regular_partition((2, 3), 2), [[0, 1, 0], [1, 0, 1]])


def test_random_colors_have_equal_sizes_and_differ_by_key():
    keys = jax.random.split(jax.random.key(0), 50)
    classes = np.asarray(jax.vmap(lambda key: random_partition(key, (2, 7), 4))(keys))
    for one in classes:
        np.testing.assert_array_equal(np.bincount(one.ravel()), [4, 4, 3, 3])
    assert len({one.tobytes() for one in classes}) > 40


def dense(shape, seed=0):
    """A linear field with a dense matrix."""
    dims = int(np.prod(shape))
    matrix = np.random.default_rng(seed).normal(size=(dims, dims)).astype(np.float32)
    return lambda x: (matrix @ x.ravel()).reshape(shape), matrix


@pytest.mark.parametrize("member", [Probing, Orthogonal])
@pytest.mark.parametrize("shape", [(6,), (3, 2, 2)])
def test_one_color_per_dimension_is_exact(member, shape):
    field, matrix = dense(shape)
    divergence = member(probes=2, colors=100)
    _, draws = divergence(field, jnp.ones(shape), divergence.draw(jax.random.key(0), shape))
    np.testing.assert_allclose(draws, np.trace(matrix), rtol=1e-5)
    assert divergence.products(len(matrix)) == 2 * len(matrix)


def test_probing_has_no_error_for_local_correlations():
    """Entries between pixels less than four apart, and between channels, never share a color."""
    shape = (8, 8, 2)
    place = np.stack(np.indices(shape)).reshape(3, -1).T
    apart = np.abs(place[:, None] - place[None])
    _, matrix = dense(shape)
    local = np.where((apart[..., 0] < 4) & (apart[..., 1] < 4), matrix, 0)
    divergence = Probing(probes=3, colors=32)
    _, draws = divergence(
        lambda x: (local @ x.ravel()).reshape(shape),
        jnp.ones(shape),
        divergence.draw(jax.random.key(0), shape),
    )
    # 128 sums of float32 of entries of size one.
    np.testing.assert_allclose(draws, np.trace(local), rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [2, 4, 6])
def test_orthogonal_block_has_less_variance_than_independent_probes(count):
    dims, many = 12, 20_000
    field, matrix = dense((dims,))
    divergence = Orthogonal(probes=many, colors=count)
    run = jax.jit(lambda key: divergence(field, jnp.ones(dims), divergence.draw(key, (dims,)))[1])
    draws = np.asarray(run(jax.random.key(0)), np.float64)
    symmetric = (matrix + matrix.T).astype(np.float64) / 2
    independent = 2 * np.sum((symmetric - np.diag(np.diag(symmetric))) ** 2) / count
    deviation = draws - draws.mean()
    variance = np.mean(deviation**2)
    error = np.sqrt((np.mean(deviation**4) - variance**2) / many) / independent
    assert abs(variance / independent - (dims - count) / (dims - 1)) < 4 * error
    assert error < 0.02
