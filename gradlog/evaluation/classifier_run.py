"""The classifier of noisy data beside a run: its training, its accuracy and its features.

It has a workdir of its own, the folder ``classifier`` of the run. Guidance follows the slope of its
``log p(c | x_t)``; its features compare samples with data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.data import (
    BatchStream,
    DataError,
    LabeledSource,
    Source,
    explain_missing_labels,
    labeled_test,
    labeled_train,
)
from gradlog.distributed import is_writer
from gradlog.evaluation.devices import BatchProgram, key_data_by_index
from gradlog.evaluation.uncertainty import mean
from gradlog.experiment.experiment import Experiment
from gradlog.losses import Loss, NoisyCrossEntropy, example_keys
from gradlog.models import Centers, ClassifierNetwork, Dequantizer, NoisyClassifier
from gradlog.models.dequantizers import Levels
from gradlog.sde_lib import SDE
from gradlog.storage import CheckpointError, Checkpoints, Retention, Workdir, write_sealed
from gradlog.training import (
    MAPPINGS,
    NETWORK,
    SCHEDULES,
    Augmentation,
    Example,
    ParallelStep,
    ParameterGroup,
    TrainState,
    TrainStep,
    Unchanged,
    adam,
    init_state,
)
from gradlog.training.checkpoint_selection import select_checkpoints
from gradlog.training.workdir_training import WorkdirTraining, train_in_workdir

ACCURACY = "accuracy.json"
_LOG_EVERY = 50
_CHECKPOINT_EVERY = 500
_RETENTION = Retention(2)  # a second checkpoint, in case the newest one is damaged
_WARMUP = 100
_EMA_DECAY = 0.999
# Noise over signal at which the held-out accuracy is measured, beside the smallest noise.
_NOISE_LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0)
_INIT, _TRAIN, _HELD_OUT = 1, 2, 3  # addresses of its keys in the stream 'init'


@dataclass(frozen=True)
class ClassifierTraining:
    """The training of a classifier of noisy data; a `training.Trainable`.

    Attributes:
      classifier: the network with its classes.
      process: noises the data.
      dequantizer: the map from stored data to the points that are noised.
      eps: the smallest noise level.
      shape: of one example.
      augmentation: a random change of the stored data.
    """

    classifier: NoisyClassifier
    process: SDE
    dequantizer: Dequantizer
    eps: float
    shape: tuple[int, ...]
    augmentation: Augmentation = field(default_factory=Unchanged)

    def init(self, key: jax.Array) -> dict[str, Any]:
        return {NETWORK: self.classifier.init(key, self.shape)}

    def loss(self, params: dict[str, Any], example: Example, key: jax.Array) -> Loss:
        assert example.condition is not None
        keys = example_keys(key)
        x = self.augmentation(keys.augmentation, example.x)
        x0, _ = self.dequantizer(keys.dequantization, x)
        noise_key = jax.random.split(key, 3)[2]  # as version 0.1 drew it
        loss = NoisyCrossEntropy(self.process, self.classifier, self.eps)
        return Loss(loss(params[NETWORK], x0, example.u, noise_key, example.condition), {})


class NoisyPredictions:
    """Log probabilities and features of every example of a source at one noise level."""

    def __init__(
        self,
        classifier: NoisyClassifier,
        process: SDE,
        dequantizer: Dequantizer,
        batch_size: int,
        *,
        noised: bool,
    ):
        """Compile nothing yet; without noise, data are only scaled by alpha of the level."""

        def one(params, t, x, key):
            data_key, noise_key = jax.random.split(key)
            x0, _ = dequantizer(data_key, x)
            z = jax.random.normal(noise_key, x0.shape)
            x = process.perturb(x0, t, z) if noised else process.alpha(t) * x0
            return {
                "log_probs": classifier.log_probs(process, params[NETWORK], x, t),
                "features": classifier.features(process, params[NETWORK], x, t),
            }

        def batch(shared, rows):
            (params, t), (x, key_data) = shared, rows
            keys = jax.random.wrap_key_data(key_data)
            return jax.vmap(one, (None, None, 0, 0))(params, t, x, keys)

        self._program = BatchProgram(batch, batch_size)

    def __call__(
        self, params: Any, source: Source | Num[np.ndarray, "n *D"], t: float, stream: jax.Array
    ) -> tuple[Float[np.ndarray, "n classes"], Float[np.ndarray, "n features"]]:
        """Return ``log p(c | x_t)`` in nats, and features; example i has ``fold_in(stream, i)``."""
        rows = lambda indices: (source[indices], key_data_by_index(stream, indices))  # noqa: E731
        found = self._program((params, jnp.asarray(t)), rows, len(source))
        return found["log_probs"], found["features"]

    def scores(
        self, params: Any, test: LabeledSource, t: float, stream: jax.Array
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return, for each example, 1 if its likeliest class is its own and 0 if not.

        Also return the log probability of its own class, in nats.
        """
        log_probs, _ = self(params, test.source, t, stream)
        right = (log_probs.argmax(axis=1) == test.labels).astype(float)
        return right, log_probs[np.arange(len(test)), test.labels]


@dataclass(frozen=True)
class ClassifierRun:
    """The classifier of one experiment's data; the defaults are of keys younger than its folder."""

    workdir: Workdir
    config: dict[str, Any]
    experiment: Experiment
    defaults: Mapping[str, Any]

    @cached_property
    def classifier(self) -> NoisyClassifier:
        """Return the network with the classes of the data.

        Raises:
          ConfigError: the process is discrete or neural, and has no scalar noise level.
          DataError: the data have no classes.
        """
        settings, dataset = self.experiment.classifier, self.experiment.dataset
        if not isinstance(self.experiment.initial_process, SDE):
            raise ConfigError(
                f"config.sde.name = {self.experiment.config.sde.name!r} has no noise level common "
                "to all pixels, which the classifier needs: choose config.model.num_classes, and "
                "'classifier_free' guidance"
            )
        if dataset.num_classes is None:
            raise DataError(explain_missing_labels(dataset))
        return NoisyClassifier(ClassifierNetwork(dataset.num_classes, settings.nf, settings.hidden))

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that must never change in its folder, by dotted key."""
        experiment, settings = self.experiment, self.experiment.classifier
        shared = ("JAX_", "seed", "data.", "sde.", "objective.eps", "objective.dequantization")
        own = ("nf", "hidden", "batch_size", "learning_rate")
        return {
            **{key: value for key, value in experiment.identity.items() if key.startswith(shared)},
            **{f"classifier.{name}": getattr(settings, name) for name in own},
        }

    def train(self) -> None:
        """Train to ``config.classifier.steps``, from its newest checkpoint if there is one.

        Raises:
          ConfigError: the batch does not divide over the devices, or the network does not fit the
            data.
          DataError: the data have no classes.
          WorkdirError: the folder holds a classifier of other settings.
          CheckpointError, Interrupted, NonFiniteError: see `train_in_workdir`.
        """
        experiment, settings = self.experiment, self.experiment.classifier
        shape, trainable = experiment.dataset.shape, self._trainable
        try:
            jax.eval_shape(trainable.init, jax.random.key(0))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ConfigError(
                f"config.classifier does not fit data of shape {shape}: {error}"
            ) from error
        step = TrainStep(
            trainable, self._groups, settings.batch_size, experiment.training.max_skips
        )
        mapping = MAPPINGS[experiment.training.parallel]()
        try:
            step_fn = ParallelStep(step, self._key(_TRAIN), mapping)
        except ValueError as error:
            raise ConfigError(f"config.classifier.{error}") from error
        source = labeled_train(experiment.dataset)
        train_in_workdir(
            WorkdirTraining(
                "training the classifier",
                self.workdir,
                _RETENTION,
                self.config,
                self.identity,
                self.defaults,
                {},
                step_fn,
                self._initial_state,
                BatchStream(source, settings.batch_size, experiment.seed),
                settings.steps,
                _LOG_EVERY,
                _CHECKPOINT_EVERY,
                report=self._report,
                is_reported=(self.workdir.root / ACCURACY).is_file,
            )
        )

    def params(self) -> Any:
        """Return the averaged parameters of its newest checkpoint.

        Raises:
          CheckpointError: it is not trained; the message says how to train it.
          WorkdirError: the folder holds a classifier of other settings.
        """
        checkpoints = self._checkpoints
        checkpoints.run = self.workdir.run
        if not checkpoints.steps():
            raise CheckpointError(
                f"there is no classifier in {self.workdir.root}: train it first, with "
                f"--mode=classifier --workdir={self.workdir.root.parent}"
            )
        self.workdir.check(self.identity, self.defaults)
        (step,) = select_checkpoints(checkpoints)
        return checkpoints.restore(step, jax.eval_shape(self._initial_state)).ema

    def accuracy(self) -> list[dict[str, float]]:
        """Return the accuracy on the test set at several noise levels, the smallest first.

        Each row also has the mean ``log p(true class | x_t)`` in nats, whose slope guides samples.
        """
        process, eps = self._process, self._eps
        test, predictions = labeled_test(self.experiment.dataset), self._predictions(noised=True)
        stream, params = self._key(_HELD_OUT), self.params()
        rows = []
        smallest = float(np.exp(process.log_rho(eps)))
        for rho in (smallest, *(rho for rho in _NOISE_LEVELS if rho > smallest)):
            t = float(np.clip(process.time_of_log_rho(np.log(rho)), eps, process.t_max))
            right, log_prob = map(mean, predictions.scores(params, test, t, stream))
            rows.append(
                {
                    "noise": rho,
                    "accuracy": right.value,
                    "standard_error": right.standard_error,
                    "log_prob": log_prob.value,
                }
            )
        return rows

    def features(self, x: Num[np.ndarray, "n *D"]) -> Float[np.ndarray, "n features"]:
        """Return the input of the last layer for data as stored.

        The level is the smallest noise level of training, and no noise is added. Data are
        dequantized deterministically, so that features depend on the datum only.

        Raises:
          CheckpointError: the classifier is not trained; --mode=classifier trains it.
        """
        predictions = self._predictions(noised=False)
        return predictions(self.params(), np.asarray(x), self._eps, self._key(_HELD_OUT))[1]

    @cached_property
    def _checkpoints(self) -> Checkpoints:
        # They are kept, since they know which of them are sound.
        return Checkpoints(self.workdir.checkpoints, _RETENTION)

    @property
    def _process(self) -> Any:
        """The process, which `classifier` has found to be continuous."""
        return self.experiment.initial_process

    @property
    def _eps(self) -> float:
        return self.experiment.config.objective.eps

    def _key(self, address: int) -> jax.Array:
        return jax.random.fold_in(self.experiment.streams["init"], address)

    @property
    def _trainable(self) -> ClassifierTraining:
        experiment = self.experiment
        return ClassifierTraining(
            self.classifier,
            self._process,
            experiment.model.dequantizer,
            self._eps,
            experiment.dataset.shape,
            experiment.augmentation,
        )

    @cached_property
    def _groups(self) -> dict[str, ParameterGroup]:
        optimizer = adam(
            SCHEDULES["constant"](self.experiment.classifier.learning_rate),
            warmup=_WARMUP,
            beta1=0.9,
            beta2=0.999,
            adam_eps=1e-8,
            weight_decay=0.0,
            grad_clip=1.0,
            accumulate=1,
        )
        return {NETWORK: ParameterGroup(optimizer, _EMA_DECAY)}

    def _initial_state(self) -> TrainState:
        trainable, groups = self._trainable, self._groups
        make = jax.jit(lambda key: init_state(trainable.init(key), groups))
        return make(self._key(_INIT))

    def _predictions(self, *, noised: bool) -> NoisyPredictions:
        experiment = self.experiment
        dequantizer = experiment.model.dequantizer
        if not noised and isinstance(dequantizer, Levels):
            dequantizer = Centers(dequantizer.levels, dequantizer.centered)
        batch_size = experiment.eval.batch_size
        return NoisyPredictions(
            self.classifier, self._process, dequantizer, batch_size, noised=noised
        )

    def _report(self) -> None:
        rows = self.accuracy()  # on all hosts
        if not is_writer():
            return
        step = self.experiment.classifier.steps
        write_sealed(self.workdir.root / ACCURACY, {"step": step, "held_out": rows})
        listed = ", ".join(f"{row['accuracy']:.3f} at {row['noise']:.3g}" for row in rows)
        terminal.say(f"trained the classifier in {self.workdir.root}")
        terminal.say(f"held-out accuracy by noise over signal: {listed}")
