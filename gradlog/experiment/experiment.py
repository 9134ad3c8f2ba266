"""Everything that a configuration builds; each part is built at its first use."""

import copy
import inspect
import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar, overload

import jax
from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import (
    DATASETS,
    UNKNOWN,
    Dataset,
    describe_memory,
    explain_missing_labels,
    machine_bytes,
)
from gradlog.experiment.keys import PROCESS_DEFAULTS, identifies_workdir
from gradlog.experiment.likelihood_parts import Estimator, build_estimators
from gradlog.experiment.reader import Reader
from gradlog.experiment.sampling_parts import (
    ConditionalSampling,
    build_conditional_sampling,
    build_encoding,
    build_sampler,
)
from gradlog.experiment.schema import check_ranges
from gradlog.experiment.training_parts import (
    build_augmentation,
    build_model,
    build_objective,
    build_process,
    prepare_group,
)
from gradlog.models import DiffusionModel
from gradlog.sampling import Encoding, Sampler
from gradlog.sde_lib import SDE, GaussianPath, Process
from gradlog.storage import TRACKERS
from gradlog.training import MAPPINGS, Augmentation, ParameterGroup

# The names of independent streams of random numbers.
STREAMS = ("init", "train", "held_out", "eval", "sample")
# Names that ``gradlog.evaluation.quality.features`` has members for.
FEATURES = ("classifier", "inception", "pixels")
CONVENTIONS = ("pytorch_fid", "tensorflow")
# The largest parts of the memory that is needed at least: parameters, their average, Adam's two
# moments and the copy that becomes a checkpoint; of each datum in a batch the datum, its noise, the
# noised point and the score there.
_STATES, _COPIES, _FLOAT = 5, 4, 4
_BATCHES = (
    *("training.batch_size", "eval.batch_size", "sampling.batch_size", "sampling.num_samples"),
    "classifier.batch_size",
)


# Parts beside those that identify an experiment.
ALL_PARTS = (
    *("training", "estimators", "eval", "sampler", "conditional_sampling", "sampling"),
    *("classifier", "quality"),
)

T = TypeVar("T")


class part(Generic[T]):  # noqa: N801 - a decorator, as functools.cached_property
    """A property of an experiment that is built at its first use, from the keys of a `Reader`."""

    def __init__(self, build: Callable[["Experiment", Reader], T]):
        self._build = build
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, experiment: None, owner: type) -> "part[T]": ...
    @overload
    def __get__(self, experiment: "Experiment", owner: type) -> T: ...
    def __get__(self, experiment: Any, owner: type) -> Any:
        if experiment is None:
            return self
        reader = Reader(experiment.config)
        with jax.ensure_compile_time_eval():  # the first use may be inside of a traced function
            built = self._build(experiment, reader)
        experiment.keys_of_parts[self._name] = frozenset(reader.keys_read)
        vars(experiment)[self._name] = built  # from now on the instance has the attribute
        return built


class Experiment:
    """The parts of an experiment.

    A part is built at its first use: an evaluation builds no optimizer and no sampler. ``check``
    builds all parts, or those that it names, to find every mistake that needs no data.

    Args:
      config: a whole configuration, as `compat.resolve_compat` returns it.
      dataset: its data; without them the parts that depend on the data are of no use but to check
        the configuration.

    Attributes:
      config: the configuration.
      keys_of_parts: the keys that each part depends on, of the parts that were built.

    Raises:
      ConfigError: a number lies outside of its range; the message names the key.
    """

    def __init__(self, config: ConfigDict, dataset: Dataset | None = None):
        check_ranges(config)
        self.config = config
        self.keys_of_parts: dict[str, frozenset[str]] = {}
        self._dataset = dataset

    @property
    def dataset(self) -> Dataset:
        """The data."""
        assert self._dataset is not None, "this experiment was built without its data"
        return self._dataset

    def check(self, parts: Iterable[str] = ALL_PARTS) -> None:
        """Build what identifies the experiment, and these parts.

        Raises:
          ConfigError: a name, a key or a value is invalid; the message names it.
        """
        for name in (*_TRAINED, *parts):
            getattr(self, name)

    def with_data(self, dataset: Dataset) -> "Experiment":
        """Return the same experiment with data. Parts that do not depend on the data stay.

        Raises:
          ConfigError: the classes of model and data differ, or a batch does not fit the memory of
            this machine.
        """
        found = copy.copy(self)
        found._dataset = dataset
        found.keys_of_parts = dict(self.keys_of_parts)
        for name in _OF_DATA:
            vars(found).pop(name, None)
        found._check_fit()
        return found

    def _check_fit(self) -> None:
        dataset, classes = self.dataset, self.model.num_classes
        reader = Reader(self.config)
        for key in _BATCHES:
            rows = reader.get(key) / jax.process_count()
            _check_memory(
                _COPIES * _FLOAT * rows * math.prod(dataset.shape),
                f"config.{key} = {reader.get(key)}",
            )
        if not classes or dataset.fingerprint == UNKNOWN or classes == dataset.num_classes:
            return
        if dataset.num_classes is None:
            raise ConfigError(
                f"config.model.num_classes = {classes} needs data with classes; "
                f"{explain_missing_labels(dataset)}"
            )
        raise ConfigError(
            f"config.model.num_classes = {classes}, but {dataset.name} has {dataset.num_classes} "
            f"classes{f', {list(dataset.classes)}' if dataset.classes else ''}: set "
            f"config.model.num_classes = {dataset.num_classes}"
        )

    @cached_property
    def params_spec(self) -> Any:
        """The shapes of the parameters by group, as `jax.eval_shape` returns them.

        Raises:
          ConfigError: the model does not fit the data, or the memory of this machine.
        """
        shape = self.dataset.shape
        try:
            spec = jax.eval_shape(lambda key: self.model.init(key, shape), jax.random.key(0))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ConfigError(
                f"config.model does not fit data of shape {shape}: {error}"
            ) from error
        count = _count_numbers(spec)
        _check_memory(
            _STATES * _FLOAT * count, f"config.model has {count:,} parameters, whose training state"
        )
        return spec

    @property
    def num_parameters(self) -> int:
        """The number of trained numbers."""
        return _count_numbers(self.params_spec)

    # --- what is trained ----------------------------------------------------------------------

    @part
    def process(self, reader: Reader) -> Process:
        """The forward process, before its trained numbers are bound."""
        return build_process(reader, self._dataset)

    @property
    def initial_process(self) -> SDE:
        """The forward process as it is before training."""
        return self.process.initial()

    def require_common_levels(self, what: str) -> None:
        """Check that all data have the same noise levels at a time.

        Raises:
          ConfigError: a latent of the datum chooses them.
        """
        if getattr(self.process, "latents", 0):
            raise ConfigError(
                f"config.sde.latents = {self.config.sde.latents}: each datum has noise levels of "
                f"its own, so that there is not {what}; train with config.sde.latents = 0"
            )

    @part
    def model(self, reader: Reader) -> DiffusionModel:
        """The model, with the process and the dequantizer of training."""
        return build_model(reader, self.process, self._dataset)

    @part
    def objective(self, reader: Reader) -> Any:
        """The objective of training, a `losses.Objective`."""
        return build_objective(reader, self.process, self._dataset)

    @part
    def class_dropout(self, reader: Reader) -> float:
        """The probability that a class-conditional model sees no class in training."""
        return reader.get("objective.class_dropout") if self.model.num_classes else 0.0

    @part
    def augmentation(self, reader: Reader) -> Augmentation:
        """The random change of the training data."""
        return build_augmentation(reader, self._dataset)

    @part
    def build_group(self, reader: Reader) -> Callable[[str], ParameterGroup]:
        """The function that builds a value of ``groups``; its settings are checked before."""
        return prepare_group(reader, self.process)

    @cached_property
    def groups(self) -> dict[str, ParameterGroup]:
        """The optimizer and the average of each group of parameters."""
        return {name: self.build_group(name) for name in self.params_spec}

    @part
    def training(self, reader: Reader) -> Any:
        """The length and the course of training."""
        reader.pick("training.parallel", MAPPINGS)
        reader.pick("training.tracker", TRACKERS)
        return reader.section("training")

    @part
    def seed(self, reader: Reader) -> int:
        """The seed of all random numbers but those of ``data.seed``."""
        return reader.get("seed")

    @cached_property
    def streams(self) -> dict[str, jax.Array]:
        """Independent keys of random numbers by name; see ``STREAMS``."""
        with jax.ensure_compile_time_eval():  # the first use may be inside of a traced function
            keys = jax.random.split(jax.random.key(self.seed), len(STREAMS))
            return dict(zip(STREAMS, keys, strict=True))

    @part
    def data_keys(self, reader: Reader) -> dict[str, Any]:
        """The arguments of the function that loads the data."""
        loader = reader.pick("data.name", DATASETS)
        return {name: reader.get(f"data.{name}") for name in inspect.signature(loader).parameters}

    # --- what is evaluated and sampled --------------------------------------------------------

    @part
    def estimators(self, reader: Reader) -> dict[str, Estimator]:
        """The estimators of log probability by name."""
        return build_estimators(reader, self.config, self.process, self._dataset)

    @part
    def eval(self, reader: Reader) -> Any:
        """The choice of images to evaluate."""
        names = ("batch_size", "num_images", "second_look", "convergence_images")
        return reader.section("eval", *names)

    @part
    def sampler(self, reader: Reader) -> Sampler:
        """The sampler."""
        return build_sampler(reader, self.process, self._dataset)

    @part
    def conditional_sampling(self, reader: Reader) -> ConditionalSampling:
        """The known facts of samples: their classes and their known part."""
        classes = self.model.num_classes
        found = build_conditional_sampling(reader, classes, self.sampler, self._dataset)
        task, path = reader.get("sampling.task"), self.initial_process
        if task != "generate" and isinstance(path, GaussianPath) and not isinstance(path, SDE):
            raise ConfigError(
                f"config.sampling.task = {task!r} needs a noise level common"
                f" to all dimensions, which config.sde.name = {reader.get('sde.name')!r} has not; "
                "choose 'generate'"
            )
        return found

    @part
    def sampling(self, reader: Reader) -> Any:
        """The number of samples."""
        return reader.section("sampling", "num_samples", "batch_size")

    @part
    def encoding(self, reader: Reader) -> Encoding:
        """The map between data and latents; its solver and eps are those of sampling."""
        self.require_common_levels("an encoding")
        return build_encoding(reader, self.process)

    @part
    def classifier(self, reader: Reader) -> Any:
        """Training and size of the classifier of noisy data."""
        return reader.section("classifier")

    @part
    def quality(self, reader: Reader) -> Any:
        """The comparison of samples with data."""
        reader.pick("quality.features", dict.fromkeys(FEATURES))
        reader.pick("quality.convention", dict.fromkeys(CONVENTIONS))
        reader.pick("quality.against", dict.fromkeys(("train", "test")))
        return reader.section("quality")

    # --- which keys decide what ---------------------------------------------------------------

    def settings(self, *names: str, prefix: str = "") -> dict[str, Any]:
        """Return the values of the keys that some parts depend on, by dotted key.

        Args:
          names: of the parts; they are built if they were not.
          prefix: only keys that begin with it.
        """
        for name in names:
            getattr(self, name)
        keys = set[str]().union(*(self.keys_of_parts[name] for name in names))
        reader = Reader(self.config)
        return {key: reader.get(key) for key in sorted(keys) if key.startswith(prefix)}

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that must never change in a workdir, by dotted key.

        The list of these keys is fixed, see `keys.identifies_workdir`; those that the chosen
        members do not read are left out. The settings of the process are among them.
        """
        found = self.settings(*_TRAINED)
        own = {key: value for key, value in found.items() if identifies_workdir(key)}
        known = {"data.classes": self.dataset.classes} if self.dataset.classes else {}
        process = {name: getattr(jax.config, name.lower()) for name in PROCESS_DEFAULTS}
        return own | known | process | {"data.fingerprint": self.dataset.fingerprint}

    @property
    def sampler_settings(self) -> dict[str, Any]:
        """The keys that samples depend on, with their values."""
        return self.settings("sampler", "conditional_sampling", "sampling", prefix="sampling.")

    @property
    def keys_read(self) -> frozenset[str]:
        """The keys that some part depends on, of the parts that were built."""
        return frozenset({"compat"}).union(*self.keys_of_parts.values())


# Parts on which the parameters depend, and whose keys identify a workdir.
_TRAINED = (
    *("seed", "data_keys", "process", "model", "objective", "class_dropout", "augmentation"),
    "build_group",
)
# Parts that another data set would change; ``params_spec`` is no part.
_OF_DATA = (
    *("process", "model", "objective", "augmentation", "estimators", "sampler"),
    *("conditional_sampling", "params_spec"),
)


def _count_numbers(spec: Any) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(spec))


def _check_memory(needed: float, what: str) -> None:
    if needed > machine_bytes():
        raise ConfigError(f"{what} takes more than {needed / 1e9:.3g} GB; {describe_memory()}")
