"""The boundary term of a law with edges, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import UniformInterval
from gradlog.studies.boundary import exact_losses, losses
from gradlog.theory.boundary import boundary_term, implicit_minimizer, implicit_minimum

LAW = UniformInterval(jnp.array(-1.0), jnp.array(1.0))


@pytest.mark.parametrize("name", ["ism", "ssm", "fsm"])
def test_implicit_objectives_miss_the_boundary_term(name):
    """Of s = -k x on U[-1, 1] it is -k: they have ``k^2/6 - k``, and their minimum at 3."""
    terms = np.array([boundary_term(lambda x, k=k: -k * x, -1, 1) for k in np.linspace(0, 6, 7)])
    np.testing.assert_allclose(terms, -np.linspace(0, 6, 7))
    mean, error = losses(name, 1e-3, jax.random.key(0), 4096)
    assert np.all(np.abs(mean - exact_losses(1e-3) - terms) < 4 * error + 1e-2)


def test_denoising_has_no_bias_for_its_own_law():
    mean, error = losses("dsm", 0.1, jax.random.key(0), 4096)
    assert np.all(np.abs(mean - exact_losses(0.1)) < 4 * error)


@pytest.mark.parametrize("degree", [1, 2, 7])
def test_the_implicit_minimum_over_polynomials_is_the_closed_form(degree):
    """Gauss-Legendre quadrature is exact; a step away in any coefficient is worse."""
    x, weights = np.polynomial.legendre.leggauss(40)
    loss = lambda s: 0.5 * weights @ (s.deriv()(x) + 0.5 * s(x) ** 2)  # noqa: E731
    best = implicit_minimizer(degree)
    np.testing.assert_allclose(loss(best), implicit_minimum(degree))
    for order in range(degree + 1):
        for step in (-0.1, 0.1):
            assert loss(best + step * best.basis(order)) > loss(best)


@pytest.mark.parametrize("sigma", [0.05, 0.5])
def test_the_noisy_uniform_law_is_the_convolution(sigma):
    """Against quadrature over x0, also in the tails; and ``E x grad log p = -1``."""
    x0 = np.linspace(-1, 1, 20_001)
    log_density = jax.jit(jax.vmap(lambda x: LAW.log_density(x[None], 1.0, sigma)))
    points = jnp.array([-1.2, -0.9, 0.0, 0.3, 1.1])
    for x, found in zip(np.asarray(points), log_density(points), strict=True):
        kernel = np.exp(-0.5 * ((x - x0) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        want = np.log(np.trapezoid(kernel, x0) / 2)
        np.testing.assert_allclose(found, want, atol=2e-4)
    grid = jnp.linspace(-1 - 6 * sigma, 1 + 6 * sigma, 4001)
    slopes = np.asarray(jax.jit(jax.vmap(lambda x: LAW.score(x[None], 1.0, sigma)[0]))(grid))
    mass, grid = np.exp(log_density(grid)), np.asarray(grid)
    np.testing.assert_allclose(np.trapezoid(mass, grid), 1, rtol=1e-4)
    np.testing.assert_allclose(np.trapezoid(mass * grid * slopes, grid), -1, rtol=1e-3)
