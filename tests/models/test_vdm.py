"""Tests of the network of VDM beyond the contract of all networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.models import NOISE_LABELS
from gradlog.models.networks.vdm import fourier_features
from gradlog.sde_lib import SDES
from tests.models.small import abstract_init, make, random_variables

SHAPE = (4, 4, 2)
X = jnp.linspace(-1, 1, 32).reshape(SHAPE)


@pytest.fixture(scope="module")
def network():
    """Return its variables, and its output as a function of variables and label."""
    made = make("vdm")
    run = jax.jit(lambda variables, label: made.apply(variables, X, label, train=False))
    return random_variables(made, SHAPE), run


def test_initial_output_is_the_image(network):
    """Whatever the other parameters are, the last convolution is zero at the start."""
    variables, run = network
    init = jax.jit(
        lambda key: make("vdm").init(key, X, jnp.float32(0.3), train=False)["params"]["conv_out"]
    )
    first = variables["params"] | {"conv_out": init(jax.random.key(0))}
    np.testing.assert_array_equal(run({"params": first}, jnp.float32(0.3)), X)
    assert np.abs(run(variables, jnp.float32(0.3)) - X).max() > 0.1


def test_fourier_features_are_sines_and_cosines_at_64_and_128_periods():
    """Kingma et al. 2021, appendix C: sin(2^n 2 pi x), cos(2^n 2 pi x), n = 6 and 7 there."""
    x = np.float32([[0.3, -0.71]])
    found, slope = jax.jvp(fourier_features, (jnp.asarray(x),), (jnp.ones_like(x),))
    periods = np.array([64, 128, 64, 128])
    angles = 2 * np.pi * periods * np.repeat(x[0].astype(float), 2)
    np.testing.assert_allclose(found[0], [*np.sin(angles), *np.cos(angles)], atol=1e-6)
    rates = 2 * np.pi * periods
    want = [*(rates * np.cos(angles)), *(-rates * np.sin(angles))]
    np.testing.assert_allclose(slope[0], want, atol=1e-3)


@pytest.mark.parametrize("features", [False, True])
def test_fourier_features_are_concatenated_to_the_image(features):
    _, variables = abstract_init(make("vdm", with_fourier_features=features), SHAPE)
    assert variables["params"]["conv_in"]["kernel"].shape == (3, 3, 2 + 8 * features, 64)


def test_attention_is_in_the_middle_or_after_every_block():
    names = {}
    for everywhere in (False, True):
        _, variables = abstract_init(make("vdm", with_attention=everywhere), SHAPE)
        names[everywhere] = {name for name in variables["params"] if "attn" in name}
    assert names[False] == {"mid.attn_1"}
    assert names[True] - names[False] == {
        *(f"down.attn_{i}" for i in range(2)),
        *(f"up.attn_{i}" for i in range(3)),
    }


def test_every_resolution_is_accepted():
    output, _ = abstract_init(make("vdm"), (5, 7, 3))
    assert output.shape == (5, 7, 3)


def test_label_is_multiplied_by_a_thousand(network):
    variables, run = network
    at = lambda label: run(variables, jnp.float32(label))  # noqa: E731
    near, far = (np.abs(at(0.5) - at(0.5 + d)).max() for d in (1e-5, 1e-3))
    assert far > 20 * near


@pytest.mark.parametrize("nf", [16, 32, 48])
def test_channels_that_cannot_be_grouped_raise(nf):
    with pytest.raises(ValueError, match=f"nf = {nf} must be a multiple of 32"):
        make("vdm", nf=nf)


def test_label_is_time_if_gamma_is_linear():
    sde, t = SDES["log_snr"](), jnp.linspace(0, 1, 11)
    label = NOISE_LABELS["gamma"](sde.gamma_min, sde.gamma_max)
    np.testing.assert_allclose(jax.vmap(lambda t: label(sde, t))(t), t, atol=1e-6)


def test_label_is_the_relative_position_of_gamma():
    vp, label = SDES["vp"](), NOISE_LABELS["gamma"](-10.0, 6.0)
    for t in (0.01, 0.3, 1.0):
        alpha, sigma = float(vp.alpha(t)), float(vp.sigma(t))
        want = (np.log(sigma**2 / alpha**2) + 10) / 16
        np.testing.assert_allclose(label(vp, t), want, rtol=2e-5)


def test_ends_of_gamma_in_the_wrong_order_raise():
    with pytest.raises(ValueError, match=r"gamma_min = 5\.0 must be below gamma_max = 5\.0"):
        NOISE_LABELS["gamma"](5.0, 5.0)
