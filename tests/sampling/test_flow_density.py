"""Tests of the log density that a sample of the flow has on its way, against the closed form."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import GaussianMixture, natural_images
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sampling import (
    DDIM,
    DPMSolver2M,
    DPMSolver3M,
    DPMSolverSDE,
    Heun,
    KarrasSchedule,
    LogSNRSchedule,
    ProbabilityFlow,
)
from gradlog.sde_lib import SDES

EPS, COUNT, KEY = 1e-3, 64, jax.random.key(0)
LAWS = {
    "images": natural_images((4, 4, 1)),
    "mixture": GaussianMixture(
        weights=jnp.array([0.3, 0.7]),
        means=jnp.array([[1.0] * 16, [-0.5] * 16]),
        stds=jnp.array([0.4, 0.6]),
    ),
}
OPTIONS = {"denoise": False, "log_prob": True, "schedule": LogSNRSchedule()}
SAMPLERS = {
    "ddim": DDIM(200, EPS, **OPTIONS),
    "heun": Heun(48, EPS, **OPTIONS | {"schedule": KarrasSchedule()}),
    "dpm_2m": DPMSolver2M(96, EPS, **OPTIONS),
    "dpm_3m": DPMSolver3M(49, EPS, **OPTIONS),
    "flow": ProbabilityFlow(
        Adaptive(1e-5, 1e-5), LogRhoFlow(), EPS, denoise=False, log_prob=True, num_steps=48
    ),
}


@functools.cache
def drawn(name, law_name, sde_name="vp"):
    law, sde = LAWS[law_name], SDES[sde_name]()
    log_density = law.log_density_fn(sde)

    def one(key):
        prior_key, path_key = jax.random.split(key)
        z = sde.prior_sample(prior_key, law.shape)
        found = SAMPLERS[name](BoundModel(sde, law.score_fn(sde)), z, path_key)
        # The flow of an exact score begins at p_T, and the sampler at the prior.
        start = log_density(z, sde.t_max) - sde.prior_log_prob(z)
        return found, log_density(found.x, EPS) - start

    return jax.device_get(tiny.optimized(jax.vmap(one))(jax.random.split(jax.random.key(1), COUNT)))


@pytest.mark.parametrize(
    ("name", "law", "sde"),
    [*((name, "mixture", "vp") for name in SAMPLERS), ("dpm_2m", "images", "ve")],
)
def test_log_density_is_that_of_the_law_within_its_errors(name, law, sde):
    found, want = drawn(name, law, sde)
    assert found.ok.all()
    density, errors = found.density, found.density.nats - want
    inside = np.abs(errors) <= 3 * density.standard_error + np.abs(density.discretization) + 2e-3
    assert inside.mean() >= 0.98
    # On average random signs leave nothing.
    spread = np.sqrt(np.mean(density.standard_error**2) / COUNT)
    assert abs(errors.mean()) <= 4 * spread + 0.5 * np.mean(np.abs(density.discretization)) + 2e-3
    assert errors.std() <= 1.3 * np.sqrt(np.mean(density.standard_error**2)) + 0.02


REFUSED = {
    "mean": lambda: Heun(20, EPS, log_prob=True),
    "noise": lambda: DDIM(20, EPS, eta=0.5, **OPTIONS),
    "churn": lambda: Heun(20, EPS, churn=1.0, **OPTIONS),
    "sde": lambda: DPMSolverSDE(20, EPS, **OPTIONS),
    "few": lambda: DPMSolver2M(7, EPS, **OPTIONS),
    "flow": lambda: ProbabilityFlow(Adaptive(1e-5, 1e-5), LogRhoFlow(), EPS, log_prob=True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_at_the_end_of_the_flow_has_no_density(name):
    with pytest.raises(ValueError, match="log_prob"):
        REFUSED[name]()


def test_samples_are_those_that_are_drawn_without_densities():
    law, sde, z = LAWS["mixture"], SDES["vp"](), jnp.linspace(-1, 1, 16)
    for name, extra in {"heun": 1, "dpm_2m": 1}.items():
        bare = replace(SAMPLERS[name], log_prob=False)
        a, b = (
            jax.jit(lambda z, each=each: each(BoundModel(sde, law.score_fn(sde)), z, KEY))(z)
            for each in (bare, SAMPLERS[name])
        )
        np.testing.assert_allclose(a.x, b.x, rtol=1e-5, atol=1e-6)
        assert (a.density is None, b.nfe - a.nfe) == (True, extra)


@pytest.mark.parametrize(("sampler", "noises"), [(DDIM(4, EPS), 0), (DDIM(4, EPS, eta=0.1), 1)])
def test_noise_is_drawn_only_where_it_is_used(sampler, noises):
    law, sde = LAWS["mixture"], SDES["vp"]()
    sample = lambda z: sampler(BoundModel(sde, law.score_fn(sde)), z, KEY)  # noqa: E731
    assert str(jax.make_jaxpr(sample)(jnp.zeros(16))).count("erf_inv") == noises
