"""Tests of the bound of K diffusion steps: closed forms, and the limit of many steps."""

import functools

import closed_bounds
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_laws import LAWS, draw, exact_prior, keys

from gradlog.likelihood import make_bound, make_vlb
from gradlog.likelihood.bound import GRIDS, StepGrid
from gradlog.models import BoundModel
from gradlog.sde_lib import SDES, VP

# Large enough for one step of it to be computed in float32.
EPS = 0.02
SAMPLES = 256
POINTS = 64


@functools.cache
def compiled(law_name: str, sde_name: str, steps: int, variable: str):
    law, sde = LAWS[law_name], SDES[sde_name]()
    prior = exact_prior(law, sde)
    if steps:
        bound = make_vlb(SAMPLES, EPS, steps, variable, prior)
    else:
        bound = make_bound(SAMPLES, EPS, prior_log_prob=prior)
    return jax.jit(lambda xs, keys: bound(BoundModel(sde, law.score_fn(sde)), xs, keys))


@functools.cache
def evaluate(law_name: str, sde_name: str, steps: int, variable: str = "log_rho"):
    """Return the bound of ``steps`` steps (0: continuous time), and the points."""
    xs = draw(LAWS[law_name], SDES[sde_name](), EPS, count=POINTS)
    run = compiled(law_name, sde_name, steps, variable)
    return jax.device_get(run(xs, keys(POINTS, seed=3))), xs


# All numbers of steps on two kinds of process; on every other a grid in either variable.
OTHERS = [sde for sde in SDES if sde not in ("vp", "ve")]
GAUSSIAN = [(sde, steps, "log_rho") for sde in ("vp", "ve") for steps in (1, 5, 300)]
GAUSSIAN += [(sde, 5, "log_rho") for sde in OTHERS] + [(sde, 5, "t") for sde in SDES]


@pytest.mark.parametrize(("sde", "steps", "variable"), GAUSSIAN)
def test_bound_of_a_gaussian_equals_the_sum_of_its_divergences(sde, steps, variable):
    """K is below and above the number of samples, and a divisor of neither."""
    got, xs = evaluate("gaussian", sde, steps, variable)
    want = closed_bounds.bound(xs, sde, EPS, steps, variable)
    errors = (got.nats - want) / got.standard_error
    assert np.all(got.ok)
    # The errors are standard normal: their mean has the error 1/8, their spread 1/sqrt(128).
    assert abs(errors.mean()) < 4 / 8
    assert abs(errors.std() - 1) < 4 / np.sqrt(2 * POINTS)


@pytest.mark.parametrize(
    ("law", "sde"), [("gaussian", "vp"), ("gaussian", "ve"), ("mixture", "vp")]
)
def test_more_steps_are_never_looser_and_tend_to_continuous_time(law, sde):
    ladder = [evaluate(law, sde, steps)[0] for steps in (1, 5, 300, 0)]
    means = [found.nats.mean() for found in ladder]
    errors = [np.sqrt(np.sum(found.standard_error**2)) / POINTS for found in ladder]
    for i in range(3):
        assert means[i] < means[i + 1] + 4 * np.hypot(errors[i], errors[i + 1])
    # Fewer steps are far looser; the most are continuous time but for d span^2/K nats.
    assert means[1] < means[2] - 4 * np.hypot(errors[1], errors[2])
    span = float(SDES[sde]().log_rho(SDES[sde]().t_max) - SDES[sde]().log_rho(EPS))
    left = 12 * span**2 / 300
    assert means[3] - means[2] < left + 4 * np.hypot(errors[2], errors[3])


@pytest.mark.parametrize("sde", SDES)
def test_closed_form_tends_to_the_integral(sde):
    xs = draw(LAWS["gaussian"], SDES[sde](), EPS, count=4)
    want = closed_bounds.bound(xs, sde, EPS)
    gaps = [want - closed_bounds.bound(xs, sde, EPS, steps) for steps in (100, 1000, 10_000)]
    assert np.all(np.array(gaps) > 0)
    # Of first order in the step.
    np.testing.assert_allclose(gaps[1] / gaps[2], 10, rtol=0.05)


@pytest.mark.parametrize("variable", GRIDS)
def test_times_are_rounded_up_and_factors_add_up_to_the_weights(variable):
    sde, steps = VP(), StepGrid(7, variable)
    edges = np.asarray(GRIDS[variable](sde, EPS, 7))
    span, times = edges[-1] - edges[0], jax.vmap(sde.time_of_log_rho)(edges)
    inside = jnp.asarray((0.3 * edges[:-1] + 0.7 * edges[1:] - edges[0]) / span)
    ends, rates = jax.vmap(lambda share: steps(sde, EPS, share))(inside)
    np.testing.assert_array_equal(ends, times[1:])
    np.testing.assert_allclose(
        rates * np.diff(edges) / span, 0.5 * np.expm1(2 * np.diff(edges)), rtol=1e-5
    )
    assert steps(sde, EPS, jnp.asarray(0.0))[0] == times[1]
    assert steps(sde, EPS, jnp.asarray(1.001))[0] == times[-1]


def test_every_step_is_evaluated_equally_often_if_possible():
    times = []

    def score_fn(x, t):
        jax.debug.callback(lambda t: times.append(float(t)), t)
        return -x

    bound = make_vlb(40, EPS, 10)
    jax.block_until_ready(
        jax.jit(lambda xs: bound(BoundModel(VP(), score_fn), xs, keys(1)))(jnp.ones((1, 3)))
    )
    jax.effects_barrier()
    ends = jax.vmap(VP().time_of_log_rho)(GRIDS["log_rho"](VP(), EPS, 10)[1:])
    counts = [int(np.sum(np.isclose(times, float(t), rtol=1e-5))) for t in ends]
    assert counts == [4] * 10


@pytest.mark.parametrize("steps", [0, -1])
def test_less_than_one_step_raises(steps):
    with pytest.raises(ValueError, match=f"vlb_steps = {steps} must be at least 1"):
        make_vlb(8, EPS, steps)


def test_unknown_variable_raises_with_the_choices():
    with pytest.raises(ValueError, match=r"'rho' is unknown; choose one of \['log_rho', 't'\]"):
        make_vlb(8, EPS, 3, "rho")
