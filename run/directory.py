"""A workdir, its configuration, its checkpoints and what they can do."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from build import load_dataset
from data import Dataset
from evaluation import Samples
from evaluation.results import Result
from likelihood import LogDensity
from run.chosen import Done, at_chosen, chosen_steps
from run.classifier import ClassifierRun
from run.density import log_density_of
from run.drivers import initial_state
from run.encoding import EncodingRun
from run.likelihoods import LikelihoodRun
from run.opening import evaluated_like, opened
from run.sampling import SampleRun
from run.task import train_task
from run.training import retention_of, score_task
from storage import Checkpoints, Workdir, read_metrics
from training import TrainState
from wiring.experiment import Experiment


@dataclass(frozen=True)
class RunDirectory:
    """One run: what ``main.py`` does, and what a notebook can do with a finished one.

    Attributes:
      workdir: its files.
      config: its whole configuration.
      experiment: what the configuration builds.
    """

    workdir: Workdir
    config: ConfigDict
    experiment: Experiment

    @classmethod
    def open(
        cls,
        path: str | Path,
        config: ConfigDict | None = None,
        kept: Collection[str] = (),
        load: Callable[[ConfigDict], Dataset] = load_dataset,
    ) -> "RunDirectory":
        """Opens a workdir; with a config also one that does not exist yet.

        Args:
          path: the run's folder.
          config: its whole configuration, by default the one it was made with.
          kept: dotted keys whose values win over the preset that ``config.compat`` names.
          load: where the data come from: for samples alone ``build.data_or_shape`` will do.

        Raises:
          WorkdirError: the workdir belongs to another experiment than the config's, or there is
            none and no config.
          ConfigError: the config cannot be built.
          DataError: the data are not there.
        """
        return cls(*opened(path, config, kept, load))

    def open_like(self, path: str | Path) -> "RunDirectory":
        """Another run, to be evaluated with this one's likelihood and eval settings."""
        return RunDirectory.open(path, evaluated_like(path, self.config))

    # --- training and what it leaves --------------------------------------------------------

    def train(self) -> None:
        """Trains to ``config.training.steps``, from the newest sound checkpoint if there is one.

        Raises:
          ConfigError: the batch does not divide over the devices.
          CheckpointError, Interrupted, NonFiniteError, WorkdirError: see ``run.task.train_task``.
        """
        train_task(score_task(self.workdir, self.config, self.experiment))

    def metrics(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``."""
        return read_metrics(self.workdir.metrics)

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the run, as it is known by now: a claim gives it its name."""
        return self._checkpoints_of(self.workdir.run)

    @cached_property
    def _checkpoints_of(self) -> Callable[[str], Checkpoints]:
        """By run; they are kept, with what they know to be sound."""
        keep = retention_of(self.experiment.training)
        return cache(partial(Checkpoints, self.workdir.checkpoints, keep))

    def steps(self, which: str = "") -> list[int]:
        """Steps of checkpoints: the newest for '', every one for 'all', or a list such as '1,2'.

        Raises:
          CheckpointError: there is none, none that is sound, not the one asked for, or the list
            cannot be read.
        """
        return chosen_steps(self.checkpoints, which)

    def at_steps(self, which: str, do: Callable[[int], Done]) -> list[Done]:
        """What is done at each of ``steps(which)``, while a training may go on beside.

        One that it deletes before its turn comes is passed over with a note, unless it is named.
        """
        return at_chosen(self.checkpoints, which, do)

    def state(self, step: int) -> TrainState:
        """The training state of a checkpoint."""
        like = jax.eval_shape(lambda: initial_state(self.experiment))
        return self.checkpoints.restore(step, like)

    def params(self, step: int | None = None) -> Any:
        """The averaged parameters of a checkpoint, by default of the newest."""
        return self.state(self._step(step)).ema_params

    def _step(self, step: int | None) -> int:
        return self.steps()[-1] if step is None else step

    # --- likelihoods ------------------------------------------------------------------------

    @cached_property
    def _likelihoods(self) -> LikelihoodRun:
        return LikelihoodRun(self)

    def results(self, steps: Iterable[int] | str) -> list[Result]:
        """Of each estimator of the config at each step, computed where not yet done.

        Args:
          steps: their numbers, or which: see ``at_steps``.
        """
        at_step = self._likelihoods.results
        rows = self.at_steps(steps, at_step) if isinstance(steps, str) else map(at_step, steps)
        return [result for column in zip(*rows, strict=True) for result in column]

    def evaluate(self, steps: Iterable[int] | str) -> list[dict[str, Any]]:
        """The summaries of ``results``."""
        return [result.summary for result in self.results(steps)]

    def bits_per_dim(self, step: int | None = None) -> dict[str, Any]:
        """The summary of the first estimator of the config at a step, by default the newest."""
        return self.evaluate([self._step(step)])[0]

    def log_prob(
        self, x: np.ndarray, step: int | None = None, condition: np.ndarray | int | None = None
    ) -> np.ndarray:
        """Log probability in nats of data as stored, by the first estimator of the config.

        Given a class for all, or one of each, it is that under the class, with the same draws;
        without it a class-conditional model is asked what it says whatever the class.

        Raises:
          ConfigError: a class is given, and the model is told none or knows no such class.
        """
        return self._likelihoods.log_prob(x, step, condition)

    def class_log_probs(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """``log p(x | c)`` in nats, a row for each datum as stored and a column for each class.

        By the first estimator of the config, on the same draws for all classes.

        Raises:
          ConfigError: the model is told no class.
        """
        return self._likelihoods.class_log_probs(x, step)

    def classify(self, step: int | None = None) -> list[dict[str, Any]]:
        """Accuracy on the test set by the likelihoods of its classes, by each estimator."""
        return self._likelihoods.classify(self._step(step))

    def log_density_fn(self, adjoint: str | None = None) -> LogDensity:
        """``f(params, x, key)``: log density in nats of one point x, to differentiate.

        x is a point of the model's space, as ``experiment.dequantisation`` makes it; the parameters
        are those of ``params()``. For many points, jit it under ``jax.vmap``::

            f = run.log_density_fn()
            slopes = jax.jit(jax.vmap(jax.grad(f, argnums=1), (None, 0, 0)))(params, xs, keys)

        Args:
          adjoint: how an adaptive solver is differentiated, one of ``solvers.ADJOINTS``.

        Raises:
          ConfigError: the first estimator of the config has no such density or no such adjoint.
        """
        return log_density_of(self.experiment, adjoint)

    # --- samples, latents, the classifier of noisy data -------------------------------------

    @cached_property
    def samples(self) -> SampleRun:
        """Samples of the checkpoints; ``samples.save(step)`` writes them."""
        return SampleRun(self)

    def sample(self, count: int, step: int | None = None, key: jax.Array | None = None) -> Samples:
        """Samples in the data's own units; the same ones for the same key.

        Of the classes of ``config.sampling.classes`` in turn, and with what is known of the first
        test data where ``config.sampling.task`` says so.

        Raises:
          CheckpointError: there is no such checkpoint, or no classifier for a guidance to ask.
          DataError: test data are needed, and are not there.
        """
        return self.samples.draw(count, step, key)

    @cached_property
    def encodings(self) -> EncodingRun:
        """Latents of data; ``encodings.save(step)`` writes those of the first test data."""
        return EncodingRun(self)

    def encode(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Latents of data as stored, points of the prior, by the probability flow.

        Integer data are dequantised, the i-th with the same draw as the i-th of an evaluation. A
        solver that fails leaves a row that is not finite or not at its end: see ``encodings``.

        Raises:
          DataError: x has not the shape of the data.
        """
        return self.encodings.encode(np.asarray(x), step).end

    def decode(self, z: np.ndarray, step: int | None = None) -> np.ndarray:
        """Data in their own units from latents: the inverse of ``encode``.

        Raises:
          DataError: z has not the shape of the data.
        """
        return self.encodings.stored(self.encodings.decode(np.asarray(z), step).end)

    @cached_property
    def classifier(self) -> ClassifierRun:
        """The classifier of noisy data in this run's folder; ``classifier.features(x)``."""
        return ClassifierRun.beside(self.workdir, self.config, self.experiment)
