"""Tests of single steps and whole flows against the official score_flow code, with its noise."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import BoundModel
from gradlog.ode import Adaptive, TimeFlow
from gradlog.sampling import (
    Ancestral,
    AnnealedLangevinDynamics,
    EulerMaruyama,
    Langevin,
    ProbabilityFlow,
    ReverseDiffusion,
)
from gradlog.sde_lib import DDPM, SDES
from tests.likelihood.official_likelihoods import network

GOLDEN = Path(__file__).parents[1] / "golden"
with np.load(GOLDEN / "sde_grid.npz") as stored:
    SIGMAS = stored["ve/discrete_sigmas"].astype(np.float64)
TIMES = ("0.7", "0.05")
STEP = 1e-3  # of the official code's 1000
TOLERANCE = 2e-6  # of the largest pixel; the issue asks for 1e-4


@functools.cache
def golden(name):
    with np.load(GOLDEN / f"samplers_{name}.npz") as arrays:
        return dict(arrays)


@functools.cache
def batched_score(name):
    return jax.jit(jax.vmap(network(name).score, (0, None)))


@functools.cache
def score_at(name, t):
    """Return the score of the trained network at the stored points."""
    return batched_score(name)(golden(name)["x"], jnp.float32(t))


def assert_close(got, want, tolerance=TOLERANCE):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def predicted(predictor, sde, name, t):
    """Return the step from t, and its mean, with the stored noise."""
    arrays = golden(name)

    def one(x, score, z):
        model = BoundModel(sde, lambda *_: score)
        mean, std = predictor.mean_and_std(model, x, jnp.float32(t), jnp.float32(t - STEP))
        return mean + std * z, mean

    return jax.vmap(one)(arrays["x"], score_at(name, t), arrays["predictor_noise"])


def check(got, name, t, key):
    x, mean = got
    assert_close(x, golden(name)[f"t{t}/{key}/x"])
    assert_close(mean, golden(name)[f"t{t}/{key}/x_mean"])


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("probability_flow", [False, True])
@pytest.mark.parametrize("name", ["vp", "subvp"])
def test_euler_maruyama_equals_the_official_step(name, probability_flow, t):
    got = predicted(EulerMaruyama(probability_flow), SDES[name](), name, float(t))
    check(got, name, t, "euler_maruyama" + "_pf" * probability_flow)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("probability_flow", [False, True])
def test_reverse_diffusion_of_the_chain_equals_the_official_one_of_vp(probability_flow, t):
    got = predicted(ReverseDiffusion(probability_flow), DDPM(), "vp", float(t))
    check(got, "vp", t, "reverse_diffusion" + "_pf" * probability_flow)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("probability_flow", [False, True])
def test_euler_maruyama_equals_the_official_reverse_diffusion_of_subvp(probability_flow, t):
    got = predicted(EulerMaruyama(probability_flow), SDES["subvp"](), "subvp", float(t))
    check(got, "subvp", t, "reverse_diffusion" + "_pf" * probability_flow)


@pytest.mark.parametrize("t", TIMES)
def test_ancestral_step_of_the_chain_with_beta_equals_the_official_one_of_vp(t):
    check(predicted(Ancestral("beta"), DDPM(), "vp", float(t)), "vp", t, "ancestral_sampling")


@functools.cache
def corrections(corrector, sde):
    """Return a function of points, noise and two times: two steps, and the mean of the last."""
    model = network("vp").replace(process=sde)

    def one(x, noises, t, t_next):
        mean = x
        for z in noises:
            x, mean = corrector.step(model, x, t, t_next, z)
        return x, mean

    return jax.jit(jax.vmap(one, in_axes=(0, 1, None, None), axis_name="batch"))


def corrected(corrector, sde, t):
    """Return two steps with the stored noise and batch norms, and the mean of the last."""
    arrays, times = golden("vp"), (jnp.float32(t), jnp.float32(t - STEP))
    return corrections(corrector, sde)(arrays["x"], arrays["corrector_noise"], *times)


@pytest.mark.parametrize("t", TIMES)
def test_langevin_of_the_chain_with_batch_norms_equals_the_official_one(t):
    corrector = Langevin(float(golden("vp")["snr"]), norm_axes=("batch",))
    x, mean = corrected(corrector, DDPM(), float(t))
    # The step's factor is a difference of float32 logarithms.
    assert_close(x, golden("vp")[f"t{t}/langevin/x"], 1e-5)
    assert_close(mean, golden("vp")[f"t{t}/langevin/x_mean"], 1e-5)


@pytest.mark.parametrize("t", TIMES)
def test_annealed_langevin_steps_equal_the_official_ones(t):
    """With the alpha of VP, whose ``exp(-beta_i)`` is their ``1 - beta_i`` to 1e-4 of a step."""
    corrector = AnnealedLangevinDynamics(float(golden("vp")["snr"]))
    x, mean = corrected(corrector, SDES["vp"](), float(t))
    assert_close(x, golden("vp")[f"t{t}/ald/x"], 5e-5)
    assert_close(mean, golden("vp")[f"t{t}/ald/x_mean"], 5e-5)


# The two processes differ in scalars alone.
@pytest.mark.parametrize("name", ["vp", pytest.param("subvp", marks=pytest.mark.slow)])
def test_flow_from_a_stored_latent_gives_the_official_sample(name):
    """The official sample is SciPy's RK45 at 1e-5 with float32 networks, so its error remains.

    SciPy's solver, run again on this flow at the same tolerance, takes one step less and ends at
    2e-3 (VP) and 3e-3 (sub-VP) from it, in units where images lie in [0, 1]. The exact solution
    lies at 5e-3 and 8e-3, for every coordinate of the solver.
    """
    model = network(name)
    sampler = ProbabilityFlow(Adaptive(1e-5, 1e-5), TimeFlow(), eps=1e-3, denoise=False)
    run = jax.jit(jax.vmap(lambda z: sampler(model, z, jax.random.key(0)).x))
    got = (run(golden(name)["ode/latent"]) + 1) / 2
    error = np.abs(got - golden(name)["ode/denoise0/sample"])
    assert error.max() < 1e-2
    assert np.sqrt(np.mean(error**2)) < 2e-3


@pytest.mark.parametrize(
    ("predictor", "sde", "name"),
    [(ReverseDiffusion(), DDPM(), "vp"), (EulerMaruyama(), SDES["subvp"](), "subvp")],
)
def test_official_last_step_of_the_flow_is_the_mean_of_a_predictor(predictor, sde, name):
    """From eps to ``eps - 1/1000 = 0``."""
    model = network(name).replace(process=sde)
    x = 2 * golden(name)["ode/denoise0/sample"] - 1
    times = jnp.float32(STEP), jnp.float32(0)
    step = jax.vmap(lambda x: predictor.mean_and_std(model, x, *times)[0])
    got = (jax.jit(step)(x) + 1) / 2
    np.testing.assert_allclose(got, golden(name)["ode/denoise1/sample"], rtol=0, atol=2e-6)


# --- VE, by the official formulas on its ladder -----------------------------------------------


@pytest.mark.parametrize("i", [1, 50, 699, 999])
def test_steps_on_ve_equal_those_of_the_official_ladder(i):
    """Level i is at the time ``i/999``; ancestral steps have the posterior variance there."""
    x, score = np.array([0.3, -1.2, 2.0]), np.array([-1.0, 0.5, 0.2])
    sigma, adjacent = SIGMAS[i], SIGMAS[i - 1]
    G2 = sigma**2 - adjacent**2
    with jax.enable_x64(True):
        step = (BoundModel(SDES["ve"](), lambda *_: score), x, i / 999, (i - 1) / 999)
        predictors = ReverseDiffusion(), ReverseDiffusion(True), Ancestral("posterior")
        found = [map(np.asarray, predictor.mean_and_std(*step)) for predictor in predictors]
    (reverse, reverse_std), (flow, flow_std), (ancestral, ancestral_std) = found
    # The ladder is stored in float32, of which a rung's step keeps four digits.
    close = functools.partial(np.testing.assert_allclose, rtol=3e-4)
    close(reverse - x, G2 * score)
    close(ancestral - x, G2 * score)
    close(flow - x, 0.5 * G2 * score)
    close(reverse_std, np.sqrt(G2))
    close(ancestral_std, np.sqrt(adjacent**2 * G2 / sigma**2))
    assert flow_std == 0


@pytest.mark.parametrize("i", [1, 999])
def test_langevin_factor_on_ve_is_one(i):
    x, score, z = np.array([0.3, -1.2]), np.array([-3.0, 0.5]), np.array([0.2, 0.1])
    with jax.enable_x64(True):
        step = (BoundModel(SDES["ve"](), lambda *_: score), x, i / 999, (i - 1) / 999, z)
        moved, mean = map(np.asarray, Langevin(0.16).step(*step))
        annealed = np.asarray(AnnealedLangevinDynamics(1e-3).step(*step)[1])
    size = 2 * (0.16 * np.linalg.norm(z) / np.linalg.norm(score)) ** 2
    np.testing.assert_allclose(mean, x + size * score, rtol=1e-12)
    np.testing.assert_allclose(moved - mean, np.sqrt(2 * size) * z, rtol=1e-12)
    np.testing.assert_allclose(annealed - x, 2 * (1e-3 * SIGMAS[i]) ** 2 * score, rtol=1e-5)
