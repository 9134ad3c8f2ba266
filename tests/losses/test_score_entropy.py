"""Score entropy: with masks the cross-entropy, and finite at both ends of time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokens import wrong_model

from gradlog.losses import DRAWS, MaskedCrossEntropy, ScoreEntropy
from gradlog.sde_lib import MASK_SCHEDULES, Masking, Uniform

LEVELS, LENGTH = 3, 4
X = jnp.array([2, 0, 1, 1])
SCHEDULES = {name: make() for name, make in sorted(MASK_SCHEDULES.items())}
PROCESSES = [Uniform(LEVELS), *(Masking(LEVELS, each) for each in SCHEDULES.values())]


# A schedule moves the time of a draw; "count" draws no time.
MASKED = [("time", process) for process in PROCESSES[1:]] + [("count", PROCESSES[1])]


@pytest.mark.parametrize(("draws", "process"), MASKED, ids=[*SCHEDULES, "count"])
def test_with_masks_it_is_the_cross_entropy_at_every_draw(process, draws):
    with jax.enable_x64(True):
        model = wrong_model(process, LENGTH)
        us, keys = jnp.linspace(0.01, 0.99, 50), jax.random.split(jax.random.key(0), 50)
        losses = ScoreEntropy(draws), MaskedCrossEntropy(draws)
        both = lambda u, key: [loss(model, X, u, key).value for loss in losses]  # noqa: E731
        found, expected = jax.jit(jax.vmap(both))(us, keys)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("process", PROCESSES, ids=["uniform", *SCHEDULES])
def test_value_and_gradient_are_finite_at_the_ends_of_time(process):
    def loss(gain, u, key):
        model = wrong_model(process, LENGTH, gain)
        return sum(ScoreEntropy(draws)(model, X, u, key).value for draws in DRAWS)

    us = jnp.repeat(jnp.array([0.0, 1e-6, 1 - 2**-24, 1.0]), 8)
    keys = jax.random.split(jax.random.key(0), len(us))
    found = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0, 0)))(1.0, us, keys)
    assert np.isfinite(found).all()
