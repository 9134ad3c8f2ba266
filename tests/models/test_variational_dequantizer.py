"""Tests of variational dequantization: its density, and the bound that training tightens."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from scipy import stats

from gradlog.models import Uniform, Variational

SHAPES = [(2,), (2, 3, 2)]
LEVELS = 5


def perturbed(shape, scale=0.4):
    """Return a dequantizer whose parameters are random, so that its flow bends in every layer."""
    dequantizer = Variational(
        LEVELS, dequantizer_features=4, dequantizer_layers=2, dequantizer_bins=3
    )
    spec = jax.eval_shape(lambda key: dequantizer.init(key, shape), jax.random.key(0))
    numbers = np.random.default_rng(0)
    make = lambda leaf: scale * numbers.normal(size=leaf.shape).astype(np.float32)  # noqa: E731
    return dequantizer, jax.tree.map(make, spec)


def push(dequantizer, params, v, context):
    """Return ``u(v)`` and ``log |du/dv|``."""
    return dequantizer.flow.apply({"params": params}, v, context)


@pytest.mark.parametrize("shape", SHAPES)
def test_log_determinant_is_that_of_the_jacobian_and_the_cube_is_the_support(shape):
    dequantizer, params = perturbed(shape)
    v, size = np.random.default_rng(1).uniform(size=(4, *shape)), math.prod(shape)
    v[1], v[2] = 0, 1
    one = lambda v: push(dequantizer, params, v, jnp.zeros(shape))  # noqa: E731
    with jax.enable_x64(True):
        (u, log_det), (jacobian, _) = jax.jit(
            lambda v: (jax.lax.map(one, v), jax.lax.map(jax.jacfwd(one), v))
        )(v)
    sign, want = np.linalg.slogdet(np.reshape(jacobian, (4, size, size)))
    assert np.all(sign > 0)
    np.testing.assert_allclose(log_det, want, atol=1e-9)
    assert np.abs(want).max() > 0.1
    np.testing.assert_allclose(u[1:3], v[1:3], atol=1e-12)
    assert np.all((u >= 0) & (u <= 1 + 1e-12))


@pytest.mark.parametrize("dims", [1, 2])
def test_density_integrates_to_one_over_the_cube(dims):
    """``int q(u) du`` is the volume of the image, ``int |du/dv| dv``, whatever the datum."""
    dequantizer, params = perturbed((dims,))
    nodes = (np.arange(200) + 0.5) / 200
    v = np.stack(np.meshgrid(*[nodes] * dims, indexing="ij"), axis=-1).reshape(-1, dims)
    context = jnp.full(dims, 0.4)
    slopes = jax.jit(jax.vmap(lambda v: jnp.exp(push(dequantizer, params, v, context)[1])))(v)
    np.testing.assert_allclose(slopes.mean(), 1, rtol=1e-3)
    assert np.std(slopes) > 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_first_flow_is_the_uniform_dequantization(shape):
    dequantizer = Variational(LEVELS, dequantizer_features=4)
    x, key = jnp.full(shape, 3, jnp.uint8), jax.random.key(4)
    params = tiny.init(dequantizer, shape)
    both = jax.jit(lambda x: (dequantizer.bind(params)(key, x), Uniform(LEVELS)(key, x)))
    (points, log_q), (want, _) = both(x)
    np.testing.assert_allclose(points, want, atol=3e-7)
    assert abs(float(log_q)) < 1e-5
    assert dequantizer.bind(params).log_scale == Uniform(LEVELS).log_scale


def test_every_point_maps_back_to_its_level_and_its_density_is_finite(monkeypatch):
    """At both ends of the uniform numbers, with splines that are as steep as they can be."""
    shape = (2, 3, 2)
    dequantizer, params = perturbed(shape, scale=30.0)
    x = jnp.arange(12, dtype=jnp.uint8).reshape(shape) % LEVELS
    for edge in (0.0, 1 - 2.0**-24):
        monkeypatch.setattr(
            jax.random, "uniform", lambda key, shape, *_, e=edge: jnp.full(shape, e)
        )
        bound = dequantizer.bind(params)
        points, log_q = jax.jit(lambda x, bound=bound: bound(None, x))(x)  # traced with this edge
        np.testing.assert_array_equal(bound.to_data(points), x)
        assert np.isfinite(log_q)


# --- a law with a known entropy: two correlated levels of a Gaussian mixture --------------------

MEANS, STDS, WEIGHTS = np.array([[-0.5, -0.3], [0.35, 0.5]]), np.array([0.15, 0.3]), [0.4, 0.6]


def log_density(x):
    """Return the log density of a point of the model's space."""
    parts = jax.scipy.stats.norm.logpdf(x, MEANS, STDS[:, None]).sum(axis=-1)
    return jax.nn.logsumexp(parts + jnp.log(jnp.asarray(WEIGHTS)))


def masses():
    """Return the probability of each pair of levels; 1 in all, for the ends are moved outwards."""
    edges = np.linspace(-1, 1, LEVELS + 1)
    inside = np.diff(stats.norm.cdf((edges[:, None, None] - MEANS) / STDS[:, None]), axis=0)
    return np.einsum("c,ic,jc->ij", WEIGHTS, inside[..., 0], inside[..., 1])


def test_trained_bound_lies_between_the_entropy_and_the_uniform_bound():
    law = masses() / masses().sum()
    pairs = jnp.stack(jnp.meshgrid(*[jnp.arange(LEVELS)] * 2, indexing="ij"), -1).reshape(-1, 2)
    chance = jnp.asarray(law.reshape(-1))
    dequantizer = Variational(LEVELS, dequantizer_features=16, dequantizer_bins=4)
    params = tiny.init(dequantizer, (2,))
    optimizer = optax.adam(1e-2)

    def bound(params, key, draws):
        """Return nats of each draw of each pair, weighted by the chance of the pair."""
        keys = jax.random.split(key, (draws, len(pairs)))
        one = lambda key, x: dequantizer.bind(params)(key, x)  # noqa: E731
        points, log_q = jax.vmap(jax.vmap(one))(keys, jnp.tile(pairs, (draws, 1, 1)))
        log_p = jax.vmap(jax.vmap(log_density))(points) - 2 * dequantizer.log_scale
        return (log_q - log_p) @ chance

    @tiny.optimized
    def step(carry, key):
        params, state = carry
        grads = jax.grad(lambda params: bound(params, key, 8).mean())(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    evaluate = tiny.optimized(lambda params: bound(params, jax.random.key(3), 400))
    uniform = evaluate(params)
    carry = params, optimizer.init(params)
    for key in jax.random.split(jax.random.key(1), 300):
        carry, _ = step(carry, key)
    trained = evaluate(carry[0])
    entropy = -np.sum(law * np.log(masses()))  # the cross-entropy of the density's own masses
    error = 4 * np.std(trained) / math.sqrt(len(trained))
    assert np.mean(trained) > entropy - error
    # The gap falls from that of the uniform dequantization to a fifth of it or less.
    assert np.mean(trained) - entropy < 0.2 * (np.mean(uniform) - entropy)
    assert np.mean(uniform) - entropy > 0.1
