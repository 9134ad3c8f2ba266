"""Tests of the quadrature along the flow against closed forms, and of its standard errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from known_laws import EPS, LAWS, draw, exact_prior, keys, log_density64

from gradlog.distributions import Gaussian
from gradlog.likelihood import Exact, ODELikelihood, Quadrature, Rademacher
from gradlog.likelihood.quadrature import every_other, gregory
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, ExponentialMultistep, Fixed, LogRhoFlow
from gradlog.sde_lib import SDES

# The rule meets a process in the path alone, of which test_ode_truth.py has one of each kind.
SOLVER = Adaptive(1e-6, 1e-6)
REPEATS = 200
ANY_ERROR = np.inf  # needs no further rounds


@functools.cache
def compiled(law_name, sde_name, divergence, intervals=24, solver=SOLVER):
    law, sde = LAWS[law_name], SDES[sde_name]()
    score, prior = law.score_fn(sde), exact_prior(law, sde)

    def run(xs, keys, target):
        estimate = Quadrature(
            *(solver, divergence, EPS, intervals), standard_error=target, prior_log_prob=prior
        )
        return estimate(BoundModel(sde, score), xs, keys)

    return jax.jit(run)


def truth(law_name, sde_name, xs):
    sde = SDES[sde_name]()
    return log_density64(LAWS[law_name], xs, lambda: sde.alpha(EPS), lambda: sde.sigma(EPS))


@functools.cache
def evaluate(law_name, sde_name, divergence, intervals, solver=SOLVER):
    xs = draw(LAWS[law_name], SDES[sde_name](), EPS)
    got = compiled(law_name, sde_name, divergence, intervals, solver)(xs, keys(), ANY_ERROR)
    return jax.device_get(got), truth(law_name, sde_name, xs)


# --- the rule -------------------------------------------------------------------------------


@pytest.mark.parametrize("intervals", [5, 10, 24, 25])
@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_rule_is_exact_for_cubics(intervals, power):
    nodes = np.linspace(0, 1, intervals + 1)
    np.testing.assert_allclose(gregory(intervals) @ nodes**power, 1 / (power + 1), rtol=1e-12)


def test_rule_is_of_order_four():
    errors = [abs(gregory(n) @ np.exp(np.linspace(0, 1, n + 1)) - (np.e - 1)) for n in (16, 32, 64)]
    assert 14 < errors[0] / errors[1] < 18
    assert 15 < errors[1] / errors[2] < 17


def test_coarse_rule_uses_every_other_node():
    coarse = every_other(2.5 * jnp.asarray(gregory(24)))
    np.testing.assert_allclose(coarse[::2], 2.5 * gregory(12), rtol=1e-6)
    np.testing.assert_array_equal(coarse[1::2], 0)


@pytest.mark.parametrize("intervals", [8, 13])
def test_too_few_or_odd_intervals_raise(intervals):
    with pytest.raises(ValueError, match=f"intervals = {intervals} must be even and at least 10"):
        Quadrature(SOLVER, Exact(), EPS, intervals=intervals)


# --- truth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sde", ["vp", "ve"])
def test_exact_trace_gives_the_log_density(sde):
    """To 1e-4 nats/dim, unless ``discretization`` shows that there are too few nodes.

    A path between two modes turns within less than two nodes: one point of 32.
    """
    got, want = evaluate("mixture", sde, Exact(), 96)
    assert np.all(got.ok)
    np.testing.assert_array_equal(got.standard_error, 0)
    np.testing.assert_array_equal(got.jvps, 97 * 12)
    errors = np.abs(got.nats - want) / 12
    assert np.all(errors <= 1e-4 + np.abs(got.discretization) / 12)
    assert np.mean(errors <= 1e-4) > 0.95


def test_multistep_path_gives_the_log_density_with_one_evaluation_a_node():
    """To 1e-4 nats/dim at nearly all points; to 1e-3 where no more nodes are asked for."""
    got, want = evaluate("mixture", "vp", Exact(), 96, ExponentialMultistep())
    np.testing.assert_array_equal(got.nfe, 97 + 3 * 3)
    errors = np.abs(got.nats - want) / 12
    assert np.all((errors <= 1e-3) | got.refine)
    assert np.mean(errors <= 1e-4) > 0.9
    assert np.sum(got.refine) <= 1


def test_examples_whose_path_needs_more_nodes_are_marked_and_no_other_path_is_wrong():
    got, _ = evaluate("mixture", "vp", Exact(), 24, ExponentialMultistep())
    adaptive, _ = evaluate("mixture", "vp", Exact(), 24)  # the same nodes on a path to 1e-6
    errors = np.abs(got.nats - adaptive.nats) / (12 * np.log(2))
    assert 0 < got.refine.sum() < len(errors)
    assert errors[~got.refine].max() < 0.01
    assert errors[got.refine].max() > 0.01
    assert not adaptive.refine.any()


def test_last_refinement_changes_more_than_the_remaining_error():
    coarse, want = evaluate("mixture", "vp", Exact(), 24)
    errors, said = coarse.nats - want, coarse.discretization
    # On average: at single points the two may cancel. 1e-5 nats/dim is the rounding of float32.
    assert np.sqrt(np.mean(errors**2)) <= np.sqrt(np.mean(said**2)) + 12e-5


def test_probes_give_the_log_density_within_its_standard_error():
    """The expectation is the exact trace at the same nodes."""
    got, _ = evaluate("mixture", "vp", Rademacher(1), 96)
    exact, want = evaluate("mixture", "vp", Exact(), 96)
    errors = (got.nats - exact.nats) / np.maximum(got.standard_error, 1e-4)
    # 32 independent errors, standard normal up to the spread of the standard errors.
    assert abs(errors.mean()) < 4 / np.sqrt(32)
    assert errors.std() < 1 + 4 / np.sqrt(64)
    assert np.mean(np.abs(got.nats - want) <= 3 * got.standard_error + 12e-4) > 0.9


LARGE = {
    "ode": lambda **ends: ODELikelihood(SOLVER, LogRhoFlow(), Rademacher(1), EPS, **ends),
    "quadrature": lambda **ends: Quadrature(SOLVER, Rademacher(1), EPS, 96, **ends),
}


@pytest.mark.parametrize(("sde", "name"), [("ve", "ode"), ("vp", "quadrature")])
def test_float32_is_accurate_at_3072_dimensions(sde, name):
    """On a diagonal Gaussian random signs are exact, so that they add no error."""
    process = SDES[sde]()
    law = Gaussian(mean=jnp.zeros(3072), std=jnp.geomspace(0.03, 1.0, 3072))
    xs = draw(law, process, EPS, count=2)
    estimate = LARGE[name](prior_log_prob=exact_prior(law, process))
    run = jax.jit(lambda xs, keys: estimate(BoundModel(process, law.score_fn(process)), xs, keys))
    got = jax.device_get(run(xs, keys(2)))
    total = np.sum([np.float64(part) for part in got.parts.values()], axis=0)
    want = log_density64(law, xs, lambda: process.alpha(EPS), lambda: process.sigma(EPS))
    # Measured: 2.8e-6 nats/dim, of a log determinant of 26,600 nats that float32 knows to 1e-3.
    assert np.abs((total - want) / 3072).max() <= 6e-6


# --- errors ---------------------------------------------------------------------------------


@functools.cache
def repeated(divergence, target, solver=SOLVER):
    """Return estimates at one point for many probes, and with the exact trace."""
    x = draw(LAWS["mixture"], SDES["vp"](), EPS)[:1]
    xs = jnp.tile(x, (REPEATS, 1))
    run = compiled("mixture", "vp", divergence, solver=solver)
    exact, _ = evaluate("mixture", "vp", Exact(), 24, solver)
    return jax.device_get(run(xs, keys(REPEATS, seed=5), target)), exact.nats[0]


# With up to eight further rounds of two draws, and none of one draw.
SETTINGS = [
    (Rademacher(2), ANY_ERROR),
    (Rademacher(2), 0.01),
    (Rademacher(2), 0.0),
    (Rademacher(1), 0.02),
    # Further rounds are where the first was, and not at the corrected states.
    (Rademacher(2), 0.0, ExponentialMultistep()),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_of_95_per_cent_cover_the_expectation(setting):
    """They use Student's t: the variance of a path may come from a few of its nodes."""
    got, expectation = repeated(*setting)
    quantile = scipy.stats.t.ppf(0.975, got.freedom)
    covered = np.abs(got.nats - expectation) <= quantile * got.standard_error
    assert 0.90 <= covered.mean() <= 0.99
    assert abs(np.mean(got.nats - expectation)) < 4 * got.nats.std() / np.sqrt(REPEATS)


def test_rounds_continue_until_the_requested_standard_error():
    nothing, enough, every = (
        repeated(Rademacher(2), target)[0] for target in (ANY_ERROR, 0.01, 0.0)
    )
    in_bits = 12 * np.log(2)
    assert np.mean(nothing.standard_error > 0.01 * in_bits) > 0.1
    # By the other half's first draws: the target is met within their spread, not by each.
    before, after = (np.mean(each.standard_error**2) for each in (nothing, enough))
    assert after < 0.7 * before
    assert np.median(enough.standard_error) / in_bits < 0.01
    assert len(set(enough.jvps)) > 1
    np.testing.assert_array_equal(nothing.jvps, 2 * 2 * 25)
    np.testing.assert_array_equal(every.jvps, 9 * 2 * 2 * 25)
    # Every round has values at the nodes too; the path is the same.
    np.testing.assert_array_equal(every.nfe - nothing.nfe, 8 * 2 * 25)


def test_allocated_probes_reduce_the_error_more_than_uniform_ones():
    """Nine times as many probes as the first round, which are independent."""
    first, _ = repeated(Rademacher(2), ANY_ERROR)
    allotted, _ = repeated(Rademacher(2), 0.0)
    assert allotted.jvps[0] == 9 * first.jvps[0]
    assert allotted.nats.std() < 0.9 * first.nats.std() / np.sqrt(9)


def test_one_draw_per_call_has_no_rounds():
    got, _ = repeated(Rademacher(1), 0.02)
    np.testing.assert_array_equal(got.jvps, 2 * 25)


# --- the path -------------------------------------------------------------------------------


def test_examples_do_not_depend_on_their_batch_mates():
    together, _ = repeated(Rademacher(2), 0.01)
    x = draw(LAWS["mixture"], SDES["vp"](), EPS)[:1]
    far = np.concatenate([x, np.full((REPEATS - 1, 12), 30.0, np.float32)])
    alone = compiled("mixture", "vp", Rademacher(2))(far, keys(REPEATS, seed=5), 0.01)
    assert together.nats[0] == alone.nats[0]
    assert together.nfe[0] == alone.nfe[0] != alone.nfe[1]


@pytest.mark.parametrize("solver", [Adaptive(1e-8, 1e-8), Fixed(50)])
def test_path_runs_through_every_node(solver):
    """The flow of a Gaussian is known: ``y`` in proportion to the standard deviation."""
    grid = jnp.linspace(-2.0, 3.0, 25)
    want = np.sqrt(0.25 + np.exp(2 * np.asarray(grid, np.float64)))

    def field(log_rho, y):
        return y * jnp.exp(2 * log_rho) / (0.25 + jnp.exp(2 * log_rho))

    with jax.enable_x64(True):
        run = jax.jit(lambda *ends: solver.path(field, *ends))
        found = jax.device_get(run(want[:1], np.float64(grid)))
    np.testing.assert_allclose(found.state[:, 0], want, rtol=2e-6)
    assert found.ok
    steps = (found.nfe - 1) // 6
    assert steps == 72 if solver == Fixed(50) else steps >= 24
