"""NCSNpp against arrays computed by the official score_sde modules (float32, CPU)."""

from functools import partial

import jax
import numpy as np
import pytest

from tests.models.official import GOLDEN, load_golden
from tests.models.small import abstract_init

# The official modules themselves reproduce these arrays to 8e-6 under a current JAX.
TOLERANCE = 2e-5


def relative_error(actual, expected) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("model_*.npz")), ids=lambda path: path.stem)
def test_output_and_vector_jacobian_product(path):
    network, params, golden = load_golden(path)

    @jax.jit
    def output_and_vjp(params, x, labels, cotangent):
        def batched(x):
            return jax.vmap(partial(network.apply, {"params": params}, train=False))(x, labels)

        output, vjp = jax.vjp(batched, x)
        return output, vjp(cotangent)[0]

    output, vjp_x = output_and_vjp(params, golden["x"], golden["time_cond"], golden["cotangent"])
    assert relative_error(output, golden["output"]) < TOLERANCE
    assert relative_error(vjp_x, golden["vjp_x"]) < TOLERANCE


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("model_*.npz")), ids=lambda path: path.stem)
def test_initialisation_makes_the_official_tree(path):
    network, params, golden = load_golden(path)
    _, drawn = abstract_init(network, golden["x"].shape[1:])
    shapes = jax.tree.map(lambda leaf: leaf.shape, drawn["params"])
    assert shapes == jax.tree.map(lambda leaf: leaf.shape, params)
