"""Tests of networks in bfloat16, and of networks that recompute activations."""

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import NOISE_LABELS, DiffusionModel, Noise
from gradlog.models.networks import NETWORKS
from gradlog.models.networks.layers import GroupNorm
from gradlog.models.networks.refine_blocks import InstanceNorm2dPlus
from gradlog.sde_lib import VP
from tests.models.small import abstract_init, declares, make, random_variables
from tests.rounding import sums

SHAPE, LABEL = (4, 4, 2), jnp.float32(3.0)
X = jnp.linspace(-1, 1, 32).reshape(SHAPE)
IMAGES = [name for name in sorted(NETWORKS) if declares(name, "dtype", "remat")]
REMAT = ("checkpoint", "remat2", "remat")  # its name in versions of JAX
OPTIONS = {"ncsnpp": {"fir": True, "progressive_input": "residual", "num_classes": 2}}


def network_of(name, **overrides):
    return make(name, **OPTIONS.get(name, {}), **overrides)


def equations(jaxpr) -> Iterator:
    """Yield all equations of a program and of its subprograms."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(tuple(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(value):
                yield from equations(getattr(value, "jaxpr", value))


def _is_jaxpr(value) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def program(network, **kwargs):
    """Return the program of an evaluation, with abstract parameters."""
    _, variables = abstract_init(network, SHAPE)
    return jax.make_jaxpr(lambda v, x: network.apply(v, x, LABEL, train=False, **kwargs))(
        variables, X
    ).jaxpr


def test_every_image_network_has_bfloat16_and_remat():
    assert IMAGES == ["ddpm", "dit", "ncsn", "ncsnpp", "ncsnv2", "vdm"]


@pytest.mark.parametrize("name", IMAGES)
def test_convolutions_and_attention_are_in_bfloat16_parameters_float32_and_blocks_again(name):
    """Both options at once: the types of all operands, and the blocks that are recomputed."""
    network = network_of(name, dtype="bfloat16", remat=True)
    output, variables = abstract_init(network, SHAPE)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert output.dtype == jnp.float32
    plain = abstract_init(network_of(name), SHAPE)[1]
    assert jax.tree.structure(plain) == jax.tree.structure(variables)
    found = {"conv_general_dilated": [], "dot_general": [], **{key: [] for key in REMAT}}
    for equation in equations(program(network)):
        if equation.primitive.name in found:
            operands = {v.aval.dtype for v in equation.invars}
            found[equation.primitive.name].append((operands, equation.invars[0].aval.ndim))
    assert all(types == {jnp.dtype("bfloat16")} for types, _ in found["conv_general_dilated"])
    # Vectors are the embedding's, which is embedded in float32.
    matrices = [types for types, ndim in found["dot_general"] if ndim > 1]
    assert all(types == {jnp.dtype("bfloat16")} for types in matrices)
    assert name == "dit" or len(found["conv_general_dilated"]) > 4
    assert matrices
    assert sum(len(found[key]) for key in REMAT) >= (2 if name == "dit" else 4)  # blocks


# The layers are common to all: one network of attention, and one of convolutions.
@pytest.mark.parametrize("name", ["dit", "ncsnv2"])
def test_bfloat16_output_agrees_to_its_precision(name):
    variables = random_variables(network_of(name), SHAPE)
    networks = [network_of(name, dtype=dtype) for dtype in ("float32", "bfloat16")]
    exact, rounded = (
        jax.jit(lambda v, n=n: n.apply(v, X, LABEL, train=False))(variables) for n in networks
    )
    error = np.abs(exact - rounded).max() / np.abs(exact).max()
    assert 1e-4 < error < 5e-2  # eight bits, through some twenty layers


@pytest.mark.parametrize("norm", [GroupNorm(), InstanceNorm2dPlus()])
def test_statistics_are_in_float32(norm):
    """For a mean of 256, bfloat16 has no digits after the point."""
    x = (256 + jax.random.normal(jax.random.key(0), (1, 32, 32, 4)) * 8).astype(jnp.bfloat16)
    variables = norm.init(jax.random.key(1), x)
    normed = jax.jit(norm.apply)(variables, x)
    assert normed.dtype == jnp.bfloat16
    exact = jax.jit(norm.apply)(variables, x.astype(jnp.float32))
    # One rounding to bfloat16, and those of the mean of 32 x 32 x 4 numbers of size 256, per 8.
    atol = sums(x.size) * 256 / 8
    np.testing.assert_allclose(normed.astype(jnp.float32), exact, rtol=2**-8, atol=atol)


# All recompute by ``layers.apply_block``, here a block with dropout.
def test_remat_does_not_change_gradients():
    plain, again = network_of("dit"), network_of("dit", remat=True)
    variables = random_variables(plain, SHAPE)

    def loss(variables, network):
        rngs = {"dropout": jax.random.key(2)}
        output = network.apply(variables, x, LABEL, train=True, rngs=rngs)
        return jnp.mean(jnp.square(output))

    with jax.enable_x64(True):  # the sums are in another order; gradients are rounded to float32
        x = jnp.asarray(X, float)
        slopes = [jax.jit(jax.grad(lambda v, n=n: loss(v, n))) for n in (plain, again)]
        traced = [slope.trace(variables) for slope in slopes]
        grads = [each.lower().compile()(variables) for each in traced]
    leaves = [jax.tree.leaves(tree) for tree in grads]
    largest = max(np.abs(leaf).max() for leaf in leaves[0])
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-7, atol=1e-12 * largest)
    counts = [
        sum(equation.primitive.name in REMAT for equation in equations(each.jaxpr.jaxpr))
        for each in traced
    ]
    assert counts[0] == 0
    assert counts[1] >= 2  # blocks


@pytest.mark.parametrize("name", ["dit", "ncsnpp"])
def test_remat_stores_less_for_the_backward_pass(name):
    """Only the inputs of the blocks, and the values between blocks, are stored."""
    networks = [network_of(name, remat=remat) for remat in (False, True)]
    plain, again = (abstract_init(network, (8, 8, 3))[1] for network in networks)

    def stored_numbers(network, variables):
        x = jax.ShapeDtypeStruct((8, 8, 3), jnp.float32)

        def way_back(variables, x):
            return jax.vjp(lambda v: network.apply(v, x, LABEL, train=False), variables)[1]

        residuals = jax.tree.leaves(jax.eval_shape(way_back, variables, x))
        sizes = {leaf.shape for leaf in jax.tree.leaves(variables)}
        return sum(leaf.size for leaf in residuals if leaf.shape not in sizes)

    assert stored_numbers(networks[1], again) < 0.6 * stored_numbers(networks[0], plain)


def test_remat_has_a_forward_derivative():
    plain, again = network_of("dit"), network_of("dit", remat=True)
    variables = random_variables(plain, SHAPE)

    @jax.jit
    def derivatives(variables):
        both = (lambda x, n=n: n.apply(variables, x, LABEL, train=False) for n in (plain, again))
        return [jax.jvp(f, (X,), (jnp.cos(7 * X),))[1] for f in both]

    a, b = derivatives(variables)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("name", ["mlp", *IMAGES])
def test_in_float32_gives_a_float32_network(name):
    exact = DiffusionModel(VP(), network_of(name), Noise(), NOISE_LABELS["time"]())
    assert exact.in_float32() is exact
    if name in IMAGES:
        rounded = replace(exact, network=network_of(name, dtype="bfloat16"))
        assert rounded.in_float32() == exact
