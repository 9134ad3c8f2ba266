"""Tests that samplers with an exact score sample the distribution of the data."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.likelihood import Exact, ODELikelihood
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sampling import (
    CORRECTORS,
    DDIM,
    PREDICTORS,
    SAMPLERS,
    AnnealedLangevinDynamics,
    DPMSolver2M,
    DPMSolver3M,
    DPMSolverSDE,
    Heun,
    Langevin,
    LogSNRSchedule,
    NoCorrector,
    PredictorCorrector,
    ProbabilityFlow,
)
from gradlog.sde_lib import SDES

DIMS, COUNT, STEPS, EPS = 32, 1000, 300, 1e-3
_MEANS = np.where(np.arange(DIMS) == 0, 1.0, [[0.5], [-0.5]])  # both components begin with 1
MIXTURE = GaussianMixture(
    weights=jnp.array([0.3, 0.7]),
    means=jnp.asarray(_MEANS, jnp.float32),
    stds=jnp.array([0.1, 0.2]),
)
GAUSSIAN = Gaussian(mean=jnp.array([-1.0, 0.0, 0.5]), std=jnp.array([0.1, 0.4, 1.0]))
CHOICES = {
    "ald": AnnealedLangevinDynamics(snr=0.05),
    "langevin": Langevin(snr=0.05),
    "none": NoCorrector(),
}
STEPPING = sorted(PREDICTORS.keys() - {"none"})
FINE = {"schedule": LogSNRSchedule()}
GRID = {
    "ddim": DDIM(STEPS, EPS, **FINE),
    "heun": Heun(40, EPS, **FINE, churn=5.0),
    "dpm_2m": DPMSolver2M(60, EPS, **FINE),
    "dpm_3m": DPMSolver3M(60, EPS, **FINE),
    "dpm_sde": DPMSolverSDE(100, EPS, **FINE),
}


def predictor_corrector(predictor, corrector="none", steps=STEPS, **options):
    # Even in t, 300 ancestral steps with the posterior's variance lose a sixth of a std of 0.1.
    fine = FINE if predictor == "ancestral" else {}
    parts = (PREDICTORS[predictor](), CHOICES[corrector])
    return PredictorCorrector(*parts, steps, EPS, **fine, **options)


def flow(**options):
    return ProbabilityFlow(Adaptive(1e-5, 1e-5), LogRhoFlow(), eps=1e-4, **options)


# test_laws.py has the law of each predictor and of each sampler with noise, test_orders.py has the
# errors of those without. So here are both correctors, and one sampler without noise on each of a
# process that keeps the variance and one that explodes.
SAMPLER_AND_SDE = [
    (predictor_corrector("reverse_diffusion", "langevin"), "vp"),
    (predictor_corrector("ancestral", "ald"), "vp"),
    (flow(), "vp"),
    (GRID["dpm_2m"], "ve"),
]


@functools.cache
def compiled(sampler, sde_name: str):
    """Return a function of keys that samples the mixture."""
    sde = SDES[sde_name]()

    def one(key):
        prior_key, path_key = jax.random.split(key)
        z = sde.prior_sample(prior_key, MIXTURE.shape)
        return sampler(BoundModel(sde, MIXTURE.score_fn(sde)), z, path_key)

    return tiny.optimized(jax.vmap(one))


@functools.cache
def draw(sampler, sde_name: str):
    keys = jax.random.split(jax.random.key(0), COUNT)
    return jax.device_get(compiled(sampler, sde_name)(keys))


def named(value):
    if isinstance(value, PredictorCorrector):
        return f"{named(value.predictor)}-{named(value.corrector)}"
    return value if isinstance(value, str) else type(value).__name__


def test_every_registered_part_is_tested():
    langevin = {"annealed_langevin", "langevin"}  # in test_langevin.py
    here = {"predictor_corrector", "probability_flow", *GRID}
    assert SAMPLERS.keys() - langevin == here
    assert CORRECTORS.keys() == CHOICES.keys()


@pytest.mark.parametrize(("sampler", "sde"), SAMPLER_AND_SDE, ids=named)
def test_samples_of_a_mixture_have_its_weights_means_and_covariances(sampler, sde):
    got = draw(sampler, sde)
    assert np.all(got.ok)
    distance = np.sum((got.x[:, None] - _MEANS) ** 2, axis=-1)
    which = np.argmin(distance, axis=1)
    # Four standard errors of a share, a mean, a variance; and 7 per cent of variance for the steps
    # of first order (measured: 6 with 300 steps, half of it with 600) and for Langevin's.
    assert abs(np.mean(which == 0) - 0.3) < 4 * np.sqrt(0.21 / COUNT)
    for k in (0, 1):
        residual = (got.x[which == k] - _MEANS[k]) / np.asarray(MIXTURE.stds)[k]
        n = len(residual)
        assert np.abs(residual.mean(axis=0)).max() < 4.5 / np.sqrt(n)
        assert abs(np.mean(residual**2) - 1) < 0.07 + 4 * np.sqrt(2 / residual.size)
        products = residual.T @ residual / n - np.diag(np.mean(residual**2, axis=0))
        assert np.abs(products).max() < 5.5 / np.sqrt(n)


# One with a corrector, which has the norms of one example; and one whose steps adapt to it.
@pytest.mark.parametrize("sampler", [SAMPLER_AND_SDE[0][0], flow()], ids=named)
def test_sample_does_not_depend_on_its_batch_mates(sampler):
    keys = jax.random.split(jax.random.key(0), COUNT)
    together = draw(sampler, "vp")
    mates = jax.random.split(jax.random.key(5), COUNT)
    other = compiled(sampler, "vp")(mates.at[0].set(keys[0]))
    np.testing.assert_array_equal(other.x[0], together.x[0])
    assert other.nfe[0] == together.nfe[0]


def test_flow_is_a_function_of_z_and_inverts_encoding():
    sde, eps, coordinate = SDES["vp"](), 1e-3, TimeFlow()
    score_fn = GAUSSIAN.score_fn(sde)
    solver = Adaptive(1e-6, 1e-6)
    encode = ODELikelihood(solver, coordinate, Exact(), eps)
    decode = ProbabilityFlow(solver, coordinate, eps, denoise=False)

    @jax.jit
    def there_and_back(x, key):
        z = encode(BoundModel(sde, score_fn), x[None], key[None]).latent[0]
        keys = jax.random.split(key)
        return z, jax.vmap(lambda key: decode(BoundModel(sde, score_fn), z, key))(keys)

    x = jnp.array([-0.9, 0.7, -1.0])
    z, back = there_and_back(x, jax.random.key(0))
    np.testing.assert_array_equal(back.x[0], back.x[1])
    # The tolerance of the solver, there and back, of a state of size rho = 150 at t_max.
    np.testing.assert_allclose(back.x[0], x, rtol=0, atol=1e-3)
    assert not np.allclose(z, x, atol=0.1)


def test_flow_counts_its_evaluations_and_denoises():
    sde, score_fn = SDES["vp"](), GAUSSIAN.score_fn(SDES["vp"]())

    @jax.jit
    def both(z):
        return [
            flow(denoise=d)(BoundModel(sde, score_fn), z, jax.random.key(0)) for d in (False, True)
        ]

    raw, clean = both(jnp.array([0.3, -1.0, 2.0]))
    assert int(clean.nfe) == int(raw.nfe) + 1
    # E[x0 | x] of a Gaussian.
    alpha, sigma = sde.alpha(1e-4), sde.sigma(1e-4)
    gain = alpha * GAUSSIAN.std**2 / ((alpha * GAUSSIAN.std) ** 2 + sigma**2)
    want = GAUSSIAN.mean + gain * (raw.x - alpha * GAUSSIAN.mean)
    np.testing.assert_allclose(clean.x, want, rtol=0, atol=1e-6)


COUNTED = [
    (predictor_corrector("euler_maruyama", "langevin", steps=3), 6),
    (predictor_corrector("none", "ald", steps=3), 4),
    (predictor_corrector("ancestral", "none", steps=3, denoise=False), 2),
    (DDIM(3, EPS, denoise=False), 3),
    (DPMSolver3M(3, EPS), 4),
    (Heun(3, EPS, churn=1.0), 7),
]  # test_langevin.py has those of Langevin dynamics


@pytest.mark.parametrize(("sampler", "expected"), COUNTED, ids=named)
def test_sampler_knows_its_score_evaluations_beforehand(sampler, expected):
    evaluations, z = [], jnp.ones(3)

    def score_fn(x, t):
        jax.debug.callback(lambda _: evaluations.append(1), t)
        return -x

    run = jax.jit(lambda key: sampler(BoundModel(SDES["vp"](), score_fn), z, key))
    got = jax.block_until_ready(run(jax.random.key(0)))
    jax.effects_barrier()
    assert sampler.evaluations == int(got.nfe) == len(evaluations) == expected


def test_adaptive_flow_does_not_know_its_evaluations_beforehand():
    assert flow().evaluations is None


@pytest.mark.parametrize("predictor", STEPPING)
def test_denoising_removes_the_noise_of_the_last_step(predictor):
    """With one step from t_max to eps, the noise of that step is the only noise.

    For a point mass at the origin the posterior mean is the origin for every noise.
    """
    sde, z = SDES["ve"](), jnp.ones(2000)

    @jax.jit
    def run(key):
        samplers = (predictor_corrector(predictor, steps=2, denoise=d) for d in (True, False))
        return [s(BoundModel(sde, lambda x, t: -x / sde.sigma(t) ** 2), z, key).x for s in samplers]

    clean, noise = run(jax.random.key(0))
    assert np.abs(clean).max() < 1e-6 * np.abs(noise).max()
    _, g2 = sde.drift_and_diffusion(1.0)
    ratio2 = (sde.sigma(EPS) / sde.sigma(1.0)) ** 2
    variance = {
        "ancestral": sde.sigma(EPS) ** 2 * (1 - ratio2),
        "euler_maruyama": g2 * (1 - EPS),
        "reverse_diffusion": sde.sigma(1.0) ** 2 - sde.sigma(EPS) ** 2,
    }[predictor]
    # Four standard errors of a variance from 2000 draws.
    np.testing.assert_allclose(np.var(noise), variance, rtol=4 * np.sqrt(2 / 2000))


def test_non_finite_sample_is_not_ok():
    sampler = predictor_corrector("euler_maruyama", steps=2)
    got = sampler(
        BoundModel(SDES["vp"](), lambda x, t: x * jnp.nan), jnp.ones(2), jax.random.key(0)
    )
    assert not got.ok
