"""The variational bound is tight where the score is exact, and a bound where it is not."""

import functools

import jax
import numpy as np
import pytest
from known_laws import LAWS, draw, exact_prior, keys, log_density64

from likelihood import VariationalBound
from sde_lib import SDES

# So small that the law of x0 given x_eps is Gaussian to 1e-2 nats (VP: sigma(eps) = 0.003).
EPS = 1e-4
SAMPLES = 2000
POINTS = 64
CASES = [(law, sde) for law in ("gaussian", "mixture") for sde in SDES]


@functools.cache
def compiled(law_name: str, sde_name: str):
    law, sde = LAWS[law_name], SDES[sde_name]()
    bound = VariationalBound(SAMPLES, EPS, exact_prior(law, sde))
    score = law.score_fn(sde)

    def run(xs, keys, factor):
        return bound(sde, lambda x, t: factor * score(x, t), xs, keys)

    return jax.jit(run)


@functools.cache
def evaluate(law_name: str, sde_name: str, factor: float = 1.0):
    """Bounds at points of the data's law, from the exact score times a factor; and the truth."""
    xs = draw(LAWS[law_name], SDES[sde_name](), EPS, count=POINTS)
    got = compiled(law_name, sde_name)(xs, keys(POINTS, seed=1), factor)
    return jax.device_get(got), log_density64(LAWS[law_name], xs)


@pytest.mark.parametrize(("law", "sde"), CASES)
def test_bound_with_the_exact_score_is_the_log_density_within_its_standard_error(law, sde):
    got, truth = evaluate(law, sde)
    errors = (got.nats - truth) / got.standard_error
    assert np.all(got.ok)
    # The errors are standard normal: their mean has the error 1/8, their spread 1/sqrt(128).
    assert abs(errors.mean()) < 4 / 8
    assert abs(errors.std() - 1) < 4 / np.sqrt(2 * POINTS)


@pytest.mark.parametrize("factor", [0.8, 1.2])
@pytest.mark.parametrize("sde", SDES)
def test_bound_with_a_wrong_score_is_below_the_entropy(sde, factor):
    """On average over the law; at single points another density may be the larger."""
    got, truth = evaluate("mixture", sde, factor)
    gap = got.nats - truth
    assert gap.mean() + 4 * gap.std() / np.sqrt(POINTS) < 0


@pytest.mark.parametrize("sde", SDES)
def test_parts_of_the_bound_add_up(sde):
    got, _ = evaluate("gaussian", sde)
    assert set(got.parts) == {"prior", "diffusion", "eps", "volume"}
    total = np.sum([part.astype(np.float64) for part in got.parts.values()], axis=0)
    # Three roundings of float32 of terms below 1000 nats.
    np.testing.assert_allclose(got.nats, total, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(got.nfe, 2 * SAMPLES)
