"""The only reader of configurations: from a config to an ``Experiment``, everything wired.

``name`` in a section selects a member of a room's registry; the member's own parameters are read
from the section under their own names, parts shared between rooms are passed in. Which keys were
read is remembered: they are what a result depends on.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import optax
from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from data import DATASETS, DataError, Dataset
from likelihood import DIVERGENCES, LIKELIHOODS, Continuous, Dequantisation, Likelihood, Uniform
from losses import OBJECTIVES, WEIGHTINGS, ScoreMatchingLoss, UniformTime
from models import LABELS, NETWORKS, PARAMETRISATIONS, ScoreModel
from sampling import CORRECTORS, PREDICTORS, SAMPLERS, Sampler
from sde_lib import SDE, SDES
from solvers import FLOWS, Adaptive
from training import MAPPINGS, SCHEDULES, adam

OPTIMIZERS = {"adam": adam}
STREAMS = ("init", "train", "held_out", "eval", "sample")
IDENTITY = ("seed", "data.", "sde.", "model.", "objective.", "optimizer.")
# Where data lie says nothing of what they are; their fingerprint does.
NOT_IDENTITY = ("data.data_dir", "data.path", "data.test_path")

# Intervals that numbers must lie in, whoever reads them; ``(`` and ``)`` leave their end out. The
# data room checks its own.
RANGES = {
    "[0, 4294967296)": ("seed",),
    "[2, inf)": ("model.embedding",),
    "[1, inf)": (
        *(f"model.{name}" for name in ("nf", "ch_mult", "num_res_blocks", "num_scales", "hidden")),
        "optimizer.accumulate",
        *(f"training.{name}" for name in ("steps", "batch_size", "log_every")),
        "eval.batch_size",
        *(f"likelihood.{name}" for name in ("max_steps", "probes", "chunk", "samples")),
        *(f"sampling.{name}" for name in ("num_samples", "batch_size", "num_steps", "max_steps")),
        "sampling.corrector_steps",
    ),
    "[0, inf)": (
        *(f"model.{name}" for name in ("num_layers", "init_scale")),
        *(f"optimizer.{name}" for name in ("learning_rate", "decay_steps", "warmup", "adam_eps")),
        *(f"optimizer.{name}" for name in ("weight_decay", "grad_clip")),
        *(f"training.{name}" for name in ("checkpoint_every", "keep", "eval_every")),
        "training.sample_every",
        "eval.num_images",
        "likelihood.rtol",
        "sampling.rtol",
    ),
    "(0, inf)": (
        *(f"sde.{name}" for name in ("beta_min", "beta_max", "sigma_min", "sigma_max")),
        *(f"model.{name}" for name in ("sigma_data", "fourier_scale")),
        "objective.log_rho_std",
        "likelihood.atol",
        *(f"sampling.{name}" for name in ("snr", "atol")),
    ),
    "[0, 1)": ("model.dropout", *(f"optimizer.{name}" for name in ("beta1", "beta2", "ema_decay"))),
    "(0, 1)": ("sde.t_max",),
}


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the key."""


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how to train; see ``configs/default.py``."""

    steps: int
    batch_size: int
    parallel: str
    log_every: int
    checkpoint_every: int
    keep: int
    eval_every: int
    sample_every: int


@dataclass(frozen=True)
class SamplingSettings:
    """How many samples to draw, and how many at once."""

    num_samples: int
    batch_size: int


@dataclass(frozen=True)
class EvalSettings:
    """How many images to evaluate (0 for all), and how many at once."""

    batch_size: int
    num_images: int


@dataclass(frozen=True)
class Estimator:
    """A likelihood estimator and the settings that decide its numbers."""

    likelihood: Likelihood
    settings: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, wired."""

    dataset: Dataset
    sde: SDE
    model: ScoreModel
    loss: ScoreMatchingLoss
    dequantisation: Dequantisation
    optimizer: optax.GradientTransformation
    ema_decay: float
    estimators: dict[str, Estimator]
    sampler: Sampler
    training: TrainingSettings
    eval: EvalSettings
    sampling: SamplingSettings
    streams: dict[str, jax.Array]
    identity: dict[str, Any]
    keys_read: frozenset[str]


class Reader:
    """Reads sections of a config and remembers which keys it read."""

    def __init__(self, config: ConfigDict):
        self._config = config
        self.keys_read: set[str] = set()

    def get(self, key: str) -> Any:
        """The value of a dotted key."""
        self.keys_read.add(key)
        value: Any = self._config
        for part in key.split("."):
            if part not in value:
                raise ConfigError(f"config.{key} is missing; see configs/default.py")
            value = value[part]
        return value

    def pick(self, key: str, registry: Mapping[str, Any]) -> Any:
        """The member of a registry that a key names."""
        name = self.get(key)
        if name not in registry:
            raise ConfigError(
                f"config.{key} = {name!r} is unknown; choose one of {sorted(registry)}"
            )
        return registry[name]

    def make(self, section: str, factory: Callable, **parts: Callable[[], Any]) -> Any:
        """Calls a factory with those of its parameters that are shared parts or section keys.

        Parts are given as functions, called only if the factory wants them.
        """
        arguments = {}
        known: Any = self._config[section]
        for name, parameter in inspect.signature(factory).parameters.items():
            if name in parts:
                arguments[name] = parts[name]()
            elif name in known and name != "name":
                arguments[name] = self.get(f"{section}.{name}")
            elif parameter.default is parameter.empty:
                raise ConfigError(f"config.{section}.{name} is missing; see configs/default.py")
        try:
            return factory(**arguments)
        except (ConfigError, DataError):
            raise
        except ValueError as error:
            raise ConfigError(f"config.{section}: {error}") from error

    def choose(self, section: str, registry: Mapping[str, Any], **parts) -> Any:
        """Makes the member that ``config.<section>.name`` selects."""
        return self.make(section, self.pick(f"{section}.name", registry), **parts)

    def note_data_keys(self) -> None:
        """Counts the keys of the data set's loader as read: the data set depends on them."""
        loader = self.pick("data.name", DATASETS)
        self.keys_read |= {f"data.{name}" for name in inspect.signature(loader).parameters}

    def eps(self, section: str, sde: SDE) -> float:
        """The section's ``eps``, inside the SDE's range of times."""
        eps = self.get(f"{section}.eps")
        if not 0 < eps < sde.t_max:
            raise ConfigError(f"config.{section}.eps = {eps} must lie in (0, {sde.t_max})")
        return eps

    def snapshot(self, *prefixes: str) -> dict[str, Any]:
        """Values of the keys read so far that begin with one of the prefixes."""
        keys = sorted(key for key in self.keys_read if key.startswith(prefixes))
        return {key: self.get(key) for key in keys}


def load_dataset(config: ConfigDict) -> Dataset:
    """Loads ``config.data``.

    Raises:
      ConfigError: the data set's name is unknown.
      DataError: the data cannot be had; the message says what to do.
    """
    reader = Reader(config)
    return reader.choose("data", DATASETS)


def build(config: ConfigDict, dataset: Dataset) -> Experiment:
    """Wires an experiment.

    Args:
      config: a whole configuration.
      dataset: what ``load_dataset`` gave for it.

    Raises:
      ConfigError: a name, a key or a value that cannot be; the message names it.
    """
    check_ranges(config)
    reader = Reader(config)
    reader.note_data_keys()
    sde = reader.choose("sde", SDES)
    model = build_model(reader)
    _check_shape(model, dataset)
    loss = build_loss(reader, sde, model)
    optimizer = build_optimizer(reader)
    ema_decay = reader.get("optimizer.ema_decay")
    dequantisation = build_dequantisation(reader, dataset)
    root = jax.random.key(reader.get("seed"))
    identity = reader.snapshot(*IDENTITY)
    return Experiment(
        dataset=dataset,
        sde=sde,
        model=model,
        loss=loss,
        dequantisation=dequantisation,
        optimizer=optimizer,
        ema_decay=ema_decay,
        estimators=build_estimators(reader, config, sde),
        sampler=build_sampler(reader, sde),
        training=build_training(reader),
        eval=reader.make("eval", EvalSettings),
        sampling=reader.make("sampling", SamplingSettings),
        streams=dict(zip(STREAMS, jax.random.split(root, len(STREAMS)), strict=True)),
        identity={k: v for k, v in identity.items() if k not in NOT_IDENTITY}
        | {"data.fingerprint": dataset.fingerprint},
        keys_read=frozenset(reader.keys_read),
    )


def check_ranges(config: ConfigDict) -> None:
    """Raises ConfigError for a number outside its interval, or a tuple of something else."""
    values: dict[str, Any] = flatten_dict(config.to_dict(), sep=".")
    for key, value in values.items():
        # A tuple is all that the command line's own check of types does not look into.
        numbers = value if key.startswith("model.") and isinstance(value, tuple) else ()
        if not all(type(number) is int for number in numbers):
            raise ConfigError(f"config.{key} = {value} must be whole numbers, such as 1,2")
    for interval, keys in RANGES.items():
        for key in values.keys() & set(keys):
            if not _lies_in(interval, values[key]):
                raise ConfigError(f"config.{key} = {values[key]} must lie in {interval}")
    low, high = values.get("sde.sigma_min", 0), values.get("sde.sigma_max", float("inf"))
    if low >= high:
        raise ConfigError(
            f"config.sde.sigma_min = {low} must be below config.sde.sigma_max = {high}"
        )


def _lies_in(interval: str, value: Any) -> bool:
    """Whether a number, or each of a tuple that is not empty, lies in an interval."""
    numbers = value if isinstance(value, tuple) else (value,)
    low, high = (float(end) for end in interval[1:-1].split(","))
    least = low if interval.startswith("[") else math.nextafter(low, high)
    return bool(numbers) and all(least <= number < high for number in numbers)


def build_model(reader: Reader) -> ScoreModel:
    """The network with its parametrisation and its noise label."""
    ladder = {
        "sigma_min": lambda: reader.get("sde.sigma_min"),
        "sigma_max": lambda: reader.get("sde.sigma_max"),
    }
    return ScoreModel(
        network=reader.choose("model", NETWORKS, **ladder),
        parametrisation=reader.make(
            "model", reader.pick("model.parametrisation", PARAMETRISATIONS)
        ),
        label=reader.pick("model.label", LABELS),
    )


def build_dequantisation(reader: Reader, dataset: Dataset) -> Dequantisation:
    """Uniform for data with levels, none for continuous data."""
    if dataset.levels is None:
        return Continuous()
    return Uniform(dataset.levels, centered=reader.get("model.centered"))


def build_loss(reader: Reader, sde: SDE, model: ScoreModel) -> ScoreMatchingLoss:
    """The objective, weighted over time, with the proposal of times."""
    weighting = reader.make(
        "objective",
        reader.pick("objective.weighting", WEIGHTINGS),
        sigma_data=lambda: reader.get("model.sigma_data"),
    )
    importance = reader.get("objective.importance_sampling")
    return ScoreMatchingLoss(
        sde=sde,
        model=model,
        objective=reader.choose("objective", OBJECTIVES),
        weighting=weighting,
        proposal=weighting.importance_proposal() if importance else UniformTime(),
        eps=reader.eps("objective", sde),
    )


def build_optimizer(reader: Reader) -> optax.GradientTransformation:
    """The optimiser with its schedule."""
    schedule = reader.make("optimizer", reader.pick("optimizer.schedule", SCHEDULES))
    return reader.choose("optimizer", OPTIMIZERS, schedule=lambda: schedule)


def build_training(reader: Reader) -> TrainingSettings:
    """The settings of the loop."""
    reader.pick("training.parallel", MAPPINGS)
    return reader.make("training", TrainingSettings)


def build_estimators(reader: Reader, config: ConfigDict, sde: SDE) -> dict[str, Estimator]:
    """The estimators that ``config.eval.estimators`` lists, each from ``config.likelihood``."""
    listed = reader.get("eval.estimators") or (reader.get("likelihood.name"),)
    # A comma-separated list on the command line arrives as one string.
    names = [name.strip() for entry in listed for name in entry.split(",")]
    return {name: _estimator(reader, config, sde, name) for name in dict.fromkeys(names)}


def _estimator(reader: Reader, config: ConfigDict, sde: SDE, name: str) -> Estimator:
    own = Reader(config)
    if name not in LIKELIHOODS:
        raise ConfigError(
            f"config.eval.estimators: {name!r} is unknown; choose from {sorted(LIKELIHOODS)}"
        )
    eps = own.eps("likelihood", sde)
    likelihood = own.make(
        "likelihood",
        LIKELIHOODS[name],
        eps=lambda: eps,
        prior_log_prob=lambda: None,
        **_solving(own, "likelihood"),
        divergence=lambda: own.make("likelihood", own.pick("likelihood.divergence", DIVERGENCES)),
    )
    reader.keys_read |= own.keys_read
    return Estimator(likelihood, own.snapshot("likelihood."))


def build_sampler(reader: Reader, sde: SDE) -> Sampler:
    """The sampler, with its predictor and corrector or its solver."""
    eps = reader.eps("sampling", sde)

    def part(key: str, registry: Mapping[str, Any]) -> Callable[[], Any]:
        return lambda: reader.make("sampling", reader.pick(f"sampling.{key}", registry))

    return reader.choose(
        "sampling",
        SAMPLERS,
        eps=lambda: eps,
        predictor=part("predictor", PREDICTORS),
        corrector=part("corrector", CORRECTORS),
        **_solving(reader, "sampling"),
    )


def _solving(reader: Reader, section: str) -> dict[str, Callable[[], Any]]:
    return {
        "solver": lambda: reader.make(section, Adaptive),
        "flow": lambda: reader.pick(f"{section}.variable", FLOWS)(),
    }


def _check_shape(model: ScoreModel, dataset: Dataset) -> None:
    """Traces the network once, so that one that does not fit the data says so at once."""
    try:
        jax.eval_shape(lambda key: model.init(key, dataset.shape), jax.random.key(0))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ConfigError(
            f"config.model does not fit data of shape {dataset.shape}: {error}"
        ) from error


def unread_overrides(experiment: Experiment, overridden: list[str]) -> list[str]:
    """Complaints about keys given on the command line that nothing reads with this config."""
    unread = [key for key in overridden if key not in experiment.keys_read]
    return [f"config.{key} is not read with these names; it changes nothing" for key in unread]
