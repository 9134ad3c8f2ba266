"""A classifier of noisy data beside a run: trained, kept and asked in its folder ``classifier``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Num
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.data import BatchStream, labeled_test, labeled_train
from gradlog.distributed import writes
from gradlog.evaluation.noisy_classes import NoisyClasses
from gradlog.evaluation.uncertainty import mean
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.experiment.saved import defaults
from gradlog.likelihood import Centers, Continuous, Dequantization
from gradlog.losses import NoisyCrossEntropy
from gradlog.models import ClassifierNetwork, NoisyClassifier
from gradlog.run.chosen import chosen_steps
from gradlog.run.task import Task, train_task
from gradlog.storage import CheckpointError, Checkpoints, Retention, Workdir, write_sealed
from gradlog.training import (
    MAPPINGS,
    SCHEDULES,
    ParallelStep,
    TrainState,
    TrainStep,
    adam,
    init_state,
)

ACCURACY = "accuracy.json"
_LOG_EVERY = 50
_CHECKPOINT_EVERY = 500
_KEPT = Retention(2)
_WARMUP = 100
_EMA_DECAY = 0.999
# Noise over signal at which the held-out accuracy is told, beside the least noise.
_NOISE_LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0)
_INIT, _TRAIN, _HELD_OUT = 1, 2, 3  # addresses of its keys under the stream of the first parameters


@dataclass(frozen=True)
class ClassifierRun:
    """The classifier of one experiment's data.

    Attributes:
      workdir: its own folder.
      config: the experiment's whole configuration.
      experiment: whose data, noise and points of the model's space it has.
    """

    workdir: Workdir
    config: ConfigDict
    experiment: Experiment

    @classmethod
    def beside(cls, workdir: Workdir, config: ConfigDict, experiment: Experiment):
        """The classifier of a run, in its folder."""
        root = workdir.root / "classifier"
        return cls(Workdir(root, f"delete {root}, or use its settings"), config, experiment)

    @cached_property
    def classifier(self) -> NoisyClassifier:
        """The network with its classes, which are those of the data.

        Raises:
          DataError: the data have none.
        """
        labeled_test(self.experiment.dataset)
        settings, classes = self.experiment.classifier, self.experiment.dataset.num_classes
        return NoisyClassifier(ClassifierNetwork(classes or 0, settings.nf, settings.hidden))

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this classifier and not another."""
        experiment, settings = self.experiment, self.experiment.classifier
        kept = ("seed", "data.", "sde.", "objective.eps", "objective.dequantization")
        own = {"nf": settings.nf, "hidden": settings.hidden, "batch_size": settings.batch_size}
        return {
            **{key: value for key, value in experiment.identity.items() if key.startswith(kept)},
            **{f"classifier.{name}": value for name, value in own.items()},
            "classifier.learning_rate": settings.learning_rate,
        }

    def train(self) -> None:
        """Trains to ``config.classifier.steps``, from its newest checkpoint if there is one.

        Raises:
          ConfigError: the batch does not divide over the devices.
          DataError: the data have no classes.
          WorkdirError: the folder holds a classifier of other settings.
          CheckpointError, Interrupted, NonFiniteError: see ``train_task``.
        """
        self._check_shape()
        train_task(self._task)

    def params(self) -> Any:
        """The averaged parameters of its newest checkpoint.

        Raises:
          CheckpointError: it is not trained; the message says how that is done.
          WorkdirError: the folder holds a classifier of other settings.
        """
        if not self._checkpoints.steps():
            raise CheckpointError(
                f"there is no classifier in {self.workdir.root}: train it first, with "
                f"--mode=classifier --workdir={self.workdir.root.parent}"
            )
        self.workdir.check(self.identity, defaults())
        step = chosen_steps(self._checkpoints)[0]
        return self._checkpoints.restore(step, jax.eval_shape(self._initial_state)).ema_params

    def accuracy(self) -> list[dict[str, float]]:
        """Accuracy on the test set at several levels of noise, the least first.

        With the mean ``log p(true class | x_t)`` in nats: what guidance follows is its slope.
        """
        sde, eps = self.experiment.sde, self.experiment.loss.eps
        test, predictions = labeled_test(self.experiment.dataset), self._predictions(noised=True)
        stream, params = self._key(_HELD_OUT), self.params()
        rows = []
        least = float(np.exp(sde.log_rho(eps)))
        for rho in (least, *(rho for rho in _NOISE_LEVELS if rho > least)):
            t = float(np.clip(sde.time_of_log_rho(np.log(rho)), eps, sde.t_max))
            right, told = map(mean, predictions.scores(params, test, t, stream))
            rows.append(
                {
                    "noise": rho,
                    "accuracy": right.value,
                    "standard_error": right.standard_error,
                    "log_prob": told.value,
                }
            )
        return rows

    def features(self, x: Num[np.ndarray, "n *D"]) -> Float[np.ndarray, "n features"]:
        """What the last layer reads for data as stored.

        It is told the smallest noise it was trained on, and none is added: the features are a
        function of the datum alone.

        Raises:
          CheckpointError: the classifier is not trained; --mode=classifier does that.
        """
        predictions, eps = self._predictions(noised=False), self.experiment.loss.eps
        return predictions(self.params(), np.asarray(x), eps, self._key(_HELD_OUT))[1]

    @cached_property
    def _task(self) -> Task:
        """A second checkpoint is kept for the case that the newest is damaged."""
        settings, source = self.experiment.classifier, labeled_train(self.experiment.dataset)
        return Task(
            "training the classifier",
            self.workdir,
            _KEPT,
            self.config.to_dict(),
            self.identity,
            self._step(),
            self._initial_state,
            BatchStream(source, settings.batch_size, self.experiment.identity["seed"]),
            settings.steps,
            _LOG_EVERY,
            _CHECKPOINT_EVERY,
            report=self._report,
            reported=(self.workdir.root / ACCURACY).is_file,
        )

    @property
    def _checkpoints(self) -> Checkpoints:
        return self._checkpoints_of(self.workdir.run)

    @cached_property
    def _checkpoints_of(self) -> Callable[[str], Checkpoints]:
        """By run; they are kept, with what they know to be sound."""
        return cache(partial(Checkpoints, self.workdir.checkpoints, _KEPT))

    def _key(self, address: int) -> jax.Array:
        return jax.random.fold_in(self.experiment.streams["init"], address)

    def _check_shape(self) -> None:
        """Raises ConfigError where the network does not fit the data."""
        classifier, shape = self.classifier, self.experiment.dataset.shape
        try:
            jax.eval_shape(lambda key: classifier.init(key, shape), jax.random.key(0))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ConfigError(
                f"config.classifier does not fit data of shape {shape}: {error}"
            ) from error

    def _step(self) -> ParallelStep:
        experiment, settings = self.experiment, self.experiment.classifier
        step = TrainStep(
            NoisyCrossEntropy(experiment.sde, self.classifier, experiment.loss.eps),
            experiment.dequantization,
            self._optimizer,
            _EMA_DECAY,
            settings.batch_size,
            experiment.augmentation,
            max_skips=experiment.training.max_skips,
        )
        try:
            return ParallelStep(step, self._key(_TRAIN), MAPPINGS[experiment.training.parallel]())
        except ValueError as error:
            raise ConfigError(str(error).replace("training", "classifier")) from error

    @cached_property
    def _optimizer(self):
        return adam(
            SCHEDULES["constant"](self.experiment.classifier.learning_rate),
            warmup=_WARMUP,
            beta1=0.9,
            beta2=0.999,
            adam_eps=1e-8,
            weight_decay=0.0,
            grad_clip=1.0,
            accumulate=1,
        )

    def _initial_state(self) -> TrainState:
        def make(key):
            params = self.classifier.init(key, self.experiment.dataset.shape)
            return init_state(params, self._optimizer)

        return jax.jit(make)(self._key(_INIT))

    def _predictions(self, *, noised: bool) -> NoisyClasses:
        experiment = self.experiment
        points = experiment.dequantization if noised else self._points
        return NoisyClasses(
            self.classifier, experiment.sde, points, experiment.eval.batch_size, noised=noised
        )

    @property
    def _points(self) -> Dequantization:
        """Without chance, so that equal data have equal features."""
        levels = self.experiment.dataset.levels
        return (
            Continuous()
            if levels is None
            else Centers(levels, Reader(self.config).get("model.centered"))
        )

    def _report(self) -> None:
        rows = self.accuracy()  # by all hosts
        if not writes():
            return
        step = self.experiment.classifier.steps
        write_sealed(self.workdir.root / ACCURACY, {"step": step, "held_out": rows})
        told = ", ".join(f"{row['accuracy']:.3f} at {row['noise']:.3g}" for row in rows)
        terminal.say(f"trained the classifier in {self.workdir.root}")
        terminal.say(f"held-out accuracy by noise over signal: {told}")
