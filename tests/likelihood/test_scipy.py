"""Tests of the estimator of the published codes, against official numbers on known scores."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from known_laws import EPS, LAWS, draw, exact_prior, keys, log_density64
from official_likelihoods import bits_per_dim, give_probes
from test_likelihood_golden import GOLDEN, gaussian, mixture

from gradlog.likelihood import (
    AsSample,
    Noised,
    OneDraw,
    Rademacher,
    SciPyLikelihood,
    runs_on_host,
    scipy_ode,
)
from gradlog.likelihood.scipy_ode import right_hand_side, solve
from gradlog.models import BoundModel, Continuous
from gradlog.sde_lib import SDES

CASES = {f"gauss_{sde}": (gaussian, sde) for sde in ("vp", "subvp", "ve")}
CASES |= {f"gmm_vp/eps_{signs}": (mixture, "vp") for signs in ("pp", "pm", "rand")}


@functools.cache
def model_of(law, sde_name: str):
    sde = SDES[sde_name]()
    return BoundModel(sde, law().score_fn(sde))


@pytest.mark.parametrize("tolerance", [1e-5, 1e-3])
@pytest.mark.parametrize("case", CASES)
def test_bits_of_analytic_scores_equal_the_official_ones(case, tolerance, monkeypatch):
    give_probes(monkeypatch, GOLDEN[f"{case}/epsilon"])
    estimate = SciPyLikelihood(tolerance, tolerance, float(GOLDEN["eps_time"]), AsSample())
    x = jnp.asarray(GOLDEN[f"{case.split('/')[0]}/x"])
    got = estimate(model_of(*CASES[case]), x, keys(len(x)))
    run = case if tolerance == 1e-5 else f"{case}/tol{tolerance:g}"
    assert np.all(got.ok)
    np.testing.assert_allclose(bits_per_dim(got), GOLDEN[f"{run}/bpd"], rtol=0, atol=1e-4)
    # Five per cent, or one step of six: the second step is as long as the rounding of the first
    # lets it be. (Sub-VP: 68 for 62 in float32, 62 in float64.)
    assert abs(got.nfe[0] - GOLDEN[f"{run}/nfe"]) <= max(6, 0.05 * GOLDEN[f"{run}/nfe"])
    np.testing.assert_allclose(got.latent, GOLDEN[f"{run}/z"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sde_name", ["straight", "ve"])
def test_log_density_of_a_gaussian_is_exact(sde_name):
    """Its flow is linear with a diagonal matrix, so one probe of signs is exact."""
    law, sde = LAWS["gaussian"], SDES[sde_name]()
    estimate = SciPyLikelihood(1e-6, 1e-6, EPS, AsSample(), exact_prior(law, sde))
    xs = draw(law, sde, EPS, count=4)
    got = estimate(BoundModel(sde, law.score_fn(sde)), xs, keys(4))
    truth = log_density64(law, xs, lambda: sde.alpha(EPS), lambda: sde.sigma(EPS))
    # In t, the rounding of float32 costs 6e-4 nats per dimension.
    np.testing.assert_allclose(got.nats, truth, rtol=0, atol=6e-4 * 12)
    assert set(got.parts) == {"prior", "divergence", "volume", "eps"}
    assert np.all(got.parts["eps"] == 0)
    assert np.all(np.isnan(got.errors["probes"]))


def plane(start=AsSample(), tolerance=1e-5):  # noqa: B008
    return SciPyLikelihood(tolerance, tolerance, 1e-2, start)


@functools.cache
def of_plane():
    sde = SDES["vp"]()
    return sde, Partial(LAWS["plane"].score_fn(sde)), draw(LAWS["plane"], sde, 1e-2, count=6)


def test_probes_depend_on_the_keys_and_are_fixed_along_the_path():
    _, _, xs = of_plane()
    signs = scipy_ode.random_signs(keys(6), xs)
    np.testing.assert_array_equal(np.abs(signs), 1)
    own = jax.jit(jax.vmap(lambda key: Rademacher(1).draw(key, (2,))[0]))
    np.testing.assert_array_equal(signs, own(keys(6)))


def test_mean_over_all_signs_has_the_exact_trace(monkeypatch):
    sde, score, xs = of_plane()
    prior = exact_prior(LAWS["plane"], sde)
    estimate = dataclasses.replace(plane(tolerance=1e-6), prior_log_prob=prior)
    found = []
    for signs in ([1.0, 1.0], [1.0, -1.0]):
        give_probes(monkeypatch, np.tile(signs, (6, 1)))
        found.append(estimate(BoundModel(sde, score), xs, keys(6)).nats)
    assert np.abs(found[0] - found[1]).max() > 1e-2
    truth = log_density64(LAWS["plane"], xs, lambda: sde.alpha(1e-2), lambda: sde.sigma(1e-2))
    # In t, the rounding of float32 costs 6e-4 nats per dimension.
    np.testing.assert_allclose((found[0] + found[1]) / 2, truth, rtol=0, atol=2 * 6e-4)


def test_result_depends_on_batch_mates():
    sde, score, xs = of_plane()
    together, alone = (
        plane()(BoundModel(sde, score), xs, keys(6)),
        plane()(BoundModel(sde, score), xs[:1], keys(6)[:1]),
    )
    assert together.nfe[0] != alone.nfe[0]
    np.testing.assert_allclose(together.nats[0], alone.nats[0], rtol=0, atol=1e-2)
    assert "depends on its batch mates" in " ".join(SciPyLikelihood.__doc__.split())


def test_noised_start_is_in_the_account():
    sde, score, xs = of_plane()
    as_sample, noised = (
        plane()(BoundModel(sde, score), xs, keys(6)),
        plane(Noised())(BoundModel(sde, score), xs, keys(6)),
    )
    assert np.all(noised.parts["eps"] != 0)
    np.testing.assert_array_equal(noised.nfe - noised.jvps, 1)
    np.testing.assert_array_equal(as_sample.nfe, as_sample.jvps)


def test_counted_evaluations_equal_those_made(monkeypatch):
    sde, score, xs = of_plane()
    calls = []

    def counted(*arguments):
        calls.append(1)
        return right_hand_side(*arguments)

    monkeypatch.setattr(scipy_ode, "right_hand_side", counted)
    got = plane()(BoundModel(sde, score), xs, keys(6))
    assert len(calls) == got.nfe[0] + 1  # the check of the first slope


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_batch_with_a_non_finite_image_is_not_ok(bad):
    sde, score, xs = of_plane()
    got = plane()(BoundModel(sde, score), xs.at[2, 0].set(bad), keys(6))
    assert not np.any(got.ok)
    assert np.all(np.isnan(got.latent))


def test_score_that_becomes_infinite_is_not_ok():
    sde, _, xs = of_plane()
    got = plane()(BoundModel(sde, lambda x, t: jnp.where(t < 0.3, -x, jnp.nan)), xs, keys(6))
    assert not np.any(got.ok)


def test_solve_in_float64_is_accurate():
    def field(t, states):
        return -states, states.sum(axis=1)

    xs = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    path = solve(field, xs, (0.0, 1.0), 1e-8, 1e-8)
    np.testing.assert_allclose(path.states, np.exp(-1) * xs, rtol=1e-6)
    np.testing.assert_allclose(path.integrals, (1 - np.exp(-1)) * xs.sum(axis=1), rtol=1e-6)
    assert path.states.dtype == path.integrals.dtype == np.float64
    assert np.all(path.ok)


def test_one_compiled_program_serves_all_parameters():
    sde, _, xs = of_plane()
    linear = lambda scale, x, t: -scale * x  # noqa: E731
    before = right_hand_side._cache_size()
    for scale in (0.5, 1.0, 2.0):
        plane()(BoundModel(sde, Partial(linear, scale)), xs, keys(6))
    assert right_hand_side._cache_size() == before + 1


def test_one_draw_dequantizes_first():
    sde, score, xs = of_plane()
    stored = OneDraw(plane())
    assert runs_on_host(stored)
    got = stored(BoundModel(sde, score, Continuous()), xs, keys(6))
    assert set(got.parts) == {"prior", "divergence", "volume", "eps", "dequantization"}


def test_tightened_divides_the_tolerances_by_ten():
    tighter = plane().tightened()
    np.testing.assert_allclose([tighter.rtol, tighter.atol], 1e-6)
    assert dataclasses.replace(tighter, rtol=1e-5, atol=1e-5) == plane()
