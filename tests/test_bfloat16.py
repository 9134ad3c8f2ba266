"""A config that trains in bfloat16: what of a run computes in it, and that no likelihood does."""

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from gradlog.data.dataset import from_arrays
from gradlog.evaluation.likelihood import likelihood_evaluator
from gradlog.experiment.build import build
from gradlog.likelihood import log_density_fn
from gradlog.losses import example_keys

IMAGES = np.arange(9 * 64, dtype=np.uint8).reshape(9, 8, 8, 1) % 17
DIGITS = from_arrays("d", IMAGES, IMAGES, levels=17)


def experiment(**overrides):
    config = tiny.images(**{"likelihood.max_steps": 4} | overrides)
    return build(config, DIGITS)


ROUNDED = {"model.dtype": "bfloat16", "model.remat": True}
X, U, KEY = jnp.zeros((8, 8, 1)), jnp.float32(0.3), jax.random.key(1)


def loss(made, params, key, dropout_key=None):
    """Return the loss at one point; with a dropout key as in training."""
    model = made.model.bind(params, dropout_key=dropout_key)
    return made.objective.at_point(model, X, U, example_keys(key).integrand)


def abstract_params(made):
    return jax.eval_shape(lambda key: made.model.init(key, X.shape), jax.random.key(0))


def test_training_and_samples_compute_in_it_and_parameters_do_not():
    made = experiment(**ROUNDED)
    params = abstract_params(made)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    grads = jax.make_jaxpr(jax.grad(lambda p, key: loss(made, p, key, key)))(params, KEY)
    assert "bf16" in str(grads)
    assert {aval.dtype for aval in grads.out_avals} == {jnp.dtype("float32")}
    score = jax.make_jaxpr(lambda p, x: made.model.bind(p).score(x, 0.3))(params, X)
    assert "bf16" in str(score)


def test_a_step_of_training_in_it_goes_where_one_in_float32_does():
    """Of random parameters: an initial network has layers of zeros."""
    small = {"model.name": "dit", "model.hidden": 8, "model.num_layers": 1, "model.dropout": 0.0}
    rng = np.random.default_rng(0)
    draw = lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(leaf.dtype)  # noqa: E731
    params = jax.tree.map(draw, abstract_params(experiment(**small)))
    slopes = []
    for overrides in ({}, ROUNDED):
        made = experiment(**small | overrides)
        slope = jax.jit(jax.grad(lambda p, m=made: loss(m, p, KEY)))
        slopes.append(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(slope(params))]))
    cosine = slopes[0] @ slopes[1] / np.prod([np.linalg.norm(slope) for slope in slopes])
    assert cosine > 0.999
    assert np.any(slopes[0] != slopes[1])


def test_likelihoods_compute_in_float32():
    made, exact = experiment(**ROUNDED), experiment(**{"model.remat": True})
    evaluator = likelihood_evaluator(made, next(iter(made.estimators.values())))
    assert evaluator.model.network == exact.model.network
    likelihood = next(iter(made.estimators.values())).likelihood.likelihood
    density = log_density_fn(likelihood, made.model.in_float32().bind)
    program = jax.make_jaxpr(density)(abstract_params(made), X, jax.random.key(2))
    assert "bf16" not in str(program)


def test_rematerialization_is_no_other_run_and_bfloat16_is():
    plain, again = experiment(), experiment(**{"model.remat": True})
    assert plain.identity == again.identity
    assert plain.identity != experiment(**ROUNDED).identity
