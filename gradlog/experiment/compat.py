"""Presets that give the numbers of another code: ``config.compat``.

A preset stands for several keys. It is resolved once, before anything else is read. Keys that are
set on the command line win over it.
"""

from collections.abc import Callable, Collection
from typing import Any

from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.experiment.keys import flatten
from gradlog.experiment.schema import find_problem
from gradlog.losses import ScoreFlow

Settings = dict[str, Any]


def score_flow(config: ConfigDict) -> Settings:
    """Return the conventions of score_flow (Song, Durkan, Murray & Ermon 2021, arXiv:2101.09258).

    The likelihood is SciPy's RK45 at 1e-5 with one probe. It takes the uniformly dequantized image
    as x(eps) and adds no term for the step from the data to eps. The bound has 1000 times in the
    denoising form. The loss has the scale of that code where that code has the weighting. Langevin
    steps use the norms of a whole batch, and ancestral steps the variance beta except for VE.

    That code evaluates from the smallest time of its own training, so eps is the one in its files
    whatever ``config.objective.eps`` is: 1e-2 for sub-VP; 5e-5 for VP on ImageNet32 with likelihood
    weighting and importance sampling; else 1e-5.
    """
    objective, process = config.objective, config.sde.name
    if process == "subvp":
        smallest_time = 1e-2
    elif (process, config.data.name, objective.weighting) == (
        "vp",
        "imagenet32",
        "likelihood",
    ) and objective.importance_sampling:
        smallest_time = 5e-5
    else:
        smallest_time = 1e-5
    comparable = objective.weighting in ScoreFlow.WEIGHTINGS.get(objective.levels, ())
    loss = {"objective.scaling": "score_flow"} if comparable else {}
    return loss | {
        "likelihood.name": "scipy",
        "likelihood.rtol": 1e-5,
        "likelihood.atol": 1e-5,
        "likelihood.divergence": "rademacher",
        "likelihood.probes": 1,
        "likelihood.start": "as_sample",
        "likelihood.dequantization": "uniform",
        "likelihood.eps": smallest_time,
        "likelihood.samples": 1000,
        "likelihood.form": "dsm",
        "sampling.batch_norms": True,
        "sampling.ancestral_variance": "posterior" if process == "ve" else "beta",
    }


def score_sde(config: ConfigDict) -> Settings:
    """Return the conventions of score_sde (Song et al. 2021, arXiv:2011.13456): eps is 1e-5."""
    return score_flow(config) | {"likelihood.eps": 1e-5}


# Values that a preset has settings for, beside the value that it sets.
_ALSO_COMPARABLE = {"score_flow": {"likelihood.name": "bound"}}
COMPATS: dict[str, Callable[[ConfigDict], Settings]] = {
    "": lambda config: {},
    "score_flow": score_flow,
    "score_sde": score_sde,
}


def resolve_compat(
    config: ConfigDict, overridden: Collection[str] = (), trained: ConfigDict | None = None
) -> ConfigDict:
    """Return a copy of the configuration with the keys of its preset set, and without the preset.

    Args:
      config: a whole configuration.
      overridden: dotted keys that keep their value whatever the preset sets.
      trained: the configuration that a run was made with, if there is a run: its loss stays.

    Raises:
      ConfigError: ``config.compat`` is unknown, or the configuration is not a whole one.
    """
    if problem := find_problem(config):
        raise ConfigError(problem)
    settings = {key: value for key, value in _preset(config).items() if key not in overridden}
    if trained is not None and "objective.scaling" in settings:
        settings["objective.scaling"] = trained.objective.scaling
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.update_from_flattened_dict(settings | {"compat": ""})
    return resolved


def compat_notes(
    config: ConfigDict, resolved: ConfigDict, keys_read: Collection[str] | None = None
) -> list[str]:
    """Return notes on what the preset of a configuration set, and on what it left alone.

    Args:
      config: with the preset.
      resolved: with the settings of the preset.
      keys_read: the dotted keys that matter; None for all.
    """
    values, name = dict(flatten(resolved)), config.compat
    preset = {k: v for k, v in _preset(config).items() if keys_read is None or k in keys_read}
    changed = [f"{key} = {value}" for key, value in preset.items() if values[key] == value]
    comparable: Settings = _ALSO_COMPARABLE.get(name, {})
    found = [f"compat = {name} sets {', '.join(changed)}"] if changed else []
    return found + [
        f"config.{key} = {values[key]} stays, where {name} has {value}: numbers that depend on it "
        f"are not comparable with {name}"
        for key, value in preset.items()
        if values[key] not in (value, comparable.get(key, value))
    ]


def _preset(config: ConfigDict) -> Settings:
    name = config.compat
    if name not in COMPATS:
        known = sorted(COMPATS.keys() - {""})
        raise ConfigError(f"config.compat = {name!r} is unknown; choose one of {known}, or ''")
    return COMPATS[name](config)
