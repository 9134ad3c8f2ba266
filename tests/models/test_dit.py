"""The transformer: shapes, positions, what it attends to, and tokens in front of any network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import DiT, TokenNetwork
from gradlog.models.networks.dit import POSITIONS, _cut, _join, _rotate
from tests.models.small import random_variables

SMALL = {"hidden": 8, "num_layers": 1, "num_heads": 2, "embedding": 8}


def initialized(network, x, **options):
    """Return a network as a function of datum and label; no gate and no last layer is zero."""
    variables = random_variables(network, x.shape, x.dtype)
    return jax.jit(
        lambda x, label=0.0: network.apply(variables, x, jnp.asarray(label), train=False, **options)
    )


@pytest.mark.parametrize("shape", [(4, 6, 3), (5, 2), (5,)])
def test_every_position_sees_all_others_and_the_label(shape):
    x = jax.random.normal(jax.random.key(2), shape)
    f = initialized(DiT(**SMALL), x)
    moved = x + np.eye(x.size, dtype=np.float32).reshape(-1, *shape)
    labels = jnp.zeros(x.size + 2).at[-1].set(2.0)
    outputs = jax.jit(jax.vmap(f))(jnp.concatenate([moved, x[None], x[None]]), labels)
    assert outputs.shape == (x.size + 2, *shape)
    assert np.all(np.abs(outputs[:-2] - outputs[-2]) > 1e-7)  # every entry by every other
    assert not np.allclose(outputs[-2], outputs[-1])


def test_without_label_and_class_it_depends_on_the_datum_alone():
    x = jnp.ones((4, 2))
    f = initialized(DiT(**SMALL, conditional=False), x)
    assert np.array_equal(f(x, 0.0), f(x, 2.0))


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_order_of_a_sequence_matters(positions):
    x = jax.random.normal(jax.random.key(2), (5, 2))
    f = initialized(DiT(**SMALL, positions=positions), x)
    assert not np.allclose(f(x[::-1])[::-1], f(x), atol=1e-3)


def test_a_window_shows_a_position_its_neighbors_on_both_sides():
    x = jax.random.normal(jax.random.key(2), (6, 2))
    f = initialized(DiT(**SMALL | {"num_layers": 0}, window=3, positions="rotary"), x)
    slopes = jax.jit(jax.jacobian(f))(x)
    sees = np.abs(slopes).max(axis=(1, 3)) > 1e-7
    assert np.array_equal(sees, np.abs(np.subtract.outer(range(6), range(6))) <= 1)


def test_patches_are_put_back_where_they_were_cut():
    x = jnp.arange(4 * 6 * 3.0).reshape(4, 6, 3)
    patches = _cut(x, 2)
    assert patches.shape == (6, 12)
    assert np.array_equal(patches[1], x[:2, 2:4].ravel())
    assert np.array_equal(_join(patches, x.shape, 2), x)


def test_rotary_positions_are_relative():
    """A sequence of two equal halves has equal answers in both, up to the ends' distance."""
    query, key = jax.random.normal(jax.random.key(0), (2, 1, 1, 8))
    spread = lambda a: _rotate(jnp.broadcast_to(a, (6, 1, 8)))[:, 0]  # noqa: E731
    products = np.asarray(spread(query) @ spread(key).T)
    for distance in range(-4, 5):
        np.testing.assert_allclose(np.ptp(np.diagonal(products, distance)), 0, atol=1e-5)
    assert np.ptp(products) > 0.1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"num_heads": 3}, "num_heads"),
        ({"positions": "none"}, "positions"),
        ({"window": 2}, "window"),
        ({}, "patch_size"),
    ],
)
def test_what_does_not_fit_is_named(wrong, named):
    def init():
        network, x = DiT(**SMALL | wrong), jnp.zeros((3, 4, 1))
        network.init(jax.random.key(0), x, jnp.zeros(()), train=False)

    with pytest.raises(ValueError, match=named):
        init()


@pytest.mark.parametrize("shape", [(4, 4, 2), (6,)])
def test_logits_are_those_of_every_channel_and_of_the_mask(shape):
    levels, x = 5, jnp.zeros(shape, jnp.int32)
    f = initialized(TokenNetwork(DiT(**SMALL, conditional=False), levels, token_features=4), x)
    assert f(x).shape == (*shape, levels)
    first = (0,) * len(shape)
    for token in (1, levels):  # the last is the mask
        changed = np.abs(f(x.at[first].set(token)) - f(x)).max(axis=-1)
        assert np.all(changed > 1e-6)
