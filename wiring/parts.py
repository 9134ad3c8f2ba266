"""The parts of an experiment, each from its section of the configuration."""

from collections.abc import Callable, Mapping
from typing import Any

import optax
from ml_collections import ConfigDict

from data import Dataset
from likelihood import (
    LIKELIHOODS,
    STARTS,
    Continuous,
    Dequantisation,
    Uniform,
)
from models import LABELS, NETWORKS, PARAMETRISATIONS, ScoreModel
from sampling import CORRECTORS, PREDICTORS, SAMPLERS, Sampler
from sde_lib import SDE
from solvers import FLOWS, Adaptive
from training import MAPPINGS, SCHEDULES, adam
from wiring.evaluated import build_divergence, evaluated_dequantisation
from wiring.experiment import Estimator, TrainingSettings
from wiring.importance import estimator_names, over_draws, per_draw
from wiring.reader import ConfigError, Reader

OPTIMIZERS = {"adam": adam}


def build_model(reader: Reader) -> ScoreModel:
    """The network with its parametrisation and its noise label."""
    ladder = {}
    if reader.get("model.scale_by_sigma"):
        ladder = {
            "sigma_min": lambda: reader.get("sde.sigma_min"),
            "sigma_max": lambda: reader.get("sde.sigma_max"),
        }
    _check_table(reader)
    return ScoreModel(
        network=reader.choose("model", NETWORKS, **ladder),
        parametrisation=reader.make(
            "model", reader.pick("model.parametrisation", PARAMETRISATIONS)
        ),
        label=reader.make(
            "model",
            reader.pick("model.label", LABELS),
            eps=lambda: reader.get("objective.eps"),
        ),
    )


def _check_table(reader: Reader) -> None:
    """Raises ConfigError where rows of a table would be looked up by what is no number of a row."""
    embedding, label = reader.get("model.embedding_type"), reader.get("model.label")
    if embedding == "table" and label != "ladder":
        raise ConfigError(
            "config.model.embedding_type = 'table' has a row for each level of the ladder: it "
            f"needs config.model.label = 'ladder', got {label!r}"
        )


def build_dequantisation(reader: Reader, dataset: Dataset) -> Dequantisation:
    """For training and samples: uniform for data with levels, none for continuous data."""
    if dataset.levels is None:
        return Continuous()
    return Uniform(dataset.levels, centered=reader.get("model.centered"))


def build_optimizer(reader: Reader) -> optax.GradientTransformation:
    """The optimiser with its schedule."""
    schedule = reader.make("optimizer", reader.pick("optimizer.schedule", SCHEDULES))
    return reader.choose("optimizer", OPTIMIZERS, schedule=lambda: schedule)


def build_training(reader: Reader) -> TrainingSettings:
    """The settings of the loop."""
    reader.pick("training.parallel", MAPPINGS)
    return reader.make("training", TrainingSettings)


def build_estimators(
    reader: Reader, config: ConfigDict, sde: SDE, dataset: Dataset | None
) -> dict[str, Estimator]:
    """The estimators that ``config.eval.estimators`` lists, each from ``config.likelihood``.

    Without the data set they are not to be used: that only checks what needs no data.
    """
    key = "eval.estimators" if reader.get("eval.estimators") else "likelihood.name"
    listed = reader.get(key) if key == "eval.estimators" else (reader.get(key),)
    if not all(isinstance(entry, str) for entry in listed):
        raise ConfigError(
            f"config.eval.estimators = {listed} must be names, choose from {estimator_names()}"
        )
    # A comma-separated list on the command line arrives as one string.
    names = [name.strip() for entry in listed for name in entry.split(",")]
    if unknown := [name for name in names if name not in estimator_names()]:
        raise ConfigError(
            f"config.{key}: {unknown[0]!r} is unknown; choose from {estimator_names()}"
        )
    return {name: _estimator(reader, config, sde, name, dataset) for name in dict.fromkeys(names)}


def _estimator(
    reader: Reader, config: ConfigDict, sde: SDE, name: str, dataset: Dataset | None
) -> Estimator:
    own = Reader(config)
    base = per_draw(own, name, dataset)
    eps = own.eps("likelihood", sde)
    likelihood = own.make(
        "likelihood",
        LIKELIHOODS[base],
        eps=lambda: eps,
        prior_log_prob=lambda: None,
        start=lambda: own.pick("likelihood.start", STARTS)(),
        **_solving(own, "likelihood"),
        divergence=lambda: build_divergence(own, dataset),
        node_divergence=lambda: build_divergence(own, dataset, "node_divergence", "node_probes"),
    )
    dequantisation = evaluated_dequantisation(own, base, sde, eps, dataset)
    stored = over_draws(own, name, likelihood)
    reader.keys_read |= own.keys_read
    return Estimator(stored, dequantisation, own.snapshot("likelihood."))


def build_sampler(reader: Reader, sde: SDE) -> Sampler:
    """The sampler, with its predictor and corrector or its solver."""
    eps = reader.eps("sampling", sde)

    def part(key: str, registry: Mapping[str, Any]) -> Callable[[], Any]:
        return lambda: reader.make("sampling", reader.pick(f"sampling.{key}", registry))

    return reader.choose(
        "sampling",
        SAMPLERS,
        eps=lambda: eps,
        num_scales=lambda: reader.get("sampling.num_scales") or reader.get("model.num_scales"),
        predictor=part("predictor", PREDICTORS),
        corrector=part("corrector", CORRECTORS),
        **_solving(reader, "sampling"),
    )


def _solving(reader: Reader, section: str) -> dict[str, Callable[[], Any]]:
    return {
        "solver": lambda: reader.make(section, Adaptive),
        "flow": lambda: reader.pick(f"{section}.variable", FLOWS)(),
    }
