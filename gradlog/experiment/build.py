"""The only reader of configurations: from a config to an ``Experiment``, everything wired.

How keys are read is in ``wiring/reader.py``, what is made of each section in ``wiring/parts.py``.
"""

from typing import Any

import jax
from ml_collections import ConfigDict

from gradlog.data import DATASETS, UNKNOWN, DataError, Dataset, stand_in
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.experiment import (
    ClassifierSettings,
    EvalSettings,
    Experiment,
    SamplingSettings,
)
from gradlog.experiment.losses import build_loss
from gradlog.experiment.memory import check_memory
from gradlog.experiment.parts import (
    build_augmentation,
    build_dequantization,
    build_estimators,
    build_model,
    build_optimizer,
    build_quality,
    build_sampler,
    build_training,
)
from gradlog.experiment.ranges import check_ranges
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.experiment.steering import build_steering
from gradlog.losses import Ladder
from gradlog.models import LadderIndex, ScoreModel
from gradlog.sampling import AnnealedLangevin
from gradlog.sde_lib import SDES

STREAMS = ("init", "train", "held_out", "eval", "sample")
IDENTITY = ("seed", "data.", "sde.", "model.", "objective.", "optimizer.")
# What each of `objective.dequantization` makes of data with levels.
_TRAINED_ON = {
    "centers": "the centers of their levels",
    "scaled": "levels as they are, scaled",
    "uniform": "uniformly dequantized data",
}
# Where data lie says nothing of what they are; their fingerprint does. Rematerialization changes
# the memory that training takes, not what is trained.
NOT_IDENTITY = ("data.data_dir", "data.path", "data.test_path", "model.remat")


def load_dataset(config: ConfigDict) -> Dataset:
    """Loads ``config.data``.

    Raises:
      ConfigError: the data set's name is unknown.
      DataError: the data cannot be had; the message says what to do.
    """
    reader = Reader(config)
    return reader.choose("data", DATASETS)


def shape_of_data(config: ConfigDict) -> Dataset:
    """The shape of ``config.data`` without its examples, or else, where that is not known, all."""
    return known_shape(config) or load_dataset(config)


def known_shape(config: ConfigDict) -> Dataset | None:
    """The shape of ``config.data`` without its examples; None where that is not known."""
    return _stand_in(config, "only its shape was asked for")


def data_or_shape(config: ConfigDict) -> Dataset:
    """``config.data``, or its shape alone where the data cannot be had."""
    try:
        return load_dataset(config)
    except DataError as error:
        found = _stand_in(config, str(error))
        if found is None:
            raise
        return found


def _stand_in(config: ConfigDict, reason: str) -> Dataset | None:
    return stand_in(Reader(config).get("data.name"), config.data.to_dict(), reason)


def build(config: ConfigDict, dataset: Dataset) -> Experiment:
    """Wires an experiment.

    Args:
      config: a whole configuration.
      dataset: what ``load_dataset`` gave for it.

    Raises:
      ConfigError: a name, a key or a value that cannot be; the message names it.
    """
    config = resolve_compat(config)
    reader = Reader(config)
    parts = _parts(reader, config, dataset)
    check_memory(reader, _shapes(parts["model"], dataset), dataset.shape)
    _check_classes(parts["model"], dataset)
    parts["dequantization"] = build_dequantization(reader, dataset)
    root = jax.random.key(reader.get("seed"))
    identity = {
        key: value for key, value in reader.snapshot(*IDENTITY).items() if key not in NOT_IDENTITY
    }
    return Experiment(
        dataset=dataset,
        **parts,
        streams=dict(zip(STREAMS, jax.random.split(root, len(STREAMS)), strict=True)),
        sampler_settings=reader.snapshot("sampling."),
        identity=identity | {"data.fingerprint": dataset.fingerprint},
        keys_read=frozenset(reader.keys_read),
    )


def check_config(config: ConfigDict) -> None:
    """Builds all that can be built without the data.

    Raises:
      ConfigError: a name, a key or a value that cannot be; the message names it.
    """
    config = resolve_compat(config)
    _parts(Reader(config), config, None)


def _parts(reader: Reader, config: ConfigDict, dataset: Dataset | None) -> dict[str, Any]:
    check_ranges(config)
    reader.get("compat")
    reader.note_data_keys()
    sde = reader.choose("sde", SDES)
    model, sampler = build_model(reader), build_sampler(reader, sde)
    return {
        "sde": sde,
        "model": model,
        "loss": build_loss(reader, sde, model, dataset),
        "optimizer": build_optimizer(reader),
        "ema_decay": reader.get("optimizer.ema_decay"),
        "ema_warmup": reader.get("optimizer.ema_warmup"),
        "augmentation": build_augmentation(reader, dataset),
        "estimators": build_estimators(reader, config, sde, dataset),
        "sampler": sampler,
        "steering": build_steering(reader, model, sampler, dataset),
        "training": build_training(reader),
        "eval": reader.make("eval", EvalSettings),
        "sampling": reader.make("sampling", SamplingSettings),
        "classifier": reader.make("classifier", ClassifierSettings),
        "quality": build_quality(reader),
    }


def _shapes(model: ScoreModel, dataset: Dataset) -> Any:
    """The shapes of the parameters.

    The network is traced once for them, so that one that does not fit the data says so at once.
    """
    try:
        return jax.eval_shape(lambda key: model.init(key, dataset.shape), jax.random.key(0))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ConfigError(
            f"config.model does not fit data of shape {dataset.shape}: {error}"
        ) from error


def _check_classes(model: ScoreModel, dataset: Dataset) -> None:
    """Raises ConfigError where the network's classes are not those of the data."""
    if not model.num_classes or dataset.fingerprint == UNKNOWN:
        return
    if model.num_classes == dataset.num_classes:
        return
    key = f"config.model.num_classes = {model.num_classes}"
    if dataset.num_classes is None:
        raise ConfigError(
            f"{key} needs data with classes, and {dataset.name} has none here: choose such data, "
            "or say config.data.read_labels = True where the labels are to be read"
        )
    raise ConfigError(f"{key}, but {dataset.name} has {dataset.num_classes} classes")


def notes(experiment: Experiment, config: ConfigDict, overridden: list[str]) -> list[str]:
    """What a reader of the numbers should know of a configuration that is otherwise in order."""
    found = unread_overrides(experiment, overridden) + untrained_times(config)
    return found + other_ladders(experiment) + other_dequantizations(experiment)


def untrained_times(config: ConfigDict) -> list[str]:
    """Complaints about times evaluated or sampled that are not those trained on.

    Sampling may stop early; a likelihood leaves out what it does not look at.
    """
    reader = Reader(config)
    trained = reader.get("objective.eps")
    used = {name: reader.get(f"{name}.eps") for name in ("likelihood", "sampling")}
    found = [
        f"config.{name}.eps = {eps} lies below config.objective.eps = {trained}: the network has "
        "not been trained there"
        for name, eps in used.items()
        if eps < trained
    ]
    if used["likelihood"] > trained:
        found.append(
            f"config.likelihood.eps = {used['likelihood']} lies above config.objective.eps = "
            f"{trained}: what the network learned below it does not enter the likelihood"
        )
    return found


def other_ladders(experiment: Experiment) -> list[str]:
    """Complaints about a network that knows a ladder's levels alone, and is asked about others."""
    label, proposal = experiment.model.label, experiment.loss.proposal
    if not isinstance(label, LadderIndex):
        return []
    found, sampler = [], experiment.sampler
    if not isinstance(proposal, Ladder):
        found.append(
            "config.model.label = 'ladder', but config.objective.levels is not: the network is "
            "told the nearest level, not the one it is at"
        )
    known = (label.num_scales, label.eps)
    if isinstance(sampler, AnnealedLangevin) and (sampler.num_scales, sampler.eps) != known:
        found.append(
            f"the sampler's ladder of {sampler.num_scales} levels down to eps = {sampler.eps} is "
            f"not the network's, of {known[0]} down to {known[1]}: say "
            "config.sampling.num_scales = 0 and config.sampling.eps = config.objective.eps"
        )
    return found


def other_dequantizations(experiment: Experiment) -> list[str]:
    """Complaints about estimators that stand on other points than the training did."""
    trained = experiment.dequantization
    points = _TRAINED_ON[str(experiment.identity["objective.dequantization"])]
    return [
        f"{name}: config.likelihood.dequantization = "
        f"{estimator.settings['likelihood.dequantization']!r}, but the network was trained on "
        f"{points}"
        for name, estimator in experiment.estimators.items()
        if estimator.dequantization != trained
    ]


def unread_overrides(experiment: Experiment, overridden: list[str]) -> list[str]:
    """Complaints about keys given on the command line that nothing reads with this config."""
    unread = [key for key in overridden if key not in experiment.keys_read]
    return [f"config.{key} is not read with these names; it changes nothing" for key in unread]
