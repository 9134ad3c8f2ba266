"""Uniform noise on tokens against sums over all sequences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokens import chain, exact_model

from gradlog.sde_lib import Uniform

LEVELS, LENGTH = 3, 3
STATES = np.array(list(itertools.product(range(LEVELS), repeat=LENGTH)))
PROCESS = Uniform(LEVELS)


def kernel(t):
    """The law of a token at t in the row of its clean one."""
    return (1 - t) * np.eye(LEVELS) + t / LEVELS


def law_of_noisy_sequences(t):
    """The law of all sequences at t, as an array with an axis for each position."""
    clean = jax.vmap(chain(LENGTH, LEVELS).log_prob)(jnp.asarray(STATES))
    law = np.exp(clean).reshape((LEVELS,) * LENGTH)
    return np.einsum("abc,ax,by,cz->xyz", law, *(kernel(t),) * 3)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_a_token_stays_or_is_any_of_the_levels(t):
    count = 20_000
    x = PROCESS.perturb(jnp.zeros(count, jnp.int32), t, jax.random.key(0))
    law = kernel(t)[0]
    shares = np.bincount(x, minlength=LEVELS) / count
    assert np.all(np.abs(shares - law) <= 4 * np.sqrt(law * (1 - law) / count))


@pytest.mark.parametrize("t", [0.05, 0.6, 0.99])
def test_ratios_follow_from_the_clean_token_given_the_others(t):
    with jax.enable_x64(True):
        law, model = law_of_noisy_sequences(t), exact_model(PROCESS, LENGTH)
        some = jnp.asarray(STATES[::4])
        found = jax.vmap(lambda x: PROCESS.log_ratios(model.logits(x, t), x, t))(some)
        for x, ratios in zip(np.asarray(some), np.exp(found), strict=True):
            for place, y in itertools.product(range(LENGTH), range(LEVELS)):
                moved = tuple(np.where(np.arange(LENGTH) == place, y, x))
                assert ratios[place, y] == pytest.approx(law[moved] / law[tuple(x)], rel=1e-10)


@pytest.mark.parametrize(("t", "t_next"), [(1.0, 0.7), (0.5, 0.49), (0.2, 0.0)])
def test_a_step_back_is_bayes_rule(t, t_next):
    with jax.enable_x64(True):
        clean, tokens = np.array([0.5, 0.3, 0.2]), np.arange(LEVELS)
        moves = kernel((t - t_next) / (1 - t_next))
        joint = (clean @ kernel(t_next))[:, None] * moves  # of the tokens at t_next and at t
        posterior = (joint / joint.sum(axis=0)).T  # a row for each token at t
        logs = jnp.broadcast_to(jnp.log(clean), (LEVELS, LEVELS))
        prob, others = PROCESS.leaving_laws(logs, jnp.asarray(tokens), t, t_next)
        np.testing.assert_allclose(prob, 1 - np.diag(posterior), rtol=1e-12)
        np.fill_diagonal(posterior, 0)
        expected = posterior / posterior.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(jax.nn.softmax(others), expected, rtol=1e-12)
