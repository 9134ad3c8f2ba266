"""Tests of guidance on a mixture whose classes are its components, with known conditionals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.models import BoundModel
from gradlog.sampling import (
    GUIDANCES,
    MASKS,
    ClassifierFree,
    ClassifierGuidance,
    Heun,
    LogSNRSchedule,
    NoGuidance,
)
from gradlog.sde_lib import SDES

MIXTURE = GaussianMixture(
    jnp.array([0.3, 0.5, 0.2]),
    jnp.array([[1.0, 0.5], [-0.5, 0.2], [0.3, -0.8]]),
    jnp.array([0.3, 0.5, 0.4]),
)
CLASS = 2
WANTED = Gaussian(MIXTURE.means[CLASS], jnp.full(2, MIXTURE.stds[CLASS]))
POINTS = jax.random.normal(jax.random.key(0), (20, 2))
LEVELS = (1e-3, 0.1, 0.4, 0.9)


def model_of(sde):
    """Return the exact model: the score of each class, and of all of them together."""

    def score(x, t, condition=None):
        if condition is None:
            return MIXTURE.score_fn(sde)(x, t)
        law = Gaussian(MIXTURE.means[condition], jnp.full(2, MIXTURE.stds[condition]))
        return law.score_fn(sde)(x, t)

    return BoundModel(sde, score)


def log_class_prob(sde):
    """The exact classifier."""
    class_probs = lambda x, t: MIXTURE.responsibilities(x, sde.alpha(t), sde.sigma(t))  # noqa: E731
    return lambda x, t: jnp.log(class_probs(x, t)[CLASS])


def guided(sde, guidance):
    return guidance(model_of(sde), log_class_prob(sde), CLASS)


def values(score_fn):
    at_all = jax.jit(jax.vmap(jax.vmap(score_fn, (0, None)), (None, 0)))
    return np.concatenate(at_all(POINTS, jnp.array(LEVELS)))


@pytest.mark.parametrize("name", ["subvp", "ve"])
def test_exact_classifier_with_weight_one_gives_the_score_of_the_class(name):
    sde = SDES[name]()
    got = values(guided(sde, ClassifierGuidance(1.0)).score)
    want = values(WANTED.score_fn(sde))
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * np.abs(want).max())


@pytest.mark.parametrize(
    ("guidance", "condition"),
    [
        (NoGuidance(), CLASS),
        (ClassifierFree(0.0), CLASS),
        (ClassifierFree(-1.0), None),
        (ClassifierGuidance(0.0), None),
    ],
)
def test_some_weights_give_a_score_of_the_model(guidance, condition):
    sde = SDES["vp"]()
    want = values(model_of(sde).conditioned(condition).score)
    got = values(guided(sde, guidance).score)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


def test_both_guidances_agree_if_model_and_classifier_are_exact():
    """``s_c + w (s_c - s_0) = s_0 + (1 + w) grad log p(c | x)`` by Bayes."""
    sde = SDES["vp"]()
    free = values(guided(sde, ClassifierFree(1.5)).score)
    by_classifier = values(guided(sde, ClassifierGuidance(2.5)).score)
    np.testing.assert_allclose(free, by_classifier, rtol=2e-3, atol=2e-3 * np.abs(free).max())


@functools.cache
def _samples(guidance, count=4000):
    sde = SDES["vp"]()
    sampler = Heun(num_steps=60, eps=1e-3, schedule=LogSNRSchedule())

    def one(key):
        prior_key, path_key = jax.random.split(key)
        z = sde.prior_sample(prior_key, (2,))
        return sampler(guided(sde, guidance), z, path_key).x

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), count)))


@pytest.mark.parametrize("guidance", [ClassifierGuidance(1.0), ClassifierFree(0.0)])
def test_guided_samples_have_the_mean_and_covariance_of_the_class(guidance):
    x = _samples(guidance)
    variance, count = float(MIXTURE.stds[CLASS] ** 2), len(x)
    mean_error = np.sqrt(variance / count)
    np.testing.assert_allclose(x.mean(0), WANTED.mean, rtol=0, atol=3 * mean_error)
    errors = variance * np.sqrt((1 + np.eye(2)) / count)
    assert np.all(np.abs(np.cov(x.T) - variance * np.eye(2)) < 3 * errors)


def test_larger_weight_gives_samples_of_higher_class_probability():
    mixture_says = jax.jit(jax.vmap(lambda x: MIXTURE.responsibilities(x, 1.0, 1e-3)[CLASS]))
    probabilities = [np.mean(mixture_says(_samples(ClassifierFree(w)))) for w in (0.0, 2.0)]
    assert probabilities[0] < probabilities[1] - 0.05


def test_classifier_guidance_needs_a_classifier_and_classifier_free_costs_twice():
    assert {name: g.needs_classifier for name, g in GUIDANCES.items()} == {
        "classifier": True,
        "classifier_free": False,
        "none": False,
    }
    costs = {name: guidance.evaluations for name, guidance in GUIDANCES.items()}
    assert costs == {"classifier": 1, "classifier_free": 2, "none": 1}


def test_masks_hide_the_named_parts():
    hidden = {name: mask(8, 12) for name, mask in MASKS.items()}
    np.testing.assert_array_equal(hidden["left"], ~hidden["right"])
    np.testing.assert_array_equal(hidden["top"], ~hidden["bottom"])
    assert hidden["left"][:, :6].all()
    assert hidden["top"][:4].all()
    assert hidden["center"][2:6, 3:9].all()
    assert {name: mask.sum() for name, mask in hidden.items() if name != "center"} == dict.fromkeys(
        ("bottom", "left", "random", "right", "top"), 48
    )
    assert hidden["center"].sum() == 24
