"""Tests of class-conditional networks: one row of a table, added to the embedded noise label."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import NETWORKS
from tests.models.small import abstract_init, make, random_variables

SHAPE, CLASSES, WIDTH = (4, 4, 2), 3, {"mlp": 16, "ncsnpp": 32, "ddpm": 128, "vdm": 256}
X, LABEL = jnp.linspace(-1, 1, 32).reshape(SHAPE), jnp.float32(3.0)


def applied(name):
    """Return the variables, and the output as a function of table and class."""
    network = make(name, num_classes=CLASSES)
    params = random_variables(network, SHAPE)["params"]

    def run(table, condition):
        with_table = params | {"classes": {"embedding": table}}
        return network.apply({"params": with_table}, X, LABEL, condition, train=False)

    return params, run


@pytest.mark.parametrize("name", sorted(WIDTH))
def test_class_table_is_the_only_new_parameter_and_has_a_row_for_no_class(name):
    params, without = (
        abstract_init(make(name, **classes), SHAPE)[1]["params"]
        for classes in ({"num_classes": CLASSES}, {})
    )
    assert params["classes"]["embedding"].shape == (CLASSES + 1, WIDTH[name])
    shapes = [jax.tree.map(jnp.shape, p) for p in (params, without)]
    assert shapes[0] == shapes[1] | {"classes": shapes[0]["classes"]}


@pytest.mark.parametrize("name", sorted(WIDTH))
def test_each_class_depends_on_its_own_row_alone(name):
    """One program serves a batch of examples of different classes."""
    params, run = applied(name)
    table, rows = params["classes"]["embedding"], jnp.arange(CLASSES + 1)
    alone = jnp.where(rows[:, None, None] != rows[:, None], jnp.nan, table)
    batched = jax.jit(jax.vmap(run))
    outputs = batched(jnp.broadcast_to(table, alone.shape), rows)
    np.testing.assert_array_equal(batched(alone, rows), outputs)
    gaps = np.abs(outputs[:, None] - outputs).reshape(4, 4, -1).max(axis=-1)
    assert gaps[~np.eye(4, dtype=bool)].min() > 1e-3


# The table is that of `embeddings.add_class`, which is common to all networks.
def test_no_condition_selects_the_row_of_no_class_and_zeros_give_the_unconditional_network():
    params, run = applied("mlp")
    table = params["classes"]["embedding"]
    rest = {key: value for key, value in params.items() if key != "classes"}

    @jax.jit
    def outputs(table):
        plain = make("mlp").apply({"params": rest}, X, LABEL, train=False)
        return run(table, None), run(table, CLASSES), run(jnp.zeros_like(table), 1), plain

    without, last, of_zeros, plain = outputs(table)
    np.testing.assert_allclose(without, last, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_zeros, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())
    assert np.abs(last - plain).max() > 1e-3


# A network of vectors, and one with the blocks of all U-Nets.
@pytest.mark.parametrize("name", ["mlp", "ncsnpp"])
def test_network_without_noise_label_can_have_classes(name):
    network = make(name, num_classes=CLASSES, conditional=False)
    variables = random_variables(network, SHAPE)
    run = jax.jit(lambda v, c: network.apply(v, X, LABEL, c, train=False))
    assert np.abs(run(variables, 0) - run(variables, 1)).max() > 1e-3


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_condition_of_an_unconditional_network_raises(name):
    network = make(name)
    _, variables = abstract_init(network, SHAPE)
    with pytest.raises(ValueError, match="condition"):
        jax.eval_shape(lambda v: network.apply(v, X, LABEL, 1, train=False), variables)


@pytest.mark.parametrize("name", ["ncsn", "ncsnv2"])
def test_refine_net_with_classes_raises(name):
    with pytest.raises(ValueError, match="num_classes = 3"):
        make(name, num_classes=3)
