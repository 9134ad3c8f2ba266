"""Presets that make the numbers those of another code: ``config.compat``.

A preset stands for several keys. It is resolved once, before anything else is read; keys given on
the command line win over it.
"""

from collections.abc import Callable, Collection
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from gradlog.experiment.ranges import check_keys
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.losses import ScoreFlow

Settings = dict[str, Any]


def score_flow(config: ConfigDict) -> Settings:
    """The conventions of score_flow (Song, Durkan, Murray, Ermon 2021, arXiv:2101.09258).

    SciPy's RK45 at 1e-5 with one probe, x(eps) the uniformly dequantized image as it is, no term
    at eps. Its bound has 1000 times in the denoising form. The loss is scaled as its own, where it
    has the weighting. Langevin steps have the norms of a whole batch, ancestral steps the variance
    beta, but for VE.

    It evaluates from the smallest time of its own training, so eps is that of its files, whatever
    ``config.objective.eps`` is: 1e-2 for sub-VP; 5e-5 for VP on ImageNet32 with likelihood
    weighting and importance sampling; else 1e-5.
    """
    reader = Reader(config)
    name = reader.get("sde.name")
    weightings = ScoreFlow.WEIGHTINGS.get(reader.get("objective.levels"), ())
    comparable = reader.get("objective.weighting") in weightings
    loss = {"objective.scaling": "score_flow"} if comparable else {}
    return loss | {
        "likelihood.name": "scipy",
        "likelihood.rtol": 1e-5,
        "likelihood.atol": 1e-5,
        "likelihood.divergence": "rademacher",
        "likelihood.probes": 1,
        "likelihood.start": "as_sample",
        "likelihood.dequantization": "uniform",
        "likelihood.eps": _smallest_time(reader),
        "likelihood.samples": 1000,
        "likelihood.form": "dsm",
        "sampling.batch_norms": True,
        "sampling.ancestral_variance": "posterior" if name == "ve" else "beta",
    }


def _smallest_time(reader: Reader) -> float:
    """That of score_flow's files, by the condition that is in them."""
    if reader.get("sde.name") == "subvp":
        return 1e-2
    where = (reader.get("sde.name"), reader.get("data.name"), reader.get("objective.weighting"))
    published = where == ("vp", "imagenet32", "likelihood")
    return 5e-5 if published and reader.get("objective.importance_sampling") else 1e-5


def score_sde(config: ConfigDict) -> Settings:
    """The conventions of score_sde (Song et al. 2021, arXiv:2011.13456): eps is always 1e-5."""
    return score_flow(config) | {"likelihood.eps": 1e-5}


def nothing(config: ConfigDict) -> Settings:
    """The configuration as it stands."""
    del config
    return {}


# Values that a preset has settings for beside the one that it sets.
_ALSO_SETTLED = {"score_flow": {"likelihood.name": "bound"}}
COMPATS: dict[str, Callable[[ConfigDict], Settings]] = {
    "": nothing,
    "score_flow": score_flow,
    "score_sde": score_sde,
}


def resolve_compat(
    config: ConfigDict, kept: Collection[str] = (), trained: ConfigDict | None = None
) -> ConfigDict:
    """A copy of the configuration with the preset's keys set, and no preset left to resolve.

    Args:
      config: a whole configuration.
      kept: dotted keys that keep their value whatever the preset says.
      trained: what a run was made with, if there is one: its loss stays.

    Raises:
      ConfigError: ``config.compat`` is unknown, or the configuration is not a whole one.
    """
    check_keys(config)
    settings = {key: value for key, value in _preset(config).items() if key not in kept}
    if trained is not None and "objective.scaling" in settings:
        settings["objective.scaling"] = Reader(trained).get("objective.scaling")
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.update_from_flattened_dict(settings | {"compat": ""})
    return resolved


def compat_notes(config: ConfigDict, resolved: ConfigDict) -> list[str]:
    """What the preset of a configuration set as it was resolved, and what was kept from it."""
    preset, values = _preset(config), flatten_dict(resolved.to_dict(), sep=".")
    changed = [f"{key} = {value}" for key, value in preset.items() if values[key] == value]
    name = config.get("compat", "")
    settled: Settings = _ALSO_SETTLED.get(str(name), {})
    found = [f"compat = {name} sets {', '.join(changed)}"] if changed else []
    return found + [
        f"config.{key} = {values[key]} is kept, where {name} has {value}: what reads it is not "
        f"comparable with {name}"
        for key, value in preset.items()
        if values[key] not in (value, settled.get(key, value))
    ]


def _preset(config: ConfigDict) -> Settings:
    name = config.get("compat", "")
    if name not in COMPATS:
        known = sorted(COMPATS.keys() - {""})
        raise ConfigError(f"config.compat = {name!r} is unknown; choose one of {known}, or ''")
    return COMPATS[name](config)
