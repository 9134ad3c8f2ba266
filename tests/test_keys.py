"""Every key has a meaning, and where it names members they are those that there are."""

import pytest

from gradlog.configs import default
from gradlog.data import DATASETS
from gradlog.data.text import TOKENS
from gradlog.evaluation.quality.features.inception import CONVENTIONS
from gradlog.experiment.compat import COMPATS
from gradlog.experiment.keys import Key, flatten, keys, keys_in_section, sections
from gradlog.experiment.sampling_parts import TASKS
from gradlog.likelihood import ESTIMATORS
from gradlog.likelihood.divergences import DIVERGENCES
from gradlog.losses import (
    DRAWS,
    ELBO_FORMS,
    KERNELS,
    OBJECTIVES,
    SLICE_LAWS,
    WEIGHTINGS,
)
from gradlog.models import NETWORKS, NOISE_LABELS, PARAMETRIZATIONS
from gradlog.models.networks import dit, ncsnpp, ncsnv2
from gradlog.ode import FLOWS, PATHS
from gradlog.sampling import (
    CORRECTORS,
    GUIDANCES,
    PREDICTORS,
    SAMPLERS_BY_KIND,
    TIME_SCHEDULES,
)
from gradlog.sampling.projections import MASKS
from gradlog.sde_lib import BY_DIMENSION, DISCRETE_PROCESSES, LEARNED, MASK_SCHEDULES, SDES
from gradlog.sde_lib.learned_gamma import SCHEDULES as SCHEDULES_OF_GAMMA
from gradlog.studies import STUDIES
from gradlog.training import MAPPINGS, SCHEDULES

MEMBERS = {
    "compat": set(COMPATS) - {""},
    "data.name": DATASETS,
    "data.tokens": TOKENS,
    "sde.name": {**SDES, **BY_DIMENSION, **LEARNED, **DISCRETE_PROCESSES},
    "sde.schedule": SCHEDULES_OF_GAMMA,
    "sde.mask_schedule": MASK_SCHEDULES,
    "model.name": NETWORKS,
    "model.parametrization": PARAMETRIZATIONS,
    "model.label": NOISE_LABELS,
    **{f"model.{name}": found for name, found in ncsnpp.CHOICES.items()},
    "model.positions": dit.POSITIONS,
    "model.interpolation": ncsnv2.CHOICES["interpolation"],
    "objective.name": set().union(*OBJECTIVES.values()),
    "objective.form": ELBO_FORMS,
    "objective.draws": DRAWS,
    "objective.weighting": WEIGHTINGS,
    "objective.slice_law": SLICE_LAWS,
    "objective.kernel": KERNELS,
    "optimizer.schedule": SCHEDULES,
    "training.parallel": MAPPINGS,
    "likelihood.name": set().union(*ESTIMATORS.values()),
    "likelihood.divergence": DIVERGENCES,
    "likelihood.variable": FLOWS,
    "likelihood.path": PATHS,
    "sampling.name": set().union(*SAMPLERS_BY_KIND.values()),
    "sampling.schedule": TIME_SCHEDULES,
    "sampling.predictor": PREDICTORS,
    "sampling.corrector": CORRECTORS,
    "sampling.variable": FLOWS,
    "sampling.guidance": GUIDANCES,
    "sampling.task": TASKS,
    "sampling.mask": MASKS,
    "quality.convention": CONVENTIONS,
    "study.name": STUDIES,
}


def test_every_key_is_there_once_with_its_default():
    assert {name: key.default for name, key in keys().items()} == dict(
        flatten(default.get_config())
    )


@pytest.mark.parametrize("name", keys())
def test_every_key_has_a_meaning_of_its_own(name):
    meaning = keys()[name].meaning
    assert len(meaning) >= 6
    assert "likewise" not in meaning  # it is shown without the line above it


@pytest.mark.parametrize("name", MEMBERS)
def test_a_meaning_names_all_members_and_no_other(name):
    assert set(keys()[name].choices) == set(MEMBERS[name])


def test_sections_are_those_of_the_defaults_and_say_what_they_are_about():
    config = default.get_config()
    wanted = {name for name in config if hasattr(config[name], "items")}
    assert set(sections()) == wanted | {""}
    assert all(about for name, about in sections().items() if name)
    assert sum(len(keys_in_section(name)) for name in sections()) == len(keys())


def test_choices_are_of_text_alone():
    assert Key("sde.num_steps", 1000, "of label 'step'").choices == ()
    assert Key("model.dtype", "float32", "or 'bfloat16'").choices == ("float32", "bfloat16")
    assert Key("data.path", "", "where the data are").choices == ()
