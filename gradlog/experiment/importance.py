"""Which estimator stands for each draw of an importance-weighted one."""

from collections.abc import Callable, Mapping
from typing import Any

from gradlog.data import Dataset
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.likelihood import (
    LIKELIHOODS,
    ImportanceWeighted,
    Likelihood,
    OneDraw,
    StoredLikelihood,
)

IMPORTANCE = "importance"
_VARIANCE = "the weights would be exponentials of all its variance"
_NOT_A_BASE = {"bound": _VARIANCE, "vlb": _VARIANCE, "scipy": "it is not traceable"}


def estimator_names() -> list[str]:
    """Every name that ``config.likelihood.name`` may have."""
    return sorted([*LIKELIHOODS, IMPORTANCE])


def per_draw(own: Reader, name: str, dataset: Dataset | None) -> str:
    """The name of the likelihood that is evaluated at each draw of the dequantization.

    Raises:
      ConfigError: there is nothing to draw, or a likelihood that cannot be weighted.
    """
    if name != IMPORTANCE:
        return name
    if dataset is not None and dataset.levels is None:
        raise ConfigError(
            "config.likelihood.name = 'importance' needs integer data: it weighs draws of the "
            f"dequantization, and {dataset.name} is continuous; choose 'ode'"
        )
    bases: Mapping[str, Callable[..., Any]] = {
        key: member for key, member in LIKELIHOODS.items() if key not in _NOT_A_BASE
    }
    base = own.get("likelihood.base")
    if base in _NOT_A_BASE:
        raise ConfigError(
            f"config.likelihood.base = {base!r} cannot be a base: {_NOT_A_BASE[base]}; choose one "
            f"of {sorted(bases)}"
        )
    own.pick("likelihood.base", bases)
    return base


def over_draws(own: Reader, name: str, likelihood: Likelihood) -> StoredLikelihood:
    """One draw, or as many as ``config.likelihood.importance_samples``."""
    if name != IMPORTANCE:
        return OneDraw(likelihood)
    return ImportanceWeighted(likelihood, own.get("likelihood.importance_samples"))
