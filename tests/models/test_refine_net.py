"""Tests of both NCSNs: their blocks against their definitions; NCSNv2's backbones and sigma."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from gradlog.models.networks.ncsnv2 import BACKBONES
from gradlog.models.networks.refine_blocks import (
    INTERPOLATIONS,
    CRPBlock,
    InstanceNorm2dPlus,
    MSFBlock,
    RCUBlock,
    RefineStyle,
)
from tests.models.small import abstract_init, make, random_variables

X = np.random.default_rng(0).normal(size=(1, 4, 6, 5)).astype(np.float32)


def test_instance_norm_plus_equals_its_definition():
    """Song & Ermon 2019, appendix A: in float64, channel by channel."""
    alpha, gamma, beta = np.random.default_rng(1).normal(size=(3, 1, 1, 1, 5))
    means = X.mean(axis=(0, 1, 2), dtype=float)
    want = np.empty(X.shape)
    for c, mean in enumerate(means):
        normed = (X[..., c] - mean) / np.sqrt(X[..., c].var(dtype=float) + 1e-5)
        relative = (mean - means.mean()) / np.sqrt(means.var() + 1e-5)
        want[..., c] = gamma[..., c] * (normed + alpha[..., c] * relative) + beta[..., c]
    params = {"alpha": jnp.array(alpha), "gamma": jnp.array(gamma), "beta": jnp.array(beta)}
    found = jax.jit(InstanceNorm2dPlus().apply)({"params": params}, X)
    np.testing.assert_allclose(found, want, atol=2e-6)


def test_instance_norm_plus_shows_a_shift_of_one_channel():
    """Instance normalization alone removes it; here only a shift of all channels has no effect."""
    norm = InstanceNorm2dPlus()
    apply = jax.jit(lambda x: norm.apply(norm.init(jax.random.key(0), X), x))
    base, all_shifted, one_shifted = (
        np.asarray(apply(X + shift)) for shift in (0.0, 3.0, np.float32([3, 0, 0, 0, 0]))
    )
    np.testing.assert_allclose(all_shifted, base, atol=1e-5)
    assert np.abs(one_shifted - base).max() > 0.5


def test_residual_units_with_a_unit_kernel_double_their_input():
    """With convolutions that copy and a linear activation (x > 0), a unit adds its input."""
    identity = jnp.zeros((3, 3, 5, 5)).at[1, 1].set(jnp.eye(5))
    params = {f"Conv_{i}": {"kernel": identity} for i in range(6)}
    x = np.abs(X)
    found = jax.jit(RCUBlock(3, RefineStyle("relu")).apply)({"params": params}, x)
    np.testing.assert_allclose(found, 8 * x, rtol=1e-6)


def test_chained_pooling_adds_maxima_of_neighbors():
    """The maxima of 5x5 neighbors, then of those again: 9x9. The kernels copy."""
    identity = jnp.zeros((3, 3, 5, 5)).at[1, 1].set(jnp.eye(5))
    params = {f"Conv_{i}": {"kernel": identity} for i in range(2)}
    x = np.abs(X)
    near, far = (maximum_filter(x, (1, n, n, 1), mode="nearest") for n in (5, 9))
    found = jax.jit(CRPBlock(RefineStyle("relu")).apply)({"params": params}, x)
    np.testing.assert_allclose(found, x + near + far, rtol=1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest_neighbor"])
def test_fusion_adds_at_the_resolution_of_the_first_input(interpolation):
    """A ramp of half the resolution stays a ramp; nearest neighbors give one with steps."""
    identity = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    conv = {"kernel": identity, "bias": jnp.zeros(1)}
    ramp = jnp.broadcast_to(jnp.arange(4.0)[None, :, None, None], (1, 4, 4, 1))
    large = jnp.zeros((1, 8, 8, 1))
    block = MSFBlock((8, 8), 1, RefineStyle("relu", resize=INTERPOLATIONS[interpolation]))
    found = jax.jit(block.apply)({"params": {"Conv_0": conv, "Conv_1": conv}}, large, ramp)
    steps = np.repeat(np.arange(4.0), 2)
    want = steps + 0.5 * (np.arange(8) % 2 - 0.5) if interpolation == "bilinear" else steps
    want = np.clip(want, 0, 3)  # beyond the outermost pixels' centers there is nothing to add
    np.testing.assert_allclose(found[0, :, 0, 0], want, atol=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_accepts_images_that_it_can_halve(backbone):
    network = make("ncsnv2", backbone=backbone)
    halvings = {64: 1, 128: 2, 256: 3}[backbone]
    size = 2**halvings
    output, variables = abstract_init(network, (size, 2 * size, 3))
    assert output.shape == (size, 2 * size, 3)
    blocks = [name for name in variables["params"] if name.startswith("RefineBlock")]
    assert len(blocks) == {64: 4, 128: 5, 256: 6}[backbone]
    with pytest.raises(ValueError, match=f"divisible by {size}"):
        abstract_init(network, (size, size + size // 2, 3))


def test_ncsn_has_as_many_parameters_as_the_official_network():
    """Of CIFAR-10, counted by tests/golden/make_ncsn.py."""
    _, variables = abstract_init(make("ncsn", nf=128, num_scales=10), (32, 32, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 30_117_635


def test_unknown_backbone_raises_with_the_choices():
    with pytest.raises(ValueError, match=r"backbone = 32 must be one of \[64, 128, 256\]"):
        make("ncsnv2", backbone=32)


def test_label_only_selects_the_dividing_sigma():
    ladder = {"sigma_min": 0.1, "sigma_max": 20.0, "num_scales": 7}
    x = jnp.asarray(X[0])
    variables = random_variables(make("ncsnv2"), x.shape)
    networks = [make("ncsnv2", scale_by_sigma=scale, **ladder) for scale in (False, True)]

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def outputs(variables, label):
        return [n.apply(variables, x, label, train=False) for n in networks]

    plain, scaled = outputs(variables, jnp.arange(7.0))
    np.testing.assert_array_equal(plain, np.broadcast_to(plain[:1], plain.shape))
    sigmas = np.geomspace(20.0, 0.1, 7)[:, None, None, None]
    np.testing.assert_allclose(scaled, plain / sigmas, rtol=1e-4)
