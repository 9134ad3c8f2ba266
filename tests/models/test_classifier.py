"""Tests of the classifier of noisy data: its network, and the minimizer of its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gradlog.distributions import GaussianMixture
from gradlog.losses import NoisyCrossEntropy
from gradlog.models import ClassifierNetwork, NoisyClassifier
from gradlog.sde_lib import SDES

SDE = SDES["vp"]()
STEPS = 1500
RATE = optax.cosine_decay_schedule(3e-3, STEPS)


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1), (6, 10, 3), (3, 3, 1)])
def test_images_and_vectors_have_logits_and_features(shape):
    classifier = NoisyClassifier(ClassifierNetwork(5, nf=4, hidden=8))

    @jax.jit
    def found(x):
        params = classifier.init(jax.random.key(0), shape)
        return [f(SDE, params, x, 0.3) for f in (classifier.log_probs, classifier.features)]

    log_probs, features = found(jax.random.normal(jax.random.key(1), shape))
    np.testing.assert_allclose(np.exp(log_probs).sum(), 1, rtol=1e-5)
    assert log_probs.shape == (5,)
    assert features.shape == (8,)
    assert classifier.num_classes == 5


def test_output_depends_on_the_noise_label():
    classifier = NoisyClassifier(ClassifierNetwork(3, nf=4, hidden=8))

    @jax.jit
    def features():
        params = classifier.init(jax.random.key(0), (2,))
        return [classifier.features(SDE, params, jnp.ones(2), t) for t in (0.1, 0.5)]

    one, other = features()
    assert np.abs(one - other).max() > 1e-3


class _Seen:
    """A network that returns what it is given."""

    num_classes = 2

    @staticmethod
    def apply(variables, x, label):
        del variables
        return x, label


def test_the_network_sees_data_of_unit_variance_as_noisy_data_of_unit_variance():
    """Also where the process preserves no variance; its label is a quarter of log rho."""
    process, x, t = SDES["ve"](), jnp.array([0.3, -2.0]), 0.4
    seen, label = NoisyClassifier(_Seen())._apply(process, {}, x, t)
    sigma = 0.01 * 5000**t
    np.testing.assert_allclose(seen, x / np.sqrt(1 + sigma**2), rtol=1e-5)
    np.testing.assert_allclose(label, np.log(sigma) / 4, rtol=1e-5)


def test_loss_is_the_cross_entropy_at_the_time_that_u_selects():
    classifier = NoisyClassifier(ClassifierNetwork(3, nf=4, hidden=8))
    loss, key, x0 = NoisyCrossEntropy(SDE, classifier, 1e-2), jax.random.key(5), jnp.ones(2)

    @jax.jit
    def both():
        params = classifier.init(jax.random.key(0), (2,))
        low, high = SDE.log_rho(1e-2), SDE.log_rho(1.0)
        t = SDE.time_of_log_rho(0.6 * low + 0.4 * high)
        x = SDE.alpha(t) * x0 + SDE.sigma(t) * jax.random.normal(key, (2,))
        found = loss(params, x0, jnp.asarray(0.4), key, condition=jnp.asarray(2))
        return found, -classifier.log_probs(SDE, params, x, t)[2]

    np.testing.assert_allclose(*both(), rtol=1e-4)


def test_classifier_of_a_mixture_learns_the_posterior_of_the_components():
    """Compared with the exact responsibilities, at three noise levels."""
    law = GaussianMixture(
        jnp.array([0.3, 0.7]), jnp.array([[1.0, 0.0], [-1.0, 0.5]]), jnp.array([0.4, 0.6])
    )
    classifier = NoisyClassifier(ClassifierNetwork(2, hidden=32))
    loss, optimizer = NoisyCrossEntropy(SDE, classifier, 1e-3), optax.adam(RATE)

    def mean_loss(params, key):
        def one(key):
            which, noise, time, loss_key = jax.random.split(key, 4)
            k = jax.random.bernoulli(which, 0.7).astype(int)
            x0 = law.means[k] + law.stds[k] * jax.random.normal(noise, (2,))
            u = jax.random.uniform(time)
            return loss(params, x0, u, loss_key, condition=k)

        return jnp.mean(jax.vmap(one)(jax.random.split(key, 256)))

    def step(carry, key):
        params, state = carry
        updates, state = optimizer.update(jax.grad(mean_loss)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    params = tiny.init(classifier, (2,))
    keys = jax.random.split(jax.random.key(1), STEPS)
    train = tiny.optimized(lambda carry: jax.lax.scan(step, carry, keys)[0])
    params, _ = train((params, optimizer.init(params)))

    @jax.jit
    def error(t):
        alpha, sigma = SDE.alpha(t), SDE.sigma(t)

        def one(key):
            x = law.sample_at(key, alpha, sigma)
            found = jnp.exp(classifier.log_probs(SDE, params, x, t))
            return jnp.abs(found - law.responsibilities(x, alpha, sigma))

        return jnp.mean(jax.vmap(one)(jax.random.split(jax.random.key(2), 500)))

    for t in (0.05, 0.3, 0.6):
        assert error(t) < 0.03
