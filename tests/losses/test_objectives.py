"""Objectives against explicit score matching on a mixture, where the true score is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from losses import OBJECTIVES, DenoisingScoreMatching, Likelihood, ScoreMatchingLoss, UniformLogRho
from oracles import GaussianMixture
from sde_lib import SDES, VP

ORACLE = GaussianMixture(
    jnp.array([0.3, 0.7]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.3, 0.5])
)
N = 20_000


def draws(sde, t, n=N):
    keys = jax.random.split(jax.random.key(1), n)
    x0 = jax.vmap(ORACLE.sample)(keys)
    return x0, jax.random.split(jax.random.key(2), n)


def wrong_score(sde, a):
    """The true score plus a field, so that losses differ between values of a."""
    exact = ORACLE.score_fn(sde)
    return lambda x, t: exact(x, t) + a * jnp.tanh(x) / sde.sigma(t)


def mean_difference(name, sde, t):
    """Loss at a = 0.5 minus loss at a = 0, with its standard error."""
    x0, keys = draws(sde, t)
    objective = OBJECTIVES[name]()

    def difference(x0, key):
        losses = [objective(sde, wrong_score(sde, a), x0, t, key) for a in (0.5, 0.0)]
        return losses[0] - losses[1]

    values = np.asarray(jax.vmap(difference)(x0, keys))
    return values.mean(), values.std() / np.sqrt(N)


def explicit_difference(sde, t):
    x0, keys = draws(sde, t)
    z = jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)
    x = jax.vmap(lambda x0, z: sde.perturb(x0, t, z))(x0, z)
    values = 0.5 * np.sum((0.5 * np.tanh(x)) ** 2, axis=1)
    return values.mean(), values.std() / np.sqrt(N)


@pytest.mark.parametrize("sde_name", SDES)
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("t", [0.1, 0.6])
def test_objective_is_explicit_score_matching_up_to_a_constant(name, sde_name, t):
    sde, t = SDES[sde_name](), jnp.asarray(t)
    got, got_error = mean_difference(name, sde, t)
    want, want_error = explicit_difference(sde, t)
    assert abs(got - want) < 4 * np.hypot(got_error, want_error)
    assert want > 10 * want_error


class ExactScore:
    """Stands for a score model: parameters are a factor on the true score."""

    def score_fn(self, sde, params, *, dropout_key=None):
        exact = ORACLE.score_fn(sde)
        return lambda x, t: params * exact(x, t)


def test_loss_integrates_over_time_whatever_the_proposal():
    from losses import UniformTime

    sde, eps = VP(), 1e-3
    x0, keys = draws(sde, None, 40_000)
    u = (jnp.arange(40_000) + 0.5) / 40_000
    values = {}
    for name, proposal in {"uniform": UniformTime(), "log_rho": UniformLogRho()}.items():
        loss = ScoreMatchingLoss(
            sde, ExactScore(), DenoisingScoreMatching(), Likelihood(), proposal, eps
        )
        each = jax.vmap(lambda x0, u, key, loss=loss: loss(1.0, x0, u, key, train=False))
        per_example = np.asarray(each(x0, u, keys))
        values[name] = per_example.mean(), per_example.std() / np.sqrt(len(u))
    (a, a_error), (b, b_error) = values.values()
    assert abs(a - b) < 4 * np.hypot(a_error, b_error)
    assert b_error < 0.7 * a_error
