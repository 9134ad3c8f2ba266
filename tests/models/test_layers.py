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
    np.testing.assert_allclose(fir_upsample(X, (1, 1)), repeat_upsample(X), atol=1e-6)
    np.testing.assert_allclose(fir_downsample(X, (1, 1)), mean_downsample(X), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_upsampled_impulse_is_the_kernel(kernel):
    """The impulse response of a filter is its kernel, in order, with gain 2 per axis."""
    impulse = jnp.zeros((1, 8, 8, 1)).at[0, 4, 4, 0].set(1.0)
    response = fir_upsample(impulse, kernel)[0, :, :, 0]
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
    up = jnp.vdot(fir_upsample(y, mirrored), x) / 4
    np.testing.assert_allclose(jnp.vdot(y, fir_downsample(x, kernel)), up, rtol=1e-4, atol=1e-5)


def test_filtered_convolutions_with_a_unit_kernel_equal_the_filters():
    w = jnp.eye(3)[None, None]
    kernel = (1, 3, 3, 1)
    np.testing.assert_allclose(fir_upsample_conv(X, w, kernel), fir_upsample(X, kernel), atol=1e-6)
    np.testing.assert_allclose(
        fir_downsample_conv(X, w, kernel), fir_downsample(X, kernel), atol=1e-6
    )


@pytest.mark.parametrize("channels", [4, 24, 160])
def test_group_norm_equals_flax_group_norm(channels):
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, channels)) + jnp.sin(jnp.arange(channels))
    scale, bias = jnp.linspace(-1, 2, channels), jnp.linspace(0, 1, channels)
    variables = {"params": {"scale": scale, "bias": bias}}
    expected = nn.GroupNorm(min(channels // 4, 32)).apply(variables, x)
    np.testing.assert_allclose(GroupNorm().apply(variables, x), expected, atol=1e-4)  # pyright: ignore


def test_group_norm_does_not_cancel():
    """With a large mean the error is relative to x, not to x squared."""
    noise = jax.random.normal(jax.random.key(0), (1, 8, 8, 4))
    x = 4096.0 + noise  # exact to 2^-12
    normed = jnp.asarray(
        GroupNorm().apply({"params": {"scale": jnp.ones(4), "bias": jnp.zeros(4)}}, x)
    )
    np.testing.assert_allclose(normed.std(), 1.0, atol=1e-3)
    np.testing.assert_allclose(normed, (noise - noise.mean()) / noise.std(), atol=2e-3)


def test_group_norm_of_unequal_groups_raises():
    with pytest.raises(ValueError, match="34 channels"):
        GroupNorm().init(jax.random.key(0), jnp.zeros((1, 2, 2, 34)))


@pytest.mark.parametrize("shape", [(3, 3, 20, 50), (90, 70)])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_initializer_agrees_with_variance_scaling(shape, scale):
    ours = default_init(scale)(jax.random.key(0), shape)
    jaxs = jax.nn.initializers.variance_scaling(scale, "fan_avg", "uniform")
    theirs = jaxs(jax.random.key(1), shape)
    assert ours.shape == shape
    assert float(jnp.abs(ours).max() / jnp.abs(theirs).max()) == pytest.approx(1.0, abs=0.01)
    assert float(ours.std() / theirs.std()) == pytest.approx(1.0, abs=0.03)
    assert abs(float(ours.mean())) < 0.05 * float(ours.std())


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
