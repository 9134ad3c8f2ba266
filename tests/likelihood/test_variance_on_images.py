"""The variance of probes on image-like data against its closed form (docs/scaling.md)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import natural_images
from gradlog.likelihood import AsSample, ODELikelihood, Quadrature, Rademacher
from gradlog.likelihood.quadrature import gregory
from gradlog.models import BoundModel
from gradlog.ode import Fixed, LogRhoFlow
from gradlog.sde_lib import VP

LAW, SDE, EPS, INTERVALS = natural_images((8, 8, 1)), VP(), 1e-3, 24
ENDS = (float(SDE.log_rho(EPS)), float(SDE.log_rho(SDE.t_max)))
REPEATS = 1000


def fixed_probe_variance() -> float:
    """Return ``2 sum_{i != j} (int J)_ij^2`` in nats^2, for a probe fixed along the path."""
    return 2 * float(LAW.squared_off_diagonal(LAW.integrated_flow_jacobian(*ENDS)))


def fresh_probes_variance() -> float:
    """Return ``sum_k w_k^2 sum_{i != j} (J_k)_ij^2``, for two new probes at each node."""
    weights = (ENDS[1] - ENDS[0]) * gregory(INTERVALS)
    at_nodes = jax.vmap(lambda s: LAW.squared_off_diagonal(LAW.flow_jacobian(s)))
    return float(jnp.sum(weights**2 * at_nodes(jnp.linspace(*ENDS, INTERVALS + 1))))


ESTIMATORS = {
    "ode": (
        ODELikelihood(Fixed(24), LogRhoFlow(), Rademacher(), EPS, AsSample()),
        fixed_probe_variance,
    ),
    "quadrature": (
        Quadrature(
            Fixed(24), Rademacher(), eps=EPS, start=AsSample(), intervals=INTERVALS, rounds=0
        ),
        fresh_probes_variance,
    ),
}


@functools.cache
def divergences(name):
    """Return the integrals of one image for many probes, in nats."""
    x = SDE.perturb(LAW.sample(jax.random.key(1)), EPS, 0.0)
    keys = jax.random.split(jax.random.key(0), REPEATS)
    likelihood, score_fn = ESTIMATORS[name][0], LAW.score_fn(SDE)
    run = jax.jit(
        lambda xs, keys: likelihood(BoundModel(SDE, score_fn), xs, keys).parts["divergence"]
    )
    return np.asarray(run(jnp.tile(x, (REPEATS, 1, 1, 1)), keys), np.float64)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_variance_equals_the_closed_form(name):
    deviations = divergences(name) - divergences(name).mean()
    variance = np.mean(deviations**2)
    error = np.sqrt((np.mean(deviations**4) - variance**2) / REPEATS)
    assert abs(variance - ESTIMATORS[name][1]()) < 4 * error
    assert error < 0.1 * variance


@pytest.mark.parametrize("name", ESTIMATORS)
def test_mean_is_the_integral_of_the_trace(name):
    values = divergences(name)
    want = float(LAW.integrated_flow_jacobian(*ENDS).sum())
    assert abs(values.mean() - want) < 4 * values.std() / np.sqrt(REPEATS)


def test_new_probes_along_the_path_have_a_tenth_of_the_variance_of_a_fixed_one():
    assert fresh_probes_variance() < 0.1 * fixed_probe_variance()


def test_standard_error_per_dimension_falls_with_the_root_of_the_dimension():
    """The off-diagonal of an image grows in proportion to its pixels, once there are many."""
    per_pixel = []
    for size in (16, 32, 64):
        law = natural_images((size, size, 1))
        total = law.squared_off_diagonal(law.integrated_flow_jacobian(*ENDS))
        per_pixel.append(float(total) / law.mean.size)
    assert max(per_pixel) < 1.5 * min(per_pixel)
