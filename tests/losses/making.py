"""Integrands with the parts that they need, and the mixture that they are tested on."""

import inspect

import jax.numpy as jnp

from gradlog.distributions import GaussianMixture
from gradlog.losses import INTEGRANDS

MIXTURE = GaussianMixture(
    jnp.array([0.3, 0.7]), jnp.array([[-1.0, 0.3], [0.7, -0.2]]), jnp.array([0.3, 0.5])
)
# Second-order denoising has terms of its own: it shares the minimizer, not the value.
OF_OTHER_VALUE = ("dsm2",)
EXPLICIT_UP_TO_A_CONSTANT = sorted(INTEGRANDS.keys() - set(OF_OTHER_VALUE))


def make_objective(name, oracle=MIXTURE, **settings):
    """Return the integrand of that name, with those of the settings that it has."""
    known = inspect.signature(INTEGRANDS[name]).parameters
    available = {"distribution": oracle} | settings
    return INTEGRANDS[name](**{key: available[key] for key in known if key in available})


def wrong_score(sde, a, oracle=MIXTURE):
    """Return the true score plus a nonlinear field, so that losses differ between values of a."""
    exact = oracle.score_fn(sde)
    return lambda x, t: exact(x, t) + a * jnp.tanh(x) / sde.sigma(t)
