"""The density of an energy against that of the ODE: the measure, and the required agreement."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.configs.toy import energy
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.sde_lib import VP
from gradlog.studies.common import study_folder
from gradlog.studies.energy import EnergyAgainstODE, has_both_pairs, pair_errors
from gradlog.studies.plane import draw_noisy, nearest_mode

LAW = GaussianMixture(
    jnp.array([0.2, 0.8]), jnp.array([[-1.5, -1.5], [1.5, 1.5]]), jnp.array([1.0, 1.0])
)
MODE = np.array([0, 0, 0, 1, 1])


def test_points_belong_to_the_nearest_mode():
    xs = jax.vmap(LAW.sample)(jax.random.split(jax.random.key(0), 50))
    want = (np.asarray(xs).sum(axis=1) > 0).astype(int)
    np.testing.assert_array_equal(nearest_mode(LAW, xs), want)
    assert 0 < want.sum() < 50


def test_noisy_draws_have_the_moments_of_the_law_at_that_noise():
    sde, t, n = VP(), 0.3, 4000
    xs = np.asarray(draw_noisy(LAW, sde, t, jax.random.key(3), n))
    alpha, sigma = float(sde.alpha(t)), float(sde.sigma(t))
    mean = alpha * 0.6 * 1.5 * np.ones(2)
    between = alpha**2 * 1.5**2 * (1 - 0.6**2)
    want = between + (alpha**2 + sigma**2) * np.eye(2)
    assert np.all(np.abs(xs.mean(axis=0) - mean) < 4 * np.sqrt(want[0, 0] / n))
    # The error of a covariance is at most that of a Gaussian's variance; two modes are flatter.
    assert np.all(np.abs(np.cov(xs.T) - want) < 4 * want[0, 0] * np.sqrt(2 / n))


@pytest.mark.parametrize(
    ("mode", "both"),
    [([0, 0, 1], True), ([1, 1, 1], False), ([0, 1], False), ([], False), ([0, 2, 2], True)],
)
def test_both_kinds_of_pairs_need_two_modes_and_two_points_in_one(mode, both):
    assert has_both_pairs(np.array(mode, int)) == both


def test_pair_errors_are_the_rms_over_all_pairs():
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=5) for name in ("energy", "ode", "truth")}
    within, across = pair_errors(values, MODE)["energy - ode"]
    e = values["energy"] - values["ode"]
    same = [(0, 1), (0, 2), (1, 2), (3, 4)]
    other = [(i, j) for i in range(3) for j in (3, 4)]
    for got, pairs in ((within, same), (across, other)):
        want = np.sqrt(np.mean([(e[i] - e[j]) ** 2 for i, j in pairs]))
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_constant_is_no_error_and_a_wrong_weight_is_an_error_across_modes_only():
    truth = np.arange(5.0)
    values = {"energy": truth + 7, "ode": truth + 0.3 * MODE, "truth": truth}
    found = pair_errors(values, MODE)
    np.testing.assert_allclose(found["energy - truth"], (0, 0), atol=1e-12)
    np.testing.assert_allclose(found["ode - truth"], (0, 0.3), atol=1e-12)
    np.testing.assert_allclose(found["energy - ode"], (0, 0.3), atol=1e-12)


@pytest.mark.slow
def test_energy_and_ode_differences_agree_to_a_twentieth_of_a_nat(tmp_path):
    run = Run.open(tmp_path / "run", energy.get_config())
    EnergyAgainstODE(extent=5.0)(run)
    within, across = json.loads((study_folder(run) / "energy.json").read_text())["rms_nats"][
        "energy - ode"
    ]
    assert within <= 0.05
    assert across <= 0.05
