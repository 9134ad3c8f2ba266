"""The levels along which rates are drawn."""

import jax
import numpy as np
import pytest

from gradlog.configs.theory import entropy
from gradlog.experiment.run import Run
from gradlog.studies.curves import noise_levels


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_levels_are_even_in_log_rho_and_have_the_time_per_unit_of_it(name, tmp_path):
    config = entropy.get_config()
    config.sde.name = name
    run = Run.open(tmp_path / "run", config)
    levels = noise_levels(run, 31)
    sde, log_rho = run.experiment.process, np.log(levels.rho)
    np.testing.assert_allclose(np.diff(log_rho), (log_rho[-1] - log_rho[0]) / 30, rtol=1e-3)
    with jax.enable_x64():
        time = jax.jit(jax.vmap(sde.time_of_log_rho))
        ahead, behind = (np.asarray(time(log_rho.astype(float) + h)) for h in (1e-3, -1e-3))
    np.testing.assert_allclose(levels.time_per_log_rho, (ahead - behind) / 2e-3, rtol=1e-3)
