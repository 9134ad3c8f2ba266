"""Drivers of the outer rooms, wired to an experiment."""

import jax
import numpy as np

from gradlog.data import Source, labeled_test, labeled_train
from gradlog.evaluation import HeldOutLoss, LikelihoodEvaluator, SampleDriver, Steering
from gradlog.experiment.experiment import Estimator, Experiment
from gradlog.experiment.reader import ConfigError
from gradlog.training import MAPPINGS, ParallelStep, TrainState, TrainStep, init_state

_HELD_OUT_EXAMPLES = 1024


def conditional(experiment: Experiment) -> bool:
    """Whether the model is told the class."""
    return bool(experiment.model.num_classes)


def training_source(experiment: Experiment) -> Source:
    """The training examples, with their classes where the model is told them."""
    dataset = experiment.dataset
    return labeled_train(dataset) if conditional(experiment) else dataset.train


def initial_state(experiment: Experiment) -> TrainState:
    """The state before the first step."""

    @jax.jit
    def make(key):
        params = experiment.model.init(key, experiment.dataset.shape)
        return init_state(params, experiment.optimizer)

    return make(experiment.streams["init"])


def parallel_step(experiment: Experiment) -> ParallelStep:
    """The training step, mapped over the devices.

    Raises:
      ConfigError: the batch does not divide over them.
    """
    step = TrainStep(
        experiment.loss,
        experiment.dequantization,
        experiment.optimizer,
        experiment.ema_decay,
        experiment.training.batch_size,
        experiment.augmentation,
        experiment.ema_warmup,
        experiment.training.max_skips,
    )
    mapping = MAPPINGS[experiment.training.parallel]()
    try:
        return ParallelStep(step, experiment.streams["train"], mapping)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def held_out_loss(experiment: Experiment) -> HeldOutLoss:
    """The loss on the first test examples."""
    return HeldOutLoss(
        experiment.loss,
        experiment.dequantization,
        labeled_test(experiment.dataset) if conditional(experiment) else experiment.dataset.test,
        experiment.streams["held_out"],
        count=_HELD_OUT_EXAMPLES,
        batch_size=experiment.eval.batch_size,
    )


def sample_driver(
    experiment: Experiment, batch_size: int, steering: Steering | None = None
) -> SampleDriver:
    """The sampler, in batches; steered nowhere by default."""
    return SampleDriver(
        experiment.sampler,
        experiment.sde,
        experiment.model,
        experiment.dequantization,
        experiment.dataset.shape,
        batch_size,
        steering or Steering(),
    )


def likelihood_evaluator(experiment: Experiment, estimator: Estimator) -> LikelihoodEvaluator:
    """An estimator, over a whole data set."""
    return LikelihoodEvaluator(
        estimator.likelihood,
        experiment.sde,
        experiment.model.in_float32(),
        estimator.dequantization,
        experiment.eval.batch_size,
    )


def evaluated_source(experiment: Experiment) -> Source:
    """The test set, or as many of its first examples as the config asks for."""
    test = experiment.dataset.test
    count = experiment.eval.num_images or len(test)
    return test if count >= len(test) else test[np.arange(count)]
