"""A study that its configuration does not suit raises before it trains anything."""

import pytest

from gradlog.config_error import ConfigError
from gradlog.configs.toy import contrastive_divergence, denoising_density, energy, manifold
from gradlog.experiment.run import Run
from gradlog.studies.contrastive_divergence import ContrastiveDivergence
from gradlog.studies.denoising_density import DenoisingDensity
from gradlog.studies.energy import EnergyAgainstODE
from gradlog.studies.manifold import Manifold

NEEDS = [
    (manifold, Manifold(), {"sde.name": "vp"}, "config.sde.name = 've'"),
    (manifold, Manifold(), {"objective.name": "dsm"}, "'ssm' or 'ssm_vr'"),
    (manifold, Manifold(), {"objective.levels": "continuous"}, "objective.levels = 'one'"),
    (manifold, Manifold(window=0), {}, "config.study.window of at least 1"),
    (denoising_density, DenoisingDensity(), {"data.name": "digits"}, "points of the plane"),
    (
        denoising_density,
        DenoisingDensity(),
        {"data.name": "mixture", "data.dims": 3},
        "points of the plane",
    ),
    (denoising_density, DenoisingDensity(), {"data.num_test": 65}, "raise config.data.num_train"),
    (denoising_density, DenoisingDensity(), {"model.parametrization": "score"}, "'energy'"),
    (
        denoising_density,
        DenoisingDensity(),
        {"objective.levels": "continuous"},
        "objective.levels = 'one'",
    ),
    (denoising_density, DenoisingDensity(measurements=0), {}, "of at least 1"),
    (denoising_density, DenoisingDensity(generator_steps=0), {}, "of at least 1"),
    (energy, EnergyAgainstODE(), {"data.name": "moons"}, "config.data.name = 'mixture'"),
    (energy, EnergyAgainstODE(), {"data.dims": 3}, "dims = 2"),
    (energy, EnergyAgainstODE(), {"data.center": 0.0}, "data.center other than 0"),
    (energy, EnergyAgainstODE(), {"model.parametrization": "score"}, "'energy'"),
    (energy, EnergyAgainstODE(), {"likelihood.name": "quadrature"}, "likelihood.name = 'ode'"),
    (energy, EnergyAgainstODE(), {"likelihood.divergence": "rademacher"}, "divergence = 'exact'"),
    (energy, EnergyAgainstODE(), {"likelihood.start": "noised"}, "start = 'as_sample'"),
    (energy, EnergyAgainstODE(points=2), {}, "raise config.study.points"),
    (
        contrastive_divergence,
        ContrastiveDivergence(),
        {"objective.levels": "continuous"},
        "objective.levels = 'one'",
    ),
    (
        contrastive_divergence,
        ContrastiveDivergence(),
        {"sampling.denoise": True},
        "denoise = False",
    ),
]


@pytest.mark.parametrize(("module", "study", "change", "needed"), NEEDS)
def test_an_unsuitable_configuration_raises_before_training(
    module, study, change, needed, tmp_path
):
    config = module.get_config()
    config.data.update(num_train=64, num_test=16)
    config.model.update(hidden=8, num_layers=1, embedding=8)
    config.update_from_flattened_dict(change)
    run = Run.open(tmp_path / "run", config)
    with pytest.raises(ConfigError, match=needed) as error:
        study(run)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("checkpoints/*"))
    assert not list(tmp_path.rglob("metrics*"))
