"""Tests of samplers where each dimension has noise levels of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import per_dimension
import pytest
from per_dimension import PROCESS, bent, model
from tiny import optimized

from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sampling import (
    DDIM,
    Ancestral,
    AnnealedLangevinDynamics,
    DPMSolver2M,
    EulerMaruyama,
    Heun,
    KarrasSchedule,
    LangevinDynamics,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ProbabilityFlow,
)
from gradlog.sde_lib import check_process

PATH = PROCESS.bind(bent())
COUNT, STEPS = 4000, 100


def predictor_corrector(predictor, corrector=None) -> PredictorCorrector:
    return PredictorCorrector(predictor, corrector or NoCorrector(), STEPS, 0.0)


# Their errors are of first order in the step, but for Heun's and the solver's.
SAMPLERS = {
    "euler": predictor_corrector(EulerMaruyama()),
    "corrected": predictor_corrector(Ancestral(), AnnealedLangevinDynamics()),
    "ddim_noise": DDIM(STEPS, 0.0, eta=1.0),
    "heun": Heun(STEPS // 4, 0.0),
    "flow": ProbabilityFlow(Adaptive(1e-4, 1e-4), TimeFlow(), 0.0),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_moments_of_the_data(name):
    """Started from the marginal of the last time, whose prior is N(0, I) only nearly."""
    check_process(SAMPLERS[name], PROCESS)
    mean, covariance = per_dimension.marginal(PATH, 1.0)
    z = jax.random.normal(jax.random.key(0), (COUNT, 2)) @ jnp.linalg.cholesky(covariance).T + mean
    draw = optimized(jax.vmap(lambda z, key: SAMPLERS[name](model(PATH), z, key).x))
    x = draw(z, jax.random.split(jax.random.key(1), COUNT))
    # Four standard errors of the moments of COUNT samples, and 3 % for the steps.
    np.testing.assert_allclose(np.mean(x, 0), per_dimension.MEAN, atol=0.045 + 0.015)
    np.testing.assert_allclose(np.cov(x.T), per_dimension.COVARIANCE, atol=0.045 + 0.03)


@pytest.mark.parametrize(
    "sampler",
    [
        DPMSolver2M(STEPS, 0.0),
        DDIM(STEPS, 0.0, schedule=LogSNRSchedule()),
        DDIM(STEPS, 0.0, denoise=False, log_prob=True),
        Heun(STEPS, 0.0, churn=1.0),
        PredictorCorrector(Ancestral(), NoCorrector(), STEPS, 0.0, schedule=KarrasSchedule()),
        ProbabilityFlow(Adaptive(1e-4, 1e-4), LogRhoFlow(), 0.0),
        LangevinDynamics(STEPS, 0.0),
    ],
)
def test_samplers_in_the_log_rho_of_a_scalar_are_refused(sampler):
    with pytest.raises(ValueError, match="Multivariate"):
        check_process(sampler, PROCESS)
