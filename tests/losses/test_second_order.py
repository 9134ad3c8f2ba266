"""Tests of second-order denoising by hand: three dimensions, the same noise and directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.losses import SLICE_LAWS, SecondOrderDenoising
from gradlog.models import BoundModel
from gradlog.sde_lib import VP

SDE, T, KEY = VP(), 0.3, jax.random.key(5)
X0 = np.array([0.7, -1.1, 0.4])
MATRIX = np.array([[-0.9, 0.5, 0.1], [0.3, -1.4, 0.6], [-0.2, 0.8, -0.7]])
SLICES, TRACE_WEIGHT, JACOBIAN_WEIGHT = 2, 0.3, 2.0


def draws():
    """Return z and the directions from the keys of the integrand."""
    noise_key, slice_key = jax.random.split(KEY)
    vs = [jax.random.normal(key, (3,)) for key in jax.random.split(slice_key, SLICES)]
    return np.asarray(jax.random.normal(noise_key, (3,))), np.stack(vs)


def by_hand(matrix, held_at):
    """Return the three terms for ``s(x) = tanh(matrix x)``, with the targets of ``held_at``."""
    (z, vs), sigma = draws(), float(SDE.sigma(T))
    x = float(SDE.alpha(T)) * X0 + sigma * z
    score = np.tanh(matrix @ x)
    jacobian = (1 - score**2)[:, None] * matrix
    residual, held = sigma * score + z, sigma * np.tanh(held_at @ x) + z
    operator = sigma**2 * jacobian + np.eye(3) - np.outer(held, held)
    trace = np.mean([v @ operator @ v for v in vs]) ** 2 / 3
    squares = np.mean([np.sum((operator @ v) ** 2) for v in vs]) / 3
    return np.array([0.5 * np.sum(residual**2), trace, squares])


def slope_by_hand(held):
    """Return central differences in each entry, with the targets fixed or not."""
    slope, h = np.zeros((3, 3, 3)), 1e-5
    for entry in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[entry] = h
        ends = [by_hand(m, MATRIX if held else m) for m in (MATRIX + step, MATRIX - step)]
        slope[entry] = (ends[0] - ends[1]) / (2 * h)
    return slope


def value_and_slope(trace_weight, jacobian_weight):
    law = SLICE_LAWS["gaussian"]
    objective = SecondOrderDenoising(SLICES, law, trace_weight, jacobian_weight)

    def loss(matrix):
        score_fn = lambda x, t: jnp.tanh(matrix @ x)  # noqa: E731
        return objective(BoundModel(SDE, score_fn), jnp.asarray(X0), jnp.asarray(T), KEY)

    return jax.value_and_grad(loss)(jnp.asarray(MATRIX))


@pytest.mark.parametrize("weights", [(TRACE_WEIGHT, JACOBIAN_WEIGHT), (1.0, 0.0), (0.0, 1.0)])
def test_value_and_gradient_equal_those_by_hand_with_fixed_targets(weights):
    with jax.enable_x64(True):
        factors = np.array([1.0, *weights])
        value, slope = value_and_slope(*weights)
        np.testing.assert_allclose(value, by_hand(MATRIX, MATRIX) @ factors, rtol=1e-10)
        want = slope_by_hand(held=True) @ factors
        np.testing.assert_allclose(slope, want, rtol=1e-6, atol=1e-8)
        # Moving targets have quite another slope, and each term counts.
        moving = slope_by_hand(held=False) @ factors
        assert np.abs(moving - want).max() > 0.1 * np.abs(want).max()
        assert np.all(by_hand(MATRIX, MATRIX) > 0.05)
