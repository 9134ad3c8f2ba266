"""A network that sees a noise level for each dimension sees where each of them is."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import MLP, MapNetwork


def test_the_whole_map_is_seen_and_not_its_mean():
    network = MapNetwork(MLP(hidden=8, init_scale=1.0))
    x, label = jnp.array([0.3, -0.7]), jnp.array([1.0, -2.0])

    @jax.jit
    def both():
        params = network.init(jax.random.key(0), x, label, train=False)
        return [network.apply(params, x, map_, train=False) for map_ in (label, label[::-1])]

    there, swapped = both()
    assert there.shape == x.shape
    assert np.abs(there - swapped).max() > 1e-3


def test_a_network_with_another_output_shape_is_refused():
    """The channels of x are cut out of the output, which needs the channels of the labels too."""
    network = MapNetwork(WithLogits())
    with pytest.raises(ValueError, match=r"\(4,\).*\(4, 3\)"):
        network.init(jax.random.key(0), jnp.zeros(2), jnp.zeros(2), train=False)


class WithLogits(nn.Module):
    @nn.compact
    def __call__(self, x, label, condition=None, *, train):
        return jnp.stack(3 * [x], axis=-1)
