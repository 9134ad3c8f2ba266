"""Tests that every parametrization turns its exact regression target into the exact score."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.models import (
    NETWORKS,
    NOISE_LABELS,
    PARAMETRIZATIONS,
    DiffusionModel,
    Preconditioned,
    Score,
    Velocity,
)
from gradlog.models.parametrizations import path_tangent
from gradlog.sde_lib import SDES
from tests.rounding import chain

EPS = 1e-5
DATUM = np.array([0.7, -0.9, 0.1])
Z = np.array([-1.3, 0.2, 2.1])
SIGMA_DATA = 0.5
# 'levels' has logits, which tests/likelihood/test_mmse.py holds against the exact score.
OF_SCORES = sorted(PARAMETRIZATIONS.keys() - {"levels"})


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]()


def times(sde):
    log = np.geomspace(EPS, sde.t_max, 200)
    return np.unique(np.concatenate([log, np.linspace(EPS, sde.t_max, 200)]).astype(np.float32))


def coefficients64(sde, t):
    """Return alpha and sigma and their derivatives in t, in float64."""
    with jax.enable_x64(True):
        t = jnp.asarray(t, jnp.float64)
        values = [jax.vmap(f)(t) for f in (sde.alpha, sde.sigma)]
        rates = [jax.vmap(jax.grad(f))(t) for f in (sde.alpha, sde.sigma)]
    return [np.asarray(v)[:, None] for v in values + rates]


def targets(name, sde, t):
    """Return the output that a network must learn for a single data point, in float64."""
    alpha, sigma, alpha_rate, sigma_rate = coefficients64(sde, t)
    if name == "noise":
        return np.tile(Z, (len(t), 1))
    if name == "score":
        return -Z / sigma
    if name == "velocity":
        return (alpha_rate * DATUM + sigma_rate * Z) / np.hypot(alpha_rate, sigma_rate)
    # Karras et al. 2022, table 1: (x0 - c_skip y) / c_out, the difference taken by hand.
    rho = sigma / alpha
    return (rho * DATUM - SIGMA_DATA**2 * Z) / (SIGMA_DATA * np.hypot(rho, SIGMA_DATA))


@pytest.mark.parametrize("name", OF_SCORES)
def test_exact_target_gives_the_exact_score_down_to_1e_5(sde, name):
    t = times(sde)
    target = jnp.asarray(targets(name, sde, t), jnp.float32)
    parametrization = PARAMETRIZATIONS[name]()

    @jax.jit
    @jax.vmap
    def scaled_score(t, target):
        x = sde.perturb(jnp.float32(DATUM), t, jnp.float32(Z))
        return sde.sigma(t) * parametrization(sde, lambda x, t: target)(x, t)

    # Some roundings of float32 of numbers of size 2; none grows at small t. Measured: 1.2e-6.
    error = np.abs(scaled_score(t, target) + Z).max()
    assert error < 5e-6


def test_velocity_of_vp_is_the_v_prediction():
    sde, t = SDES["vp"](), np.linspace(0.01, 1, 50)
    alpha, sigma, _, _ = coefficients64(sde, t)
    np.testing.assert_allclose(targets("velocity", sde, t), alpha * Z - sigma * DATUM, atol=1e-12)
    a, b = jax.vmap(lambda t: path_tangent(sde, t))(jnp.float32(t))
    # At t = 1 alpha is 0.007: float32 knows b to 1e-7 / alpha.
    np.testing.assert_allclose(a, -sigma[:, 0], atol=1e-4)
    np.testing.assert_allclose(b, alpha[:, 0], atol=1e-4)


def test_velocity_of_the_straight_path_is_that_of_flow_matching():
    sde, t = SDES["straight"](), np.linspace(0.01, 0.99, 50)
    want = np.tile((Z - DATUM) / np.sqrt(2), (50, 1))
    np.testing.assert_allclose(targets("velocity", sde, t), want, atol=1e-12)
    a, b = path_tangent(sde, 0.3)
    np.testing.assert_allclose([a, b], [-np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-6)


def test_tangent_has_unit_length_and_the_direction_of_the_path(sde):
    t = times(sde)
    alpha, sigma, alpha_rate, sigma_rate = coefficients64(sde, t)
    a, b = jax.vmap(lambda t: path_tangent(sde, t))(t)
    length = np.hypot(alpha_rate, sigma_rate)[:, 0]
    # Roundings of terms of size sigma, over a length of size alpha.
    atol = 1e-6 * np.maximum(1, sigma / alpha)[:, 0]
    assert np.all(np.abs(a - alpha_rate[:, 0] / length) < atol)
    assert np.all(np.abs(b - sigma_rate[:, 0] / length) < atol)


def test_preconditioning_is_that_of_karras_et_al(sde):
    """``D = c_skip y + c_out F(c_in y)`` for a network that depends on its input."""
    t, x, s = jnp.float32(0.4), jnp.array([0.3, -1.2]), 0.7
    alpha, rho = float(sde.alpha(t)), float(jnp.exp(sde.log_rho(t)))
    y = np.asarray(x) / alpha
    total = np.hypot(rho, s)
    denoised = s**2 / total**2 * y + rho * s / total * np.sin(y / total)
    want = (alpha * denoised - x) / (alpha * rho) ** 2
    got = Preconditioned(s)(sde, lambda u, t: jnp.sin(u))(x, t)
    # Some 20 roundings (of alpha, rho, the weights, the sine) of terms that may cancel.
    terms = (np.abs(alpha * denoised) + np.abs(x)) / (alpha * rho) ** 2
    assert np.all(np.abs(got - want) <= chain(20) * terms)


@pytest.mark.parametrize("name", sorted({*OF_SCORES} - {"energy", "preconditioned"}))
def test_other_parametrizations_do_not_scale_the_input(sde, name):
    seen = []
    x = jnp.array([0.3, -1.2])
    PARAMETRIZATIONS[name]()(sde, lambda u, t: seen.append((u, t)) or u)(x, jnp.float32(0.4))
    np.testing.assert_array_equal(seen[0][0], x)
    assert seen[0][1] == jnp.float32(0.4)


def test_labels_have_the_values_of_their_papers():
    ve, vp, straight = SDES["ve"](), SDES["vp"](), SDES["straight"]()
    np.testing.assert_allclose(NOISE_LABELS["time"]()(vp, 0.25), 249.75, rtol=1e-6)
    np.testing.assert_allclose(NOISE_LABELS["time"]()(straight, straight.t_max), 999, rtol=1e-6)
    np.testing.assert_allclose(NOISE_LABELS["sigma"]()(ve, 0.5), np.sqrt(0.5), rtol=1e-6)
    np.testing.assert_allclose(NOISE_LABELS["log_rho"]()(ve, 0.5), np.log(0.5) / 8, rtol=1e-6)


@pytest.mark.parametrize(
    "label", sorted(NOISE_LABELS.keys() - {"ladder"})
)  # test_ladder.py has that
def test_labels_increase_with_time_and_stay_finite(sde, label):
    times = jnp.float32(np.geomspace(EPS, sde.t_max, 9))
    label_fn = NOISE_LABELS[label](1000) if label == "step" else NOISE_LABELS[label]()
    values = jax.vmap(lambda t: label_fn(sde, t))(times)
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) > 0)


def score_model(sde, label="time", parametrization=None, dropout=0.5):
    network = NETWORKS["mlp"](hidden=16, num_layers=1, embedding=8, dropout=dropout, init_scale=1.0)
    return DiffusionModel(sde, network, parametrization or Score(), NOISE_LABELS[label]())


def test_bound_model_has_dropout_only_with_a_key():
    model, x = score_model(SDES["vp"]()), jnp.array([0.3, -1.2])
    params = tiny.init(model, x.shape)

    @jax.jit
    def score(key):
        return model.bind(params, dropout_key=key).score(x, 0.3)

    first, again, other = (score(jax.random.key(i)) for i in (1, 1, 2))
    without = score(None)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first, without)
    expected = model.network.apply(
        {"params": params["network"]}, x, 999 * jnp.float32(0.3), train=False
    )
    np.testing.assert_allclose(without, expected, rtol=1e-5)


def test_bound_model_joins_network_label_and_parametrization():
    sde, x, t = SDES["straight"](), jnp.array([0.3, -1.2]), jnp.float32(0.3)
    model = score_model(sde, "log_rho", Velocity(), dropout=0.0)
    params = tiny.init(model, x.shape)

    @jax.jit
    def both(x, t):
        network_fn = lambda x, t: model.network.apply(  # noqa: E731
            {"params": params["network"]}, x, sde.log_rho(t) / 4, train=False
        )
        return model.bind(params).score(x, t), Velocity()(sde, network_fn)(x, t)

    np.testing.assert_allclose(*both(x, t), rtol=1e-6)
