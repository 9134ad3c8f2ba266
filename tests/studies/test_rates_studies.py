"""Rates along a process against the change of the quantity itself."""

import json

import jax
import numpy as np
import pytest

from gradlog.configs.theory import entropy, kl_rates
from gradlog.experiment.run import Run
from gradlog.studies.common import study_folder
from gradlog.studies.curves import noise_levels
from gradlog.studies.entropy import Entropy
from gradlog.studies.kl_rates import KLRates

SETTINGS = {"samples": 2000, "times": 25}


def run_study(module, study, folder):
    """Run a study in small; return its numbers."""
    run = Run.open(folder / "run", module.get_config())
    study(run)
    name = module.__name__.split(".")[-1]
    return json.loads((study_folder(run) / f"{name}.json").read_text())


def integral(rho, rate, error):
    """Return the integral over log rho by the trapezoidal rule, and its standard error."""
    step = np.log(rho[1] / rho[0])
    ends = np.ones(len(rho))
    ends[[0, -1]] = 0.5
    return step * ends @ rate, step * np.sqrt(ends**2 @ np.square(error))


@pytest.mark.parametrize("name", ["vp", "ve", "subvp"])
def test_levels_are_even_in_log_rho_and_have_the_time_per_unit_of_it(name, tmp_path):
    config = entropy.get_config()
    config.sde.name = name
    run = Run.open(tmp_path / "run", config)
    levels = noise_levels(run, 31)
    sde, log_rho = run.experiment.process, np.log(levels.rho)
    np.testing.assert_allclose(np.diff(log_rho), (log_rho[-1] - log_rho[0]) / 30, rtol=1e-3)
    with jax.enable_x64():
        ahead, behind = (
            np.array([sde.time_of_log_rho(value + h) for value in log_rho.astype(float)])
            for h in (1e-3, -1e-3)
        )
    np.testing.assert_allclose(levels.time_per_log_rho, (ahead - behind) / 2e-3, rtol=1e-3)


def test_the_entropys_gain_is_the_integral_of_its_rates(tmp_path):
    found = run_study(entropy, Entropy(**SETTINGS), tmp_path)
    known = found["entropy_standard_error"]
    for by in ("rate_by_scores", "rate_by_itself"):
        gain, error = integral(found["rho"], found[by], found[f"{by}_standard_error"])
        assert abs(gain - found["gain"]) < 4 * np.hypot(error, known[0] + known[-1])
        assert error < 0.05 * found["gain"]
    by_study = found["gain_by_scores"], found["gain_by_scores_standard_error"]
    assert abs(by_study[0] - found["gain"]) < 4 * np.hypot(by_study[1], known[0] + known[-1])


def test_the_fall_of_kl_is_the_integral_of_its_rates(tmp_path):
    found = run_study(kl_rates, KLRates(**SETTINGS, gains=3), tmp_path)
    fall = found["kl"][0] - found["kl"][-1]
    known = found["kl_standard_error"]
    for by in ("fall_by_scores", "fall_by_itself"):
        by_rate, error = integral(found["rho"], found[by], found[f"{by}_standard_error"])
        assert abs(by_rate - fall) < 4 * np.hypot(error, known[0] + known[-1])
        assert error < 0.1 * fall
