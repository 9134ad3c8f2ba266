"""Tests of orthonormal coordinates, and of the process that blurs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from gradlog.models import BoundModel
from gradlog.sde_lib import VP, Blurring, Frequencies, Pixels, Reflections

SHAPE = (4, 6, 2)
X = jax.random.normal(jax.random.key(0), SHAPE)
VECTORS = jax.random.normal(jax.random.key(1), (3, X.size))
BASES = {"pixels": Pixels(), "frequencies": Frequencies(), "low_rank": Reflections(VECTORS)}


@pytest.mark.parametrize("name", BASES)
def test_a_basis_is_orthonormal_and_its_inverse_is_one(name):
    basis = BASES[name]
    axes = jnp.eye(X.size).reshape(-1, *SHAPE)
    matrix = jax.vmap(basis.coordinates)(axes).reshape(X.size, X.size)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(X.size), atol=1e-5)
    np.testing.assert_allclose(basis.data(basis.coordinates(X)), X, atol=1e-5)


def test_frequencies_are_those_of_scipy_and_leave_channels_apart():
    want = scipy.fft.dctn(np.asarray(X, np.float64), axes=(0, 1), norm="ortho")
    np.testing.assert_allclose(Frequencies().coordinates(X), want, atol=1e-5)


def test_first_coordinates_span_any_space():
    """One reflection turns the first axis into any direction."""
    direction = np.asarray(X).reshape(-1) / np.linalg.norm(X)
    first = np.eye(X.size)[0]
    basis = Reflections(jnp.asarray(direction - first)[None])
    found = basis.data(jnp.asarray(first).reshape(SHAPE))
    np.testing.assert_allclose(found.reshape(-1), direction, atol=1e-5)


def test_blurring_is_the_heat_equation():
    """A wave with reflecting edges only decays: its Laplacian is a multiple of itself."""
    process, t, wave = Blurring((8, 8, 1), blur_max=2.0, blur_floor=1e-6), 0.4, (3, 1)
    grid = (np.arange(8) + 0.5) / 8
    waves = (np.cos(np.pi * k * grid) for k in wave)
    x0 = jnp.asarray(np.multiply.outer(*waves)[..., None], jnp.float32)
    tau = 0.5 * (2.0 * np.sin(0.5 * np.pi * t) ** 2) ** 2
    decay = np.exp(-tau * sum((np.pi * k / 8) ** 2 for k in wave))
    y = process.perturb(process.basis.coordinates(x0), t, jnp.zeros_like(x0))
    signal = np.exp(-0.5 * np.logaddexp(0, float(process.gamma(t))))
    np.testing.assert_allclose(process.basis.data(y), signal * decay * x0, atol=1e-5)


def test_blurring_begins_and_ends_at_its_gammas_and_loses_high_frequencies():
    process = Blurring((8, 8, 1), gamma_min=-8.0, gamma_max=4.0)
    np.testing.assert_allclose(2 * process.log_rho(0.0), -8.0, rtol=1e-5)
    np.testing.assert_allclose(2 * process.log_rho(1.0)[0, 0], 4.0, rtol=1e-5)
    assert np.all(2 * process.log_rho(1.0)[1:, 1:] > 10)
    rates = jax.vmap(process.log_rho_rate)(jnp.linspace(0.01, 1.0, 20))
    assert np.all(rates > 0)


def test_stored_data_enter_the_coordinates_of_the_process_and_leave_them():
    process = Blurring(SHAPE)
    model = BoundModel(process, lambda x, t: x)
    y, _ = model.dequantize(jax.random.key(0), X)
    np.testing.assert_allclose(y, Frequencies().coordinates(X), atol=1e-6)
    np.testing.assert_allclose(model.to_data(y), X, atol=1e-5)
    np.testing.assert_array_equal(BoundModel(VP(), lambda x, t: x).to_data(X), X)
