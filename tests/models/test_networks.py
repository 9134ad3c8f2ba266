"""Tests of the contract of every registered network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks import NETWORKS, ddpm, mlp, ncsn, ncsnpp, ncsnv2
from gradlog.models.networks.layers import DTYPES
from tests.models.small import abstract_init, declares, make, random_variables
from tests.rounding import sums, terms_of

SHAPE = (4, 4, 2)


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def case(request):
    """Return a network, its variables, a batch, and its training evaluation of the batch."""
    network = make(
        request.param, **({"dropout": 0.5} if declares(request.param, "dropout") else {})
    )
    xs = jax.random.normal(jax.random.key(1), (3, *SHAPE))
    labels = jnp.array([0.5, 300.0, 900.0]) / (1000 if request.param == "vdm" else 1)
    variables = random_variables(network, SHAPE)
    if request.param == "vdm":  # of 64 channels: larger numbers amplify the rounding
        variables = jax.tree.map(lambda leaf: leaf / 4, variables)

    def train(variables, x, label, key):
        return network.apply(variables, x, label, train=True, rngs={"dropout": key})

    return network, variables, xs, labels, jax.jit(jax.vmap(train, (None, 0, 0, 0)))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_output_has_the_shape_and_dtype_of_the_input(name):
    output, _ = abstract_init(make(name), SHAPE)
    assert output.shape == SHAPE
    assert output.dtype == jnp.float32


# No network asks for the other examples: what `vmap` makes of a convolution and of attention.
@pytest.mark.parametrize("name", ["dit", "ncsnpp"])
def test_batch_equals_one_by_one(name):
    network, variables = make(name), random_variables(make(name), SHAPE)
    xs, labels = jax.random.normal(jax.random.key(1), (3, *SHAPE)), jnp.array([0.5, 300.0, 900.0])

    @jax.jit
    def one(x, label):
        return network.apply(variables, x, label, train=False)

    singly = jnp.stack([one(x, label) for x, label in zip(xs, labels, strict=True)])
    # A batch is summed in another order: as many terms as the network has on its way.
    atol = sums(terms_of(variables)) * np.abs(singly).max()
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(xs, labels), singly, rtol=0, atol=atol)


def test_output_depends_on_the_label_and_not_on_batch_mates(case):
    _, variables, xs, labels, train = case
    keys = jax.random.split(jax.random.key(0), 3)
    found = train(variables, xs, labels, keys)
    changed = train(variables, xs.at[1:].multiply(-3.0), labels.at[1:].add(50.0), keys)
    np.testing.assert_array_equal(found[0], changed[0])
    same = keys[jnp.zeros(3, int)]
    outputs = train(variables, xs[jnp.zeros(3, int)], labels, same)
    assert np.abs(outputs[1] - outputs[2]).max() > 1e-4


def test_dropout_is_only_active_in_training(case):
    network, variables, xs, labels, train = case
    if not hasattr(network, "dropout"):
        pytest.skip(f"{type(network).__name__} drops nothing")
    keys = jnp.stack([jax.random.key(seed) for seed in (0, 0, 1)])
    first, again, second = train(variables, xs[jnp.zeros(3, int)], labels[jnp.zeros(3, int)], keys)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).max() > 1e-3
    # An evaluation needs no key, so it drops nothing.
    jax.eval_shape(lambda v: network.apply(v, xs[0], labels[0], train=False), variables)


def test_hyperparameters_are_plain_and_hashable():
    allowed = (str, int, float, bool, tuple)
    for name in NETWORKS:
        network = make(name)
        assert hash(network) == hash(make(name))
        for field in dataclasses.fields(network):
            if field.name not in ("parent", "name"):
                assert isinstance(getattr(network, field.name), allowed), field.name


def test_shared_hyperparameters_have_one_type():
    types: dict[str, type] = {}
    for network_type in NETWORKS.values():
        for field in dataclasses.fields(network_type):
            if field.name not in ("parent", "name"):
                kind = type(field.default)
                assert types.setdefault(field.name, kind) is kind, field.name


MODULES = {"ddpm": ddpm, "mlp": mlp, "ncsn": ncsn, "ncsnpp": ncsnpp, "ncsnv2": ncsnv2}
CHOICES = [
    (name, field, choice)
    for name, module in MODULES.items()
    for field, choices in module.CHOICES.items()
    for choice in choices
] + [("vdm", "dtype", dtype) for dtype in DTYPES]


@pytest.mark.parametrize(("name", "field", "choice"), CHOICES)
def test_unknown_choice_raises_with_the_known_ones(name, field, choice):
    assert getattr(make(name, **{field: choice}), field) == choice
    with pytest.raises(ValueError, match=field) as refusal:
        make(name, **{field: "nonsense"})
    assert repr(choice) in str(refusal.value)
    assert "'nonsense'" in str(refusal.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_precision_follows_the_data_and_not_the_label(name, dtype):
    """Under x64 a float32 network must stay float32 for labels of every precision."""
    network = make(name)
    with jax.enable_x64(True):
        output, variables = jax.eval_shape(
            lambda x, label: network.init_with_output(jax.random.key(0), x, label, train=False),
            jax.ShapeDtypeStruct(SHAPE, jnp.dtype(dtype)),
            jax.ShapeDtypeStruct((), jnp.float64),
        )
    assert output.dtype == jnp.dtype(dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
