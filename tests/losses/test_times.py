"""Tests that proposals have the stated density and estimate integrals over time without bias."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.losses import (
    WEIGHTINGS,
    Ladder,
    Likelihood,
    LogNormal,
    OneLevel,
    Tabulated,
    UniformLogRho,
    UniformTime,
    stratified,
)
from gradlog.sde_lib import DDPM, SDES

EPS = 1e-3
PROPOSALS = {
    "uniform": UniformTime(),
    "log_rho": UniformLogRho(),
    "edm_table": Tabulated(LogNormal()),
    "likelihood_table": Tabulated(Likelihood(), cells=64),
}


def midpoints(n):
    return (jnp.arange(n) + 0.5) / n


def by_all(sde, u):
    """Return time and inverse density at u of every proposal, by name."""
    return {name: proposal(sde, EPS, u) for name, proposal in PROPOSALS.items()}


@functools.cache
def drawn(sde):
    """Return those at both ends of u, and at 200,000 midpoints of cells."""
    u = jnp.append(jnp.array([0.0, 1 - 1e-7]), midpoints(200_000))
    return jax.device_get(jax.jit(jax.vmap(lambda u: by_all(sde, u)))(u))


@functools.cache
def slopes(sde):
    """Return inverse densities, and slopes of the times in u, off the edges of the tables."""
    u = jnp.linspace(0.0513, 0.9487, 37)  # the density jumps at an edge
    one = jnp.ones(())

    def both(u):
        at, slope = jax.jvp(lambda u: by_all(sde, u), (u,), (one,))
        return {name: (at[name][1], slope[name][0]) for name in PROPOSALS}

    return jax.device_get(jax.jit(jax.vmap(both))(u))


# The proposals meet a process in log rho alone: one that is smooth in it, and one with kinks.
@pytest.fixture(params=["vp", "ddpm"])
def sde(request):
    return SDES[request.param]()


@pytest.mark.parametrize("name", PROPOSALS)
def test_inverse_density_is_the_derivative_of_the_quantile(sde, name):
    with jax.enable_x64(True):
        inverse, slope = slopes(sde)[name]
    np.testing.assert_allclose(inverse, slope, rtol=1e-6)


@pytest.mark.parametrize("name", PROPOSALS)
def test_ends_are_eps_and_t_max(sde, name):
    t, _ = drawn(sde)[name]
    np.testing.assert_allclose(t[:2], [EPS, sde.t_max], rtol=1e-3)


@pytest.mark.parametrize("name", PROPOSALS)
def test_integral_over_time_is_unbiased(sde, name):
    """``int t exp(-t) dt`` by 200,000 midpoints of u, compared with the closed form."""
    t, inverse = (values[2:] for values in drawn(sde)[name])
    primitive = lambda t: -(t + 1) * np.exp(-t)  # noqa: E731
    want = primitive(sde.t_max) - primitive(EPS)
    np.testing.assert_allclose(np.mean(t * np.exp(-t) * inverse), want, rtol=5e-3)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_importance_sampling_makes_the_weight_constant(sde, name):
    weighting = WEIGHTINGS[name]()

    def constant_weight(u):
        t, inverse = weighting.importance_proposal()(sde, EPS, u)
        return weighting(sde, t) * inverse

    weight = jax.jit(jax.vmap(constant_weight))(midpoints(501))
    middle = weight[5:-5]  # the table is coarse where the weight vanishes
    constant = np.isclose(middle, jnp.median(middle), rtol=2e-2)
    # Of DDPM's chain the rates jump at each node: a cell of the table with a node has two weights.
    assert np.mean(constant) >= (0.95 if isinstance(sde, DDPM) else 1)


@pytest.mark.parametrize(
    ("name", "eps", "want"),
    [("vp", 1e-5, 23.8645), ("vp", 5e-5, 22.2511), ("subvp", 1e-2, 22.4841)],
)
def test_normalizer_of_the_likelihood_weighting_equals_the_published_one(name, eps, want):
    sde, weighting = SDES[name](), Likelihood()
    t, inverse = UniformLogRho()(sde, eps, jnp.asarray(0.3))
    np.testing.assert_allclose(weighting(sde, t) * inverse, want, rtol=3e-6)


def test_likelihood_weighting_is_g2_over_sigma2(sde):

    @jax.jit
    def both(t):
        return Likelihood()(sde, t), sde.drift_and_diffusion(t)[1] / sde.sigma(t) ** 2

    for t in (EPS, 0.1, 0.9):
        np.testing.assert_allclose(*both(t), rtol=1e-4)


def test_stratified_draws_fall_one_in_each_cell():
    keys = jax.random.split(jax.random.key(0), 16)
    u = jax.vmap(lambda i, key: stratified(i, 16, key))(jnp.arange(16), keys)
    assert np.array_equal(np.floor(np.asarray(u) * 16), np.arange(16))
    assert np.ptp(np.asarray(u) * 16 - np.arange(16)) > 0.5


def test_ladder_draws_every_level_equally_often_from_the_largest_noise(sde):
    u = jnp.append(midpoints(40), 1.0)

    @jax.jit
    def ladder(u):
        t, inverse = jax.vmap(lambda u: Ladder(8)(sde, EPS, u))(u)
        ends = sde.log_rho(sde.t_max), sde.log_rho(EPS)
        return jax.vmap(sde.log_rho)(t), inverse, jnp.linspace(*ends, 8)

    found, inverse, log_rho = ladder(u)
    want = jnp.append(jnp.repeat(log_rho, 5), log_rho[-1])
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(inverse, 1)


def test_one_level_is_eps_for_every_u(sde):
    t, inverse = jax.vmap(lambda u: OneLevel()(sde, EPS, u))(midpoints(5))
    np.testing.assert_array_equal(t, jnp.full(5, EPS))
    np.testing.assert_array_equal(inverse, 1)


def test_ladder_of_one_level_raises():
    with pytest.raises(ValueError, match="num_scales must be at least 2, got 1"):
        Ladder(1)


@jax.jit
def by_table(sde, mean, us):
    table = Tabulated(LogNormal(log_rho_mean=mean, log_rho_std=0.2))
    return jax.vmap(lambda u: table(sde, EPS, u))(us)


@pytest.mark.parametrize("mean", [-4.0, 1.0])
def test_table_is_defined_where_the_weighting_vanishes(sde, mean):
    """Cells at either end have no mass in float32, and u may round to one."""
    t, inverse_density = by_table(sde, mean, jnp.array([0.0, 1.0 - 2.0**-24, 1.0], jnp.float32))
    assert np.all(t >= EPS * (1 - 1e-4))
    assert np.all(t <= sde.t_max * (1 + 1e-4))
    assert np.all(np.isfinite(inverse_density))
    assert np.all(inverse_density > 0)
