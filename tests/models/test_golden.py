"""Tests of the networks against arrays of the official modules (CPU).

They are score_sde's in float32; that of NCSN is its authors' network of 2019 in float64.
"""

from functools import partial

import jax
import numpy as np
import pytest

from tests.models.official import GOLDEN, SHARED, load_golden
from tests.models.small import abstract_init

# The official modules themselves reproduce these arrays to 8e-6 under a current JAX.
TOLERANCE = 2e-5
NAMES = [
    "model_ddpm_vp_16x16x3_nf32",
    "model_ddpmpp_vp_16x16x3_nf32",
    "model_ddpmpp_vp_ddpmblock_16x16x3_nf16",
    "model_ncsn_8x8x3_nf4",
    "model_ncsnpp_ve_ddpmblock_fir_16x16x3_nf16",
    "model_ncsnpp_ve_residual_16x16x3_nf16",
    "model_ncsnpp_ve_skip_16x16x3_nf16",
    "model_ncsnv2_16x16x3_nf16",
]


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """Return the network, its parameters and all arrays of a golden file."""
    places = [folder / f"{request.param}.npz" for folder in (GOLDEN, SHARED)]
    found = [path for path in places if path.exists()]
    if not found:
        pytest.skip(f"{request.param}.npz is too large for the repository, and not in {SHARED}")
    return load_golden(found[0])


def relative_error(actual, expected) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def test_every_golden_file_is_listed():
    found = {path.stem for folder in (GOLDEN, SHARED) for path in folder.glob("model_*.npz")}
    assert found <= set(NAMES)


def test_output_and_vector_jacobian_product_equal_the_official_ones(case):
    network, params, golden = case
    labels = golden["labels"] if "labels" in golden else golden["time_cond"]

    @jax.jit
    def output_and_vjp(params, x, labels, cotangent):
        def batched(x):
            return jax.vmap(partial(network.apply, {"params": params}, train=False))(x, labels)

        output, vjp = jax.vjp(batched, x)
        return output, vjp(cotangent)[0]

    output, vjp_x = output_and_vjp(params, golden["x"], labels, golden["cotangent"])
    assert relative_error(output, golden["output"]) < TOLERANCE
    assert relative_error(vjp_x, golden["vjp_x"]) < TOLERANCE


def test_initialization_gives_the_official_tree(case):
    network, params, golden = case
    _, drawn = abstract_init(network, golden["x"].shape[1:])
    shapes = jax.tree.map(lambda leaf: leaf.shape, drawn["params"])
    assert shapes == jax.tree.map(lambda leaf: leaf.shape, params)
