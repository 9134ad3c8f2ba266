"""The densities in the picture of the bound."""

import jax
import numpy as np

from gradlog.configs.theory import kl_bound
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.studies.kl_bound import densities_per_x
from gradlog.theory.bound import tabulate_law, tabulate_model
from gradlog.theory.fokker_planck import LineGrid


def test_with_the_true_score_all_densities_are_the_datas_and_integrate_to_one(tmp_path):
    scale = 2.0  # not that of the grid's unit
    config = kl_bound.get_config()
    config.data.update(scale=scale, num_train=64, num_test=16)
    run = Run.open(tmp_path / "run", config)
    law, sde = run.experiment.dataset.law, run.experiment.process
    eps = run.experiment.objective.eps
    grid = LineGrid(5.0 / scale, 6.0, 300, 100)

    @jax.jit
    def tables():
        model = tabulate_model(BoundModel(sde, law.score_fn(sde)), grid, eps)
        return tabulate_law(law, sde, grid, eps), model

    truth, model = tables()
    found = densities_per_x(truth, model, sde, grid, eps)
    width = np.diff(found.x)
    np.testing.assert_allclose(width, width[0], rtol=1e-3)
    for density in (found.data, found.sde, found.flow):
        np.testing.assert_allclose(density.sum() * width[0], 1, atol=2e-3)
    # Modes of std 1/scale at +-5/scale, of weights 1/5 and 4/5: noise and shrinkage are small here.
    at_mode = 0.8 * scale / np.sqrt(2 * np.pi)
    for density in (found.data, found.sde, found.flow):
        np.testing.assert_allclose(density.max(), at_mode, rtol=0.05)
