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


# The bound meets a process in its alpha and sigma alone, of which test_sdes.py has every process.
GAUSSIAN = [("vp", steps, "log_rho") for steps in (1, 5, 300)]
GAUSSIAN += [("ve", 5, "log_rho"), ("straight", 5, "t")]


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


def test_more_steps_are_never_looser_and_tend_to_continuous_time():
    """Of a law without a closed form; that of a Gaussian has this by the next test."""
    ladder = [evaluate("mixture", "vp", steps)[0] for steps in (5, 300, 0)]
    means = [found.nats.mean() for found in ladder]
    errors = [np.sqrt(np.sum(found.standard_error**2)) / POINTS for found in ladder]
    # Fewer steps are far looser; the most are continuous time but for d span^2/K nats.
    assert means[0] < means[1] - 4 * np.hypot(errors[0], errors[1])
    assert means[1] < means[2] + 4 * np.hypot(errors[1], errors[2])
    left = 12 * np.ptp(closed_bounds.edges("vp", EPS, 1)) ** 2 / 300
    assert means[2] - means[1] < left + 4 * np.hypot(errors[1], errors[2])


def test_closed_form_tends_to_the_integral():
    """What it takes of a process are the ends of log rho and of log alpha."""
    xs = draw(LAWS["gaussian"], VP(), EPS, count=POINTS)[:4]
    want = closed_bounds.bound(xs, "vp", EPS)
    gaps = [want - closed_bounds.bound(xs, "vp", EPS, steps) for steps in (100, 1000, 10_000)]
    assert np.all(np.array(gaps) > 0)
    # Of first order in the step.
    np.testing.assert_allclose(gaps[1] / gaps[2], 10, rtol=0.05)


@pytest.mark.parametrize("variable", GRIDS)
def test_times_are_rounded_up_and_factors_add_up_to_the_weights(variable):
    sde, steps = VP(), StepGrid(7, variable)

    @jax.jit
    def run():
        edges = GRIDS[variable](sde, EPS, 7)
        inside = (0.3 * edges[:-1] + 0.7 * edges[1:] - edges[0]) / (edges[-1] - edges[0])
        shares = jnp.concatenate([jnp.array([0.0]), inside, jnp.array([1.001])])
        found = jax.vmap(lambda share: steps(sde, EPS, share))(shares)
        return edges, jax.vmap(sde.time_of_log_rho)(edges), *found

    edges, times, ends, rates = map(np.asarray, run())
    widths = np.diff(edges)
    np.testing.assert_array_equal(ends, times[[1, *range(1, 8), -1]])
    np.testing.assert_allclose(
        rates[1:-1] * widths / widths.sum(), 0.5 * np.expm1(2 * widths), rtol=1e-5
    )


def test_every_step_is_evaluated_equally_often_if_possible():
    times = []

    def score_fn(x, t):
        jax.debug.callback(lambda t: times.append(float(t)), t)
        return -x

    bound = make_vlb(40, EPS, 10)

    @jax.jit
    def run(xs):
        grid = GRIDS["log_rho"](VP(), EPS, 10)
        return bound(BoundModel(VP(), score_fn), xs, keys(1)), jax.vmap(VP().time_of_log_rho)(grid)

    ends = jax.block_until_ready(run(np.ones((1, 3), np.float32)))[1][1:]
    jax.effects_barrier()
    counts = [int(np.sum(np.isclose(times, float(t), rtol=1e-5))) for t in ends]
    assert counts == [4] * 10


@pytest.mark.parametrize("steps", [0, -1])
def test_less_than_one_step_raises(steps):
    with pytest.raises(ValueError, match=f"vlb_steps = {steps} must be at least 1"):
        make_vlb(8, EPS, steps)


def test_unknown_variable_raises_with_the_choices():
    with pytest.raises(ValueError, match=r"'rho' is unknown; choose one of \['log_rho', 't'\]"):
        make_vlb(8, EPS, 3, "rho")
