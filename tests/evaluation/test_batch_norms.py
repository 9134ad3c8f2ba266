"""Langevin steps with the norms of a whole batch, through the driver and the configuration."""

import numpy as np
import pytest
import tiny

from gradlog.config_error import ConfigError
from gradlog.evaluation.samples import BATCH_AXES
from gradlog.experiment.run import Run
from gradlog.sampling import Ancestral, Langevin, LogSNRSchedule

LANGEVIN = {"sampling.predictor": "none", "sampling.corrector": "langevin"}


def drawn(trained, count, **settings):
    changes = {f"sampling.{key}": value for key, value in settings.items()}
    return Run.open(trained, tiny.points(**LANGEVIN, **changes)).sample(None, count).x


def test_only_with_batch_norms_does_a_sample_depend_on_its_batch_mates(trained):
    alone, together = (drawn(trained, 4, batch_size=size) for size in (1, 4))
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    alone, together = (drawn(trained, 4, batch_size=size, batch_norms=True) for size in (1, 4))
    assert np.abs(together - alone).max() > 1e-3


def test_a_batch_of_one_has_its_own_norms(trained):
    own, mean = (drawn(trained, 1, batch_norms=flag) for flag in (False, True))
    np.testing.assert_allclose(own, mean, rtol=1e-5)


def test_the_preset_sets_the_norms_and_the_variance_of_ancestral_steps(trained):
    def sampler(**changes):
        config = tiny.points(compat="score_flow", **changes)
        return Run.open(trained, config).experiment.sampler

    assert sampler(**LANGEVIN).corrector == Langevin(norm_axes=BATCH_AXES)
    assert sampler(**{"sampling.predictor": "ancestral"}).predictor == Ancestral("beta")


def test_a_schedule_is_the_one_of_its_key(trained):
    run = Run.open(trained, tiny.points(**{"sampling.schedule": "log_snr"}))
    assert run.experiment.sampler.schedule == LogSNRSchedule()
    assert run.sample(None, 2).ok.all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sampling.name": "ddim", "sampling.eta": 2.0}, "eta = 2.0 must lie in"),
        ({"sampling.schedule": "cosine"}, "sampling.schedule = 'cosine' is unknown"),
        (
            {"sampling.predictor": "ancestral", "sampling.ancestral_variance": "large"},
            "ancestral_variance = 'large' must be",
        ),
        ({"sde.name": "ddpm", "sde.num_steps": 20}, "num_steps = 20 must be"),
    ],
)
def test_what_cannot_be_built_is_one_line(trained, changes, told):
    with pytest.raises(ConfigError, match=told):
        Run.open(trained, tiny.points(**changes))
