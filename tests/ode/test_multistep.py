"""Order, evaluations and error estimate of the exponential multistep solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.ode import ExponentialMultistep

VARIANCE = 0.25  # of a Gaussian, whose flow in log rho multiplies y by its standard deviation


def velocity(log_rho, y):
    return y * jnp.exp(2 * log_rho) / (VARIANCE + jnp.exp(2 * log_rho))


def std(log_rho):
    return np.sqrt(VARIANCE + np.exp(2 * np.asarray(log_rho, np.float64)))


def uneven(nodes):
    """Return coordinates from -4 to 4 that lie closest together in the middle."""
    u = np.linspace(-1, 1, nodes)
    return jnp.asarray(4 * (0.6 * u + 0.4 * u**3))


def solve(order, grid, observe=None):
    return ExponentialMultistep(order).path(velocity, jnp.asarray(std(grid[:1])), grid, observe)


def error(order, grid):
    return np.abs(solve(order, grid).state[:, 0] / std(grid) - 1).max()


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("nodes", [np.linspace, lambda low, high, n: uneven(n)])
def test_corrector_has_one_order_more_than_the_predictor(order, nodes):
    with jax.enable_x64(True):
        errors = [error(order, jnp.asarray(nodes(-4.0, 4.0, n + 1))) for n in (48, 96)]
    assert order + 0.6 < np.log2(errors[0] / errors[1]) < order + 1.6


def test_constant_target_is_solved_exactly_by_any_steps():
    """``dy/ds = y - h`` has the solution ``h + (y - h) e^s``."""
    grid = jnp.array([0.0, 0.5, 0.7, 2.0, 2.1, 4.0])
    path = ExponentialMultistep(2).path(lambda s, y: y - 3.0, jnp.ones(2), grid)
    after_start = path.state[1:, 0]  # the first step is of a Runge-Kutta method
    want = 3 + (after_start[0] - 3) * jnp.exp(grid[1:] - grid[1])
    np.testing.assert_allclose(after_start, want, rtol=1e-5)


def test_nfe_is_the_number_of_calls_and_nodes_are_observed_once():
    calls, observed = [], []

    def counted(s, y):
        jax.debug.callback(lambda _: calls.append(1), s)
        return velocity(s, y)

    grid = jnp.linspace(-4.0, 4.0, 13)

    def observe(node, y):
        jax.debug.callback(lambda i: observed.append(int(i)), node)
        return velocity(grid[node], y), y

    path = ExponentialMultistep(3).path(counted, jnp.asarray(std(grid[:1])), grid, observe)
    jax.block_until_ready(path)
    jax.effects_barrier()
    assert sorted(observed) == list(range(13))
    assert int(path.nfe) == len(calls) + len(observed) == 13 + 2 * 3
    np.testing.assert_allclose(path.observed + path.correction, path.state, rtol=1e-6)
    np.testing.assert_allclose(path.velocity[:, 0], velocity(grid, path.observed[:, 0]), rtol=1e-6)


def test_corrections_are_larger_than_the_error_that_remains():
    grid = jnp.linspace(-4.0, 4.0, 25)
    path = solve(4, grid)
    assert error(4, grid) < np.sum(np.abs(path.correction[:, 0] / std(grid)))


def test_a_state_that_is_not_finite_is_not_ok():
    grid = jnp.linspace(0.0, 1.0, 9)
    assert not ExponentialMultistep().path(lambda s, y: y * jnp.nan, jnp.ones(2), grid).ok


@pytest.mark.parametrize("order", [1, 7])
def test_an_order_outside_of_its_range_raises(order):
    with pytest.raises(ValueError, match=f"order = {order}"):
        ExponentialMultistep(order)


def test_a_grid_with_too_few_nodes_raises():
    with pytest.raises(ValueError, match="4 nodes"):
        solve(4, jnp.linspace(0.0, 1.0, 4))
