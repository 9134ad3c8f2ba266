"""Tests of the energy parametrization: its score is the gradient of an explicit log density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian
from gradlog.experiment.build import build, load_dataset
from gradlog.likelihood import Exact, ImportanceWeighted, ODELikelihood
from gradlog.losses import denoising_integrand
from gradlog.models import (
    NETWORKS,
    NOISE_LABELS,
    PARAMETRIZATIONS,
    BoundModel,
    DiffusionModel,
    Energy,
    Preconditioned,
    Uniform,
)
from gradlog.models.energy import SCALES
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sde_lib import SDES, VP

X = jnp.array([0.3, -1.2])
OTHER = jnp.array([-0.8, 0.4])
S = 0.7
T = jnp.float32(0.4)


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]()


def model(parametrization=Energy(S), init_scale=1.0, dropout=0.0, sde=VP()):  # noqa: B008
    network = NETWORKS["mlp"](
        hidden=16, num_layers=1, embedding=8, dropout=dropout, init_scale=init_scale
    )
    return DiffusionModel(sde, network, parametrization, NOISE_LABELS["time"]())


def params(**options):
    return tiny.init(model(**options), X.shape)


def potential_of(sde, std, scale="noise"):
    """Return the F whose ``c N`` is the log ratio of noisy ``N(0, std^2 I)`` to ``N(0, S^2 I)``."""

    def network_fn(u, t):
        rho = jnp.exp(sde.log_rho(t))
        c = S / (rho if scale == "noise" else jnp.hypot(rho, S))
        excess = 0.5 * (1 - (rho**2 + S**2) / (rho**2 + std**2)) / c
        return (1 - jnp.sqrt(1 - 2 * excess)) * u  # a with a - a^2/2 = excess

    return network_fn


def test_zero_network_gives_the_gaussian_with_the_std_of_the_data(sde):
    variance = (float(sde.alpha(T)) * S) ** 2 + float(sde.sigma(T)) ** 2
    energy = Energy(S).log_density(sde, lambda u, t: jnp.zeros_like(u))
    want = -0.5 * (jnp.sum(X**2) - jnp.sum(OTHER**2)) / variance
    np.testing.assert_allclose(energy(X, T) - energy(OTHER, T), want, rtol=1e-5)
    score = Energy(S)(sde, lambda u, t: jnp.zeros_like(u))(X, T)
    np.testing.assert_allclose(score, -X / variance, rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_right_network_gives_another_gaussian(sde, scale):
    std, network_fn = 0.5, potential_of(sde, 0.5, scale)
    variance = (float(sde.alpha(T)) * std) ** 2 + float(sde.sigma(T)) ** 2
    energy = Energy(S, scale).log_density(sde, network_fn)
    want = -0.5 * (jnp.sum(X**2) - jnp.sum(OTHER**2)) / variance
    np.testing.assert_allclose(energy(X, T) - energy(OTHER, T), want, rtol=1e-4)
    score = Energy(S, scale)(sde, network_fn)(X, T)
    np.testing.assert_allclose(score, -X / variance, rtol=1e-4)


def test_unknown_scale_raises():
    with pytest.raises(ValueError, match="choose one of"):
        Energy(S, "both")


def test_differences_of_an_exact_energy_equal_those_of_the_ode():
    """Two ways to one number: the energy at eps, and the divergence along the whole path."""
    sde, std, eps = VP(), 0.5, 1e-3
    law = Gaussian(jnp.zeros(2), jnp.full(2, std))
    likelihood = ODELikelihood(
        Adaptive(rtol=1e-6, atol=1e-6),
        LogRhoFlow(),
        Exact(),
        eps,
        prior_log_prob=lambda x: law.log_density_fn(sde)(x, sde.t_max),
    )
    network_fn = potential_of(sde, std)
    energy = Energy(S).log_density(sde, network_fn)
    keys = jax.random.split(jax.random.key(0), 2)
    ode = jax.jit(
        lambda xs: likelihood(BoundModel(sde, Energy(S)(sde, network_fn)), xs, keys).nats
    )(jnp.stack([X, OTHER]))
    np.testing.assert_allclose(ode[0] - ode[1], energy(X, eps) - energy(OTHER, eps), atol=2e-3)
    assert abs(ode[0] - ode[1]) > 1


@pytest.mark.parametrize("scale", SCALES)
def test_score_is_the_gradient_of_the_log_density(scale):
    sde = VP()
    fitted, made = params(), model(Energy(S, scale), sde=sde)

    @jax.jit
    def both(x):
        log_density = made.log_density_fn(fitted)
        return made.bind(fitted).score(x, T), jax.grad(log_density)(x, T)

    score, gradient = both(X)
    np.testing.assert_allclose(score, gradient, rtol=2e-5)
    gaussian = Energy(S)(sde, lambda u, t: jnp.zeros_like(u))(X, T)
    assert np.abs(score - gaussian).max() > 0.1 * np.abs(gaussian).max()


def test_jacobian_is_symmetric_unlike_that_of_a_score_network():
    fitted = params()

    @jax.jit
    def asymmetry(x):
        scores = [model(p).bind(fitted).score for p in (Energy(S), Preconditioned(S))]
        jacobians = jnp.stack([jax.jacfwd(s)(x, T) for s in scores])
        scale = jnp.max(jnp.abs(jacobians), axis=(1, 2))
        return jnp.abs(jacobians[:, 0, 1] - jacobians[:, 1, 0]) / scale

    energy, preconditioned = asymmetry(X)
    assert energy < 1e-5
    assert preconditioned > 1e-3


def test_last_layer_of_zeros_learns_as_fast_as_for_a_score():
    """Near F = 0 the slope of the potential is linear in F, so there is no saddle."""
    fitted = params(init_scale=0.0)["network"]
    last_name = max(fitted, key=lambda name: (name.startswith("Dense"), name))

    @jax.jit
    def slope(z):
        def loss(last, parametrization):
            network = {"network": fitted | {last_name: last}}
            return denoising_integrand(model(parametrization, 0.0).bind(network), X, T, z)

        grads = [jax.grad(loss)(fitted[last_name], p) for p in (Energy(S), Preconditioned(S))]
        return [jnp.linalg.norm(g["kernel"]) for g in grads]

    assert fitted[last_name]["kernel"].shape == (16, 2)
    energy, preconditioned = slope(OTHER)
    assert 0.2 < energy / preconditioned < 5


def test_log_density_has_no_dropout_and_is_a_pytree():
    dropping = model(dropout=0.5)
    fitted = tiny.init(dropping, X.shape)
    apply = jax.jit(lambda f, x: f(x, T))
    found = apply(dropping.log_density_fn(fitted), X)
    np.testing.assert_allclose(found, apply(model().log_density_fn(fitted), X), rtol=1e-6)
    other = jax.tree.map(lambda leaf: 2 * leaf, dropping.log_density_fn(fitted))
    assert abs(apply(other, X) - found) > 1e-3


@pytest.mark.parametrize("name", sorted(PARAMETRIZATIONS.keys() - {"energy", "levels"}))
def test_parametrization_of_the_score_has_no_density(name):
    with pytest.raises(ValueError, match="density"):
        model(PARAMETRIZATIONS[name]()).log_density_fn({})


# What follows joins it with what a configuration can ask for.


def experiment(**overrides):
    config = tiny.points(
        **{"model.parametrization": "energy", "model.sigma_data": 1.0, "data.num_train": 64}
        | {"model.init_scale": 1.0, "objective.eps": 1e-2, "model.num_scales": 4}
        | {"sampling.langevin_steps": 4, "sampling.steps_per_level": 2, "sampling.step_size": 1e-2}
        | overrides
    )
    return build(config, load_dataset(config))


@pytest.fixture(scope="module")
def fitted():
    return tiny.init(experiment().model, (2,))


# All objectives ask a model's score alone: one for its value, one for its derivative as well.
@pytest.mark.parametrize(("name", "scale"), [("dsm", "noise"), ("dsm", "data"), ("ssm", "noise")])
def test_objectives_train_an_energy(fitted, name, scale):
    made = experiment(**{"objective.name": name, "model.energy_scale": scale})

    def loss(p):
        return made.objective.at_point(made.model.bind(p), X, T, jax.random.key(1))

    slope = jax.jit(jax.value_and_grad(loss))
    value, grads = slope(fitted)
    assert np.isfinite(value)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all(), path
        frozen = path[-1].key == "W"  # random frequencies of the embedding
        assert (np.abs(leaf).max() > 0) != frozen, path
    square = sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(grads))
    # A step against the slope goes down by what the slope says.
    step = 1e-3 * max(1.0, abs(float(value))) / square
    lower, _ = slope(jax.tree.map(lambda p, g: p - step * g, fitted, grads))
    np.testing.assert_allclose(value - lower, step * square, rtol=0.1)


# All samplers ask a model for its score alone.
def test_samplers_accept_an_energy(fitted):
    made = experiment(**{"sampling.name": "dpm_2m"})
    sample = jax.jit(made.sampler)(made.model.bind(fitted), X, jax.random.key(2))
    assert sample.ok
    assert np.isfinite(sample.x).all()


# In one dimension a probe of signs gives the trace itself, so that every flow is exact.
LINE = {"data.dims": 1, "data.num_train": 64, "likelihood.start": "as_sample"} | {
    "likelihood.rtol": 1e-5,
    "likelihood.atol": 1e-5,
    "likelihood.samples": 8,
    "likelihood.vlb_steps": 4,
}
POINTS, KEYS = jnp.array([[0.4], [-1.3]]), jax.random.split(jax.random.key(3), 2)


def on_line(name):
    """Return a bound model and a likelihood."""
    made = experiment(**LINE | {"likelihood.name": name})
    fitted = tiny.init(made.model, (1,))
    return made.model.bind(fitted), made.estimators[name].likelihood.likelihood


# One for each way to meet a model: derivatives of its score, outside of JAX, and by its losses.
def test_flows_inside_and_outside_of_jax_agree_on_an_energy():
    bound, likelihood = on_line("scipy")
    found, exact = (
        likelihood(bound, POINTS, KEYS),
        jax.jit(on_line("exact")[1])(bound, POINTS, KEYS),
    )
    assert found.ok.all()
    sure = ~np.broadcast_to(found.refine, found.ok.shape)  # others are evaluated again
    np.testing.assert_allclose(found.nats[sure], exact.nats[sure], atol=1e-3)


def test_bounds_accept_an_energy():
    bound, likelihood = on_line("vlb")
    found = jax.jit(likelihood)(bound, POINTS, KEYS)
    assert found.ok.all()
    assert np.isfinite(np.asarray(found.nats)).all()


def test_importance_weighting_accepts_an_energy():
    bound, likelihood = on_line("exact")
    weighted = jax.jit(ImportanceWeighted(likelihood, 3))
    found = weighted(bound.replace(dequantizer=Uniform(2)), jnp.array([[0], [1]]), KEYS)
    assert found.ok.all()
    assert np.isfinite(np.asarray(found.nats)).all()
    assert np.all(np.asarray(found.parts["importance"]) > 0)
