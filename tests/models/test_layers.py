"""Tests of resampling filters against their definitions, and of the initializer's distribution."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models.networks.embeddings import positional_embedding
from gradlog.models.networks.layers import GroupNorm, default_init
from gradlog.models.networks.up_or_down import (
    fir_downsample,
    fir_downsample_conv,
    fir_upsample,
    fir_upsample_conv,
    mean_downsample,
    repeat_upsample,
)

KERNELS = [(1, 3, 3, 1), (1, 2, 3, 4), (1, 2, 1), (1, 5, 2, 3, 1, 4)]
X = jax.random.normal(jax.random.key(0), (2, 6, 4, 3))


def test_box_filter_is_repetition_and_mean():

    @jax.jit
    def pairs(x):
        up, down = fir_upsample(x, (1, 1)), fir_downsample(x, (1, 1))
        return (up, repeat_upsample(x)), (down, mean_downsample(x))

    for found, expected in pairs(X):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_upsampled_impulse_is_the_kernel(kernel):
    """The impulse response of a filter is its kernel, in order, with gain 2 per axis."""
    impulse = np.zeros((1, 8, 8, 1), np.float32)
    impulse[0, 4, 4, 0] = 1
    response = jax.jit(lambda x: fir_upsample(x, kernel))(impulse)[0, :, :, 0]
    start = 2 * 4 - (len(kernel) - 2) // 2
    taps = 2 * np.array(kernel) / sum(kernel)
    expected = np.zeros((16, 16))
    window = slice(start, start + len(kernel))
    expected[window, window] = np.outer(taps, taps)
    np.testing.assert_allclose(response, expected, atol=1e-6)


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if len(kernel) % 2 == 0])
def test_downsampling_is_the_adjoint_of_upsampling_by_the_mirrored_kernel(kernel):
    x, y = X, jax.random.normal(jax.random.key(1), (2, 3, 2, 3))
    mirrored = kernel[::-1]

    @jax.jit
    def both(x, y):
        down = jnp.vdot(y, fir_downsample(x, kernel))
        return down, jnp.vdot(fir_upsample(y, mirrored), x) / 4

    np.testing.assert_allclose(*both(x, y), rtol=1e-4, atol=1e-5)


def test_filtered_convolutions_with_a_unit_kernel_equal_the_filters():
    w = jnp.eye(3)[None, None]
    kernel = (1, 3, 3, 1)

    @jax.jit
    def pairs(x):
        up, down = fir_upsample_conv(x, w, kernel), fir_downsample_conv(x, w, kernel)
        return (up, fir_upsample(x, kernel)), (down, fir_downsample(x, kernel))

    for found, expected in pairs(X):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("channels", [4, 24, 160])
def test_group_norm_equals_flax_group_norm(channels):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, channels)) + np.sin(np.arange(channels))
    scale, bias = np.linspace(-1, 2, channels), np.linspace(0, 1, channels)
    variables = {"params": {"scale": np.float32(scale), "bias": np.float32(bias)}}

    @jax.jit
    def both(x):
        flax = nn.GroupNorm(min(channels // 4, 32))
        return [norm.apply(variables, x) for norm in (GroupNorm(), flax)]

    np.testing.assert_allclose(*both(np.float32(x)), atol=1e-4)


def test_group_norm_does_not_cancel():
    """With a large mean the error is relative to x, not to x squared."""
    noise = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype(np.float32)
    x = 4096 + noise  # exact to 2^-12
    variables = {"params": {"scale": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)}}
    normed = jax.jit(GroupNorm().apply)(variables, x)
    np.testing.assert_allclose(normed.std(), 1.0, atol=1e-3)
    np.testing.assert_allclose(normed, (noise - noise.mean()) / noise.std(), atol=2e-3)


def test_group_norm_of_unequal_groups_raises():
    with pytest.raises(ValueError, match="34 channels"):
        GroupNorm().init(jax.random.key(0), jnp.zeros((1, 2, 2, 34)))


@pytest.mark.parametrize(("shape", "scale"), [((3, 3, 20, 50), 0.1), ((90, 70), 1.0)])
def test_initializer_agrees_with_variance_scaling(shape, scale):
    @jax.jit
    def draw(first, second):
        jaxs = jax.nn.initializers.variance_scaling(scale, "fan_avg", "uniform")
        return default_init(scale)(first, shape), jaxs(second, shape)

    ours, theirs = map(np.asarray, draw(jax.random.key(0), jax.random.key(1)))
    assert ours.shape == shape
    assert np.abs(ours).max() / np.abs(theirs).max() == pytest.approx(1.0, abs=0.01)
    assert ours.std() / theirs.std() == pytest.approx(1.0, abs=0.03)
    assert abs(ours.mean()) < 0.05 * ours.std()


def test_scale_zero_is_tiny_but_not_zero():
    drawn = default_init(0.0)(jax.random.key(0), (16, 16))
    assert 0.0 < float(jnp.abs(drawn).max()) < 1e-4


@pytest.mark.parametrize("size", [8, 9])
def test_positional_embedding(size):
    """Frequencies 1 down to 1/10000, sines first; an odd size is padded by a zero."""
    embedding = positional_embedding(jnp.float32(0.5), size)
    frequencies = 10_000.0 ** -(np.arange(4) / 3)
    expected = np.concatenate([np.sin(0.5 * frequencies), np.cos(0.5 * frequencies)])
    assert embedding.shape == (size,)
    np.testing.assert_allclose(embedding[:8], expected, atol=1e-6)
    assert not embedding[8:].any()
