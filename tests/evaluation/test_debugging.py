"""JAX's search for NaN and infinity goes on through an evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import thirteen

from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.likelihood import LogProb
from gradlog.likelihood.parts import PRIOR

SEARCHES = pytest.mark.parametrize("search", [jax.debug_nans, jax.debug_infs])


def evaluate(function):
    """Evaluate a function of ``sum(x)``. Its errors are NaN: a single draw gives no estimate."""

    def estimator(model, xs, keys):
        total = xs.sum(axis=(1, 2, 3))
        ones = jnp.ones(len(xs), int)
        return LogProb(
            parts={PRIOR: function(total)},
            errors={"probes": total * jnp.nan},
            discretization=total * jnp.nan,
            latent=xs,
            nfe=ones,
            jvps=ones,
            ok=ones == 1,
        )

    evaluator = LikelihoodEvaluator(estimator, thirteen.MODEL, 4)
    return evaluator(thirteen.params(), thirteen.SOURCE, thirteen.STREAM).nats


@SEARCHES
def test_a_sound_model_has_its_number(search):
    with search(True):
        found = evaluate(lambda total: total / 2)
    np.testing.assert_array_equal(found, thirteen.SOURCE.sum(axis=(1, 2, 3)) / np.float32(2))


def test_a_model_that_is_not_compiled_has_its_number():
    with jax.disable_jit():
        found = evaluate(lambda total: total / 2)
    np.testing.assert_array_equal(found, thirteen.SOURCE.sum(axis=(1, 2, 3)) / np.float32(2))


@SEARCHES
def test_a_number_that_is_not_finite_is_found(search):
    function = {jax.debug_nans: lambda x: jnp.log(-x), jax.debug_infs: jnp.exp}[search]
    with search(True), pytest.raises(FloatingPointError):
        evaluate(lambda total: function(100.0 * total))
