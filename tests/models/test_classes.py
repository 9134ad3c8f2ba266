"""Tests of class-conditional networks: one row of a table, added to the embedded noise label."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import NETWORKS
from tests.models.small import abstract_init, make, random_variables

SHAPE, CLASSES, WIDTH = (4, 4, 2), 3, {"mlp": 16, "ncsnpp": 32, "ddpm": 128, "vdm": 256}
X, LABEL = jnp.linspace(-1, 1, 32).reshape(SHAPE), jnp.float32(3.0)


@pytest.fixture(scope="module", params=sorted(WIDTH))
def case(request):
    """Return the name, variables, and the output as a function of table and class."""
    network = make(request.param, num_classes=CLASSES)
    params = random_variables(network, SHAPE)["params"]

    @jax.jit
    def run(table, condition):
        with_table = params | {"classes": {"embedding": table}}
        return network.apply({"params": with_table}, X, LABEL, condition, train=False)

    return request.param, params, run


def test_class_table_is_the_only_new_parameter_and_has_a_row_for_no_class(case):
    name, params, _ = case
    assert params["classes"]["embedding"].shape == (CLASSES + 1, WIDTH[name])
    without = random_variables(make(name), SHAPE)["params"]
    shapes = [jax.tree.map(jnp.shape, p) for p in (params, without)]
    assert shapes[0] == shapes[1] | {"classes": shapes[0]["classes"]}


def test_each_class_depends_on_its_own_row_alone(case):
    _, params, run = case
    table = params["classes"]["embedding"]
    outputs = [run(table, index) for index in range(CLASSES + 1)]
    for index, output in enumerate(outputs):
        others = np.arange(CLASSES + 1)[:, None] != index
        np.testing.assert_array_equal(run(jnp.where(others, jnp.nan, table), index), output)
    gaps = np.abs(np.stack(outputs)[:, None] - np.stack(outputs)).reshape(4, 4, -1).max(axis=-1)
    assert gaps[~np.eye(4, dtype=bool)].min() > 1e-3


def test_no_condition_selects_the_row_of_no_class(case):
    _, params, run = case
    table = params["classes"]["embedding"]
    np.testing.assert_allclose(run(table, None), run(table, CLASSES), rtol=1e-5, atol=1e-5)


def test_zero_table_gives_the_unconditional_network(case):
    name, params, run = case
    rest = {key: value for key, value in params.items() if key != "classes"}
    plain = jax.jit(lambda p: make(name).apply({"params": p}, X, LABEL, train=False))(rest)
    output = run(jnp.zeros_like(params["classes"]["embedding"]), 1)
    np.testing.assert_allclose(output, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_classes_can_be_mapped_like_images(case):
    """One program serves a batch of examples of different classes."""
    _, params, run = case
    table = params["classes"]["embedding"]
    batched = jax.jit(jax.vmap(run, in_axes=(None, 0)))(table, jnp.array([2, 0]))
    singly = jnp.stack([run(table, 2), run(table, 0)])
    np.testing.assert_allclose(batched, singly, rtol=1e-5, atol=1e-5 * np.abs(singly).max())


def test_network_without_noise_label_can_have_classes():
    for name in ("mlp", "ncsnpp", "ddpm"):
        network = make(name, num_classes=CLASSES, conditional=False)
        variables = random_variables(network, SHAPE)
        run = jax.jit(lambda v, c, n=network: n.apply(v, X, LABEL, c, train=False))
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
