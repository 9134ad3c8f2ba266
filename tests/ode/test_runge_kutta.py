"""Accuracy, order, direction and evaluation counts of the solvers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.ode import Adaptive, Fixed


def oscillator(s, y):
    del s
    return jnp.stack([y[1], -y[0]])


@pytest.mark.parametrize("solver", [Adaptive(1e-6, 1e-6), Fixed(20)])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 2.0), (2.0, 0.0)])
def test_both_directions_reach_the_closed_form(solver, start, stop):
    def at(s):
        return jnp.array([jnp.cos(s), -jnp.sin(s)])

    solution = solver(oscillator, at(start), start, stop)
    assert bool(solution.ok)
    np.testing.assert_allclose(solution.state, at(stop), atol=2e-5)


def test_fixed_converges_with_order_five():
    with jax.enable_x64(True):
        y0, want = jnp.array([1.0, 0.0]), jnp.array([jnp.cos(2.0), -jnp.sin(2.0)])
        errors = [np.abs(Fixed(n)(oscillator, y0, 0.0, 2.0).state - want).max() for n in (8, 16)]
    assert 4.5 < np.log2(errors[0] / errors[1]) < 5.8


@pytest.mark.parametrize("solver", [Adaptive(1e-4, 1e-4), Fixed(7)])
def test_nfe_is_the_number_of_calls(solver):
    calls = []

    def counted(s, y):
        jax.debug.callback(lambda _: calls.append(1), s)
        return -y * s

    solution = jax.block_until_ready(solver(counted, jnp.ones(2), 0.0, 3.0))
    jax.effects_barrier()
    assert int(solution.nfe) == len(calls)


def test_examples_have_their_own_steps_under_vmap():
    def stiffness(rate):
        return Adaptive(1e-6, 1e-6)(lambda s, y: -rate * y, jnp.ones(()), 0.0, 1.0)

    rates = jnp.array([0.1, 30.0])
    together = jax.vmap(stiffness)(rates)
    alone = [stiffness(rate) for rate in rates]
    assert [int(n) for n in together.nfe] == [int(a.nfe) for a in alone]
    assert int(together.nfe[0]) < int(together.nfe[1])
    np.testing.assert_allclose(together.state, jnp.exp(-rates), rtol=1e-4, atol=1e-5)


def test_too_few_steps_are_not_ok():
    assert not bool(Adaptive(1e-6, 1e-6, max_steps=3)(oscillator, jnp.ones(2), 0.0, 50.0).ok)


def test_a_state_that_is_not_finite_is_not_ok():
    assert not bool(Fixed(3)(lambda s, y: y * jnp.nan, jnp.ones(2), 0.0, 1.0).ok)


WITHOUT_CALLBACKS = """
import equinox.internal, jax, jax.numpy as jnp
from gradlog.ode import Adaptive, Fixed
before = equinox.internal.error_if
for solver in (Adaptive(1e-3, 1e-3), Fixed(4)):
    ends = lambda x, a, b: solver(lambda s, y: -y, x, a, b).state
    path = lambda x, a, b: solver.path(lambda s, y: -y, x, jnp.linspace(a, b, 3)).state
    for solve in (ends, path):
        assert "callback" not in jax.jit(solve).lower(jnp.ones(2), 0.0, 1.0).as_text()
        slope = jax.grad(lambda x, a, b: jnp.sum(solve(x, a, b)))
        assert "callback" not in jax.jit(slope).lower(jnp.ones(2), 0.0, 1.0).as_text()
assert equinox.internal.error_if is before
"""


def test_a_solve_has_no_callback_whatever_the_environment():
    """A program with a callback is neither cached nor exported."""
    tiny.python("-c", WITHOUT_CALLBACKS, environment={"EQX_ON_ERROR": "raise"})
