"""The gradient of contrastive divergence on a Gaussian energy, where its mean is known."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.sampling import LangevinDynamics
from gradlog.sde_lib import VE
from gradlog.studies.contrastive_divergence import ContrastiveTraining
from gradlog.training import Example

STEP, N = 0.3, 100_000
EPS = 0.2
PROCESS = VE(sigma_min=0.1, sigma_max=2.0)
VARIANCE = 0.5 + float(PROCESS.sigma(jnp.asarray(EPS))) ** 2  # of x_t, for data of variance 0.5

# log q = -k x^2/2; the score is all that the chain needs.
MODEL: Any = SimpleNamespace(
    bind=lambda k: BoundModel(PROCESS, lambda x, t: -k * x),
    log_density_fn=lambda k: lambda x, t: -0.5 * k * jnp.sum(x**2),
)


def slopes(k, steps):
    """Return the derivative by k of the loss of each example."""
    chain = LangevinDynamics(EPS, denoise=False, step_size=STEP, langevin_steps=steps)
    training = ContrastiveTraining(MODEL, chain, (1,))

    def one(key):
        data_key, key = jax.random.split(key)
        example = Example(jnp.sqrt(0.5) * jax.random.normal(data_key, (1,)), jnp.zeros(()))
        return jax.grad(lambda k: training.loss(k, example, key).value)(k)

    keys = jax.random.split(jax.random.key(steps), N)
    return np.asarray(jax.jit(jax.vmap(one))(keys), float)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_mean_slope_is_that_of_the_variance_of_the_chain(steps):
    """``(v - E x_K^2)/2`` with ``E x_K^2 = c^K v + a (1 - c^K)/(1 - c)``, ``c = (1 - a k/2)^2``."""
    k = 0.7
    c = (1 - 0.5 * STEP * k) ** 2
    end = c**steps * VARIANCE + STEP * (1 - c**steps) / (1 - c)
    found = slopes(k, steps)
    error = found.std() / np.sqrt(N)
    assert abs(found.mean() - 0.5 * (VARIANCE - end)) < 4 * error
    assert abs(VARIANCE - end) > 20 * error


@pytest.mark.parametrize("steps", [1, 4])
def test_chains_of_any_length_are_at_rest_where_their_steps_leave_the_data_law(steps):
    """Not at ``k = 1/v``, but where ``v = 1/(k (1 - a k/4))``: the bias of unadjusted steps."""
    k = (1 - np.sqrt(1 - STEP / VARIANCE)) * 2 / STEP
    np.testing.assert_allclose(1 / (k * (1 - STEP * k / 4)), VARIANCE)
    found = slopes(k, steps)
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(N)
    assert abs(k - 1 / VARIANCE) > 0.03
