"""The training loss: an objective over levels of noise, with what it must know of the data."""

import jax.numpy as jnp
import numpy as np

from gradlog.data import Dataset
from gradlog.distributions import Empirical, Oracle
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.losses import (
    LEVELS,
    OBJECTIVES,
    SCALINGS,
    SLICE_LAWS,
    WEIGHTINGS,
    Scaling,
    ScoreFlow,
    ScoreMatchingLoss,
    TimeProposal,
    UniformTime,
    Weighting,
)
from gradlog.models import ScoreModel
from gradlog.sde_lib import SDE

CONTINUOUS = "continuous"


def build_loss(
    reader: Reader, sde: SDE, model: ScoreModel, dataset: Dataset | None
) -> ScoreMatchingLoss:
    """The objective, weighted over time, with the proposal of times.

    Without the data set it is not to be used: that only checks what needs no data.
    """
    weighting = reader.make(
        "objective",
        reader.pick("objective.weighting", WEIGHTINGS),
        sigma_data=lambda: reader.get("model.sigma_data"),
    )
    return ScoreMatchingLoss(
        sde=sde,
        model=model,
        objective=reader.choose(
            "objective",
            OBJECTIVES,
            oracle=lambda: dataset and _law_for_training(dataset),
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        ),
        weighting=weighting,
        proposal=_build_proposal(reader, weighting),
        eps=reader.eps("objective", sde),
        scaling=_build_scaling(reader),
        class_dropout=reader.get("objective.class_dropout") if model.num_classes else 0.0,
    )


def law_of(dataset: Dataset) -> Oracle:
    """The law the data were drawn from, or else the empirical law of the training set.

    Of held-out data the second is not the law.

    Raises:
      ConfigError: the data are levels: what is trained on are random points around them.
    """
    if dataset.law is not None:
        return dataset.law
    if dataset.levels is not None:
        raise ConfigError(
            f"the score of {dataset.name} is not known: their levels are dequantized at random; "
            "take data with a known law, config.data.name = 'mixture', or continuous data"
        )
    return Empirical(jnp.asarray(dataset.train[np.arange(len(dataset.train))]))


def _law_for_training(dataset: Dataset) -> Oracle:
    try:
        return law_of(dataset)
    except ConfigError as error:
        raise ConfigError(
            f"config.objective.name = 'esm' needs the true score; {error}; or take 'dsm'"
        ) from error


def _build_proposal(reader: Reader, weighting: Weighting) -> TimeProposal:
    levels = reader.pick("objective.levels", {CONTINUOUS: None, **LEVELS})
    if levels is not None:
        return reader.make(
            "objective",
            levels,
            num_scales=lambda: reader.get("model.num_scales"),
            num_steps=lambda: reader.get("sde.num_steps"),
        )
    importance = reader.get("objective.importance_sampling")
    return weighting.importance_proposal() if importance else UniformTime()


def _build_scaling(reader: Reader) -> Scaling:
    member = reader.pick("objective.scaling", SCALINGS)
    if member is ScoreFlow:
        _only(reader, "levels", tuple(ScoreFlow.WEIGHTINGS))
        _only(reader, "weighting", ScoreFlow.WEIGHTINGS[reader.get("objective.levels")])
    return reader.make("objective", member)


def _only(reader: Reader, key: str, possible: tuple[str, ...]) -> None:
    """Raises ConfigError where score_flow's scaling has no such thing."""
    found = reader.get(f"objective.{key}")
    if found not in possible:
        raise ConfigError(
            f"config.objective.scaling = 'score_flow' needs one of {possible}, got "
            f"config.objective.{key} = {found!r}"
        )
