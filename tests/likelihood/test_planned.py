"""Tests of the quadrature with planned products: truth, intervals, and where products go."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from known_laws import EPS, LAWS, exact_prior, keys

from gradlog.distributions import natural_images
from gradlog.likelihood import (
    AsSample,
    ImportanceWeighted,
    OneDraw,
    Planned,
    differentiable,
    follow,
    make_exact,
    planner,
)
from gradlog.likelihood.planned import Pilot, color_counts
from gradlog.models import BoundModel
from gradlog.ode import ExponentialMultistep, LogRhoFlow
from gradlog.sde_lib import SDES

REPEATS, INTERVALS = 200, 24
SHAPE = (8, 8, 1)
BITS = 64 * np.log(2)
IMAGES, VP = natural_images(SHAPE), SDES["vp"]()
MODEL = BoundModel(VP, IMAGES.score_fn(VP))
ESTIMATE = Planned(EPS, INTERVALS, prior_log_prob=exact_prior(IMAGES, VP))


@functools.cache
def pilot_of_law():
    """Return the pilot of a Gaussian law as if it had not seen that the Jacobian is the same."""
    found = jax.device_get(jax.jit(lambda: ESTIMATE.measure(MODEL, SHAPE))())
    assert found.same
    return found._replace(same=np.array(False))


@functools.cache
def points(count=REPEATS):
    sample = lambda key: IMAGES.sample_at(key, VP.alpha(EPS), VP.sigma(EPS))  # noqa: E731
    return jax.vmap(sample)(keys(count, seed=7))


@functools.cache
def program():
    return jax.jit(lambda xs, keys, colors: replace(ESTIMATE, node_colors=colors)(MODEL, xs, keys))


@functools.cache
def exact():
    """Return the expectation: the exact trace at the same nodes."""
    estimate = make_exact(*(None, LogRhoFlow(), EPS, AsSample()), path=ExponentialMultistep())
    estimate = replace(estimate, prior_log_prob=ESTIMATE.prior_log_prob)
    return jax.device_get(jax.jit(lambda xs: estimate(MODEL, xs, keys(len(xs))))(points()))


def estimates(colors):
    found = jax.device_get(program()(points(), keys(REPEATS, seed=3), jnp.asarray(colors)))
    return found, found.nats - exact().nats


def plan(target, **changes):
    return replace(ESTIMATE, target=target, **changes).plan(pilot_of_law(), SHAPE)


# --- the estimate ---------------------------------------------------------------------------


def test_nodes_leave_less_than_they_say():
    want = jax.vmap(lambda x: IMAGES.log_density_fn(VP)(x, EPS))(points())
    errors = exact().nats - want
    assert np.all(np.abs(errors) <= np.abs(exact().discretization) + 0.1)
    assert np.abs(errors).max() / BITS <= 0.002
    assert not exact().refine.any()
    np.testing.assert_array_equal(exact().nfe, INTERVALS + 1 + 9)


@pytest.mark.parametrize("target", [1.0, 0.02, 0.01])
def test_intervals_of_95_per_cent_cover_the_expectation(target):
    found, errors = estimates(plan(target))
    quantile = scipy.stats.t.ppf(0.975, found.freedom)
    covered = np.abs(errors) <= quantile * found.standard_error
    assert 0.90 <= covered.mean() <= 0.99
    assert abs(errors.mean()) <= 4 * errors.std() / np.sqrt(REPEATS)


def test_planned_products_reach_the_target_with_one_evaluation_a_node():
    found, errors = estimates(plan(0.02))
    assert np.sqrt(np.mean(errors**2)) / BITS <= 0.02
    np.testing.assert_array_equal(found.nfe, INTERVALS + 1 + 9)
    np.testing.assert_array_equal(found.jvps, plan(0.02).sum())


def test_planned_products_are_better_than_as_many_even_ones():
    found, errors = estimates(plan(0.01))
    evenly, even_errors = estimates(np.full(INTERVALS + 1, 2, np.int32))
    assert found.jvps[0] <= evenly.jvps[0]
    assert errors.std() < 0.5 * even_errors.std()


def test_as_many_colors_as_dimensions_are_exact():
    law = LAWS["gaussian"]
    model = BoundModel(VP, law.score_fn(VP))
    colors = jnp.full(97, 12)
    exact = Planned(EPS, 96, node_colors=colors, prior_log_prob=exact_prior(law, VP))
    xs = law.sample_at(jax.random.key(1), VP.alpha(EPS), VP.sigma(EPS))[None]
    found = jax.device_get(jax.jit(lambda xs: exact(model, xs, keys(1)))(xs))
    np.testing.assert_allclose(found.nats[0], law.log_density_fn(VP)(xs[0], EPS), atol=2e-3)
    assert (found.standard_error[0], found.freedom[0]) == (0, np.inf)


# --- the plan -------------------------------------------------------------------------------


def test_products_go_where_the_variance_is_and_no_further_than_the_target():
    none, some, most = plan(1e3), plan(0.01), plan(0.001)
    assert set(none) == {1}
    assert set(most) <= set(color_counts(SHAPE))
    assert most.sum() > some.sum() > none.sum()
    loudest = np.argmax(pilot_of_law().variances[:, 0])
    assert some[loudest] == some.max() > some[-1] == 1


def test_the_mean_of_many_images_needs_fewer_products():
    assert plan(0.005, target_of="mean", examples=4).sum() == plan(0.01).sum()


def test_numbers_of_colors_split_channels_evenly():
    assert color_counts((8, 8, 3)) == (1, 3, 6, 12, 24, 48, 192)
    assert color_counts((16, 16, 3)) == (1, 3, 6, 12, 24, 48)
    assert color_counts((5,)) == (1, 2, 4, 5)


def test_the_trace_is_exact_where_a_plan_would_have_half_of_its_products():
    """The least error needs nearly as many; one product is half of two dimensions."""
    assert plan(0.0).size == 0
    assert plan(0.02).sum() < 0.5 * 64 * (INTERVALS + 1)
    two = Pilot(np.zeros((25, 2)), np.array(False))
    assert ESTIMATE.plan(two, (2,)).size == 0
    assert set(ESTIMATE.plan(Pilot(np.zeros((25, 3)), np.array(False)), (3,))) == {1}


def test_the_trace_is_exact_where_the_jacobian_is_the_same_everywhere():
    """It is for Gaussian data of few dimensions, and not for a mixture."""
    pilot = pilot_of_law()._replace(same=np.array(True))
    assert ESTIMATE.plan(pilot, SHAPE).size == 0
    many = Pilot(np.zeros((25, 6)), np.array(True))
    assert set(ESTIMATE.plan(many, (16, 16, 3))) == {1}
    model = BoundModel(VP, LAWS["mixture"].score_fn(VP))
    assert not jax.jit(lambda: Planned(EPS).measure(model, (12,)).same)()


def test_an_exact_plan_is_the_exact_trace_at_the_same_nodes():
    found = jax.device_get(program()(points(), keys(REPEATS), jnp.zeros(0, int)))
    np.testing.assert_allclose(found.nats, exact().nats, rtol=0, atol=2e-3)
    np.testing.assert_array_equal(found.jvps, 64 * (INTERVALS + 1))
    np.testing.assert_array_equal(found.standard_error, 0)
    assert set(found.freedom) == {np.inf}


def test_plan_stretches_to_twice_the_nodes():
    colors = jnp.arange(1, INTERVALS + 2)
    finer = replace(ESTIMATE, node_colors=colors).tightened()
    np.testing.assert_array_equal(finer._colors_of_nodes(64)[::2], colors)
    assert len(finer._colors_of_nodes(64)) == 2 * INTERVALS + 1


def test_estimators_of_stored_data_follow_the_plan_of_the_one_inside():
    colors = np.arange(INTERVALS + 1)
    for stored in (OneDraw(ESTIMATE), ImportanceWeighted(ESTIMATE, 2)):
        assert planner(stored) is ESTIMATE
        assert follow(stored, colors).likelihood.node_colors is colors
        assert follow(stored, None) is stored
    assert planner(OneDraw(None)) is None


@pytest.mark.parametrize("wrong", [{"intervals": 23}, {"intervals": 8}, {"target_of": "all"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(ESTIMATE, **wrong)


def test_planned_products_have_no_gradient():
    with pytest.raises(ValueError, match="gradient"):
        differentiable(ESTIMATE)
