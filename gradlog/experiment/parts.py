"""The parts of an experiment, each from its section of the configuration."""

from collections.abc import Callable, Mapping
from typing import Any

import optax
from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.evaluation import BATCH_AXES
from gradlog.evaluation.features import CONVENTIONS, FEATURES
from gradlog.experiment.evaluated import build_divergence, evaluated_dequantization
from gradlog.experiment.experiment import Estimator, QualitySettings, TrainingSettings
from gradlog.experiment.importance import estimator_names, over_draws, per_draw
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.likelihood import (
    LIKELIHOODS,
    STARTS,
    TRAINING_POINTS,
    Continuous,
    Dequantization,
)
from gradlog.models import LABELS, NETWORKS, PARAMETRIZATIONS, ScoreModel
from gradlog.ode import FLOWS, Adaptive
from gradlog.sampling import CORRECTORS, PREDICTORS, SAMPLERS, TIME_SCHEDULES, Encoding, Sampler
from gradlog.sde_lib import SDE
from gradlog.storage import TRACKERS
from gradlog.training import MAPPINGS, SCHEDULES, Augmentation, RandomFlip, Unchanged, adam

OPTIMIZERS = {"adam": adam}


def build_model(reader: Reader) -> ScoreModel:
    """The network with its parametrization and its noise label."""
    ladder = {}
    if reader.get("model.scale_by_sigma"):
        ladder = {
            "sigma_min": lambda: reader.get("sde.sigma_min"),
            "sigma_max": lambda: reader.get("sde.sigma_max"),
        }
    _check_table(reader)
    return ScoreModel(
        network=reader.choose("model", NETWORKS, **ladder),
        parametrization=reader.make(
            "model", reader.pick("model.parametrization", PARAMETRIZATIONS)
        ),
        label=reader.make(
            "model",
            reader.pick("model.label", LABELS),
            eps=lambda: reader.get("objective.eps"),
            num_steps=lambda: reader.get("sde.num_steps"),
            gamma_min=lambda: reader.get("sde.gamma_min"),
            gamma_max=lambda: reader.get("sde.gamma_max"),
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


def build_dequantization(reader: Reader, dataset: Dataset) -> Dequantization:
    """For training and samples: continuous data are left as they are.

    Raises:
      ConfigError: ``config.objective.dequantization`` is unknown.
    """
    member = reader.pick("objective.dequantization", TRAINING_POINTS)
    if dataset.levels is None:
        return Continuous()
    return member(dataset.levels, centered=reader.get("model.centered"))


def build_augmentation(reader: Reader, dataset: Dataset | None) -> Augmentation:
    """What training does to the data at random.

    Raises:
      ConfigError: there are no images to mirror.
    """
    if not reader.get("data.random_flip"):
        return Unchanged()
    if dataset is not None and len(dataset.shape) != 3:
        raise ConfigError(
            "config.data.random_flip = True mirrors images (height, width, channels); "
            f"{dataset.name} has the shape {dataset.shape}"
        )
    return RandomFlip()


def build_optimizer(reader: Reader) -> optax.GradientTransformation:
    """The optimizer with its schedule."""
    schedule = reader.make("optimizer", reader.pick("optimizer.schedule", SCHEDULES))
    return reader.choose("optimizer", OPTIMIZERS, schedule=lambda: schedule)


def build_training(reader: Reader) -> TrainingSettings:
    """The settings of the loop."""
    reader.pick("training.parallel", MAPPINGS)
    reader.pick("training.tracker", TRACKERS)
    return reader.make("training", TrainingSettings)


def build_quality(reader: Reader) -> QualitySettings:
    """How samples are compared with data."""
    reader.pick("quality.features", FEATURES)
    reader.pick("quality.convention", CONVENTIONS)
    reader.pick("quality.against", {"train": None, "test": None})
    return reader.make("quality", QualitySettings)


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
    dequantization = evaluated_dequantization(own, base, sde, eps, dataset)
    stored = over_draws(own, name, likelihood)
    reader.keys_read |= own.keys_read
    return Estimator(stored, dequantization, own.snapshot("likelihood."))


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
        corrector=lambda: reader.make(
            "sampling",
            reader.pick("sampling.corrector", CORRECTORS),
            norm_axes=lambda: BATCH_AXES if reader.get("sampling.batch_norms") else (),
        ),
        schedule=part("schedule", TIME_SCHEDULES),
        **_solving(reader, "sampling"),
    )


def build_encoding(reader: Reader, sde: SDE) -> Encoding:
    """The way to latents and back, with the solver and the eps of ``config.sampling``."""
    eps = reader.eps("sampling", sde)
    return reader.make("sampling", Encoding, eps=lambda: eps, **_solving(reader, "sampling"))


def _solving(reader: Reader, section: str) -> dict[str, Callable[[], Any]]:
    return {
        "solver": lambda: reader.make(section, Adaptive),
        "flow": lambda: reader.pick(f"{section}.variable", FLOWS)(),
    }
