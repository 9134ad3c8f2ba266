"""The densities that the study of the bound draws."""

import numpy as np
import pytest
from gradlog.theory.line import Line

from gradlog.configs.theory import kl_bound
from gradlog.run import RunDirectory
from gradlog.studies.kl_bound import densities_of
from gradlog.theory.bound import ask_law, ask_model


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_densities_over_x_are_the_datas_for_the_true_score_and_integrate_to_one(
    scale, tmp_path
):
    config = kl_bound.get_config()
    config.data.update(scale=scale, num_train=64, num_test=16)
    run = RunDirectory.open(tmp_path / "run", config)
    law, sde, eps = run.experiment.dataset.law, run.experiment.sde, run.experiment.loss.eps
    line = Line(5.0 / scale, 6.0, 300, 100)
    truth = ask_law(law, sde, line, eps)
    found = densities_of(truth, ask_model(sde, law.score_fn(sde), line, eps), run, line)
    width = np.diff(found.x)
    np.testing.assert_allclose(width, width[0], rtol=1e-3)
    for density in (found.data, found.sde, found.flow):
        np.testing.assert_allclose(density.sum() * width[0], 1, atol=2e-3)
    # Modes of std 1/scale at +-5/scale, of weights 1/5 and 4/5: noise and shrinkage are small here.
    at_mode = 0.8 * scale / np.sqrt(2 * np.pi)
    for density in (found.data, found.sde, found.flow):
        np.testing.assert_allclose(density.max(), at_mode, rtol=0.05)
