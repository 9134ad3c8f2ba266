"""Tests of attention against its definition, in value and in both derivatives."""

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.models.networks.attention import attend

SHAPE = (2, 3, 4, 8)


def defined(query, key, value):
    """Return softmax over the pixels of q.k / sqrt(c), times v (Ho et al. 2020)."""
    weights = jnp.einsum("bhwc,bHWc->bhwHW", query, key) / np.sqrt(query.shape[-1])
    flat = jax.nn.softmax(weights.reshape(*weights.shape[:3], -1), axis=-1)
    return jnp.einsum("bhwHW,bHWc->bhwc", flat.reshape(weights.shape), value)


def draw(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    return tuple(2 * jax.random.normal(key, SHAPE) for key in keys)


def test_value_and_derivatives_equal_those_of_the_definition():
    inputs, tangents, cotangent = draw(0), draw(1), draw(2)[0]
    found, want = (
        jax.jit(lambda f=f: (*jax.jvp(f, inputs, tangents), *jax.vjp(f, *inputs)[1](cotangent)))()
        for f in (attend, defined)
    )
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)


def test_equal_keys_average_the_values():
    query, key, value = draw(3)
    found = attend(query, jnp.ones_like(key), value)
    mean = value.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, jnp.broadcast_to(mean, SHAPE), atol=1e-5)


def test_attention_does_not_depend_on_the_order_of_the_pixels():
    query, key, value = draw(4)
    turned = [jnp.flip(a, axis=(1, 2)) for a in (key, value)]
    np.testing.assert_allclose(attend(query, *turned), attend(query, key, value), atol=1e-5)


def test_softmax_of_bfloat16_is_in_float32():
    query, key, value = (a.astype(jnp.bfloat16) for a in draw(5))
    found = attend(query, key, value)
    assert found.dtype == jnp.bfloat16
    want = defined(*(a.astype(jnp.float32) for a in (query, key, value)))
    np.testing.assert_allclose(found.astype(jnp.float32), want, rtol=0.03, atol=0.03)
