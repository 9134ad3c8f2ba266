"""A workdir, its configuration, its checkpoints and what they can do."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gradlog.data import Dataset
from gradlog.evaluation import Samples
from gradlog.evaluation.results import Result
from gradlog.experiment.experiment import Experiment
from gradlog.likelihood import LogDensity
from gradlog.run.chosen import Check, Done, any_step, at_chosen, chosen_steps
from gradlog.run.classifier import ClassifierRun
from gradlog.run.columns import columns
from gradlog.run.density import log_density_of
from gradlog.run.describing import describe
from gradlog.run.drivers import initial_state
from gradlog.run.encoding import EncodingRun
from gradlog.run.exporting import export_run
from gradlog.run.likelihoods import LikelihoodRun
from gradlog.run.opening import evaluated_like, opened
from gradlog.run.sampling import SampleRun
from gradlog.run.scoring import ScoreRun
from gradlog.run.task import train_task
from gradlog.run.training import retention_of, score_task
from gradlog.storage import Checkpoints, Workdir, read_metrics
from gradlog.training import TrainState


@dataclass(frozen=True, repr=False)
class RunDirectory:
    """One run: what ``main.py`` does, and what a notebook can do with a finished one.

    Data are ``(n, *D)`` arrays in their own units, as stored: whole numbers from 0 to
    ``levels - 1``, or floats where they are continuous. Points of the model's space are
    ``(n, *D)`` float32 arrays: data with levels are spread over [-1, 1] there ([0, 1] where
    ``config.model.centered`` is false). Times are the SDE's, from 0 to ``experiment.sde.t_max``.
    A ``step`` is that of a checkpoint, by default the newest that is sound.

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
        load: Callable[[ConfigDict], Dataset] | None = None,
    ) -> "RunDirectory":
        """Opens a workdir; with a config also one that does not exist yet.

        Args:
          path: the run's folder.
          config: its whole configuration, by default the one it was made with.
          kept: dotted keys whose values win over the preset that ``config.compat`` names.
          load: where the data come from, by default ``build.load_dataset``. Of a workdir opened
            without a config it is called at the first use of an example, where the name of the data
            tells their shape: scores, samples and what is asked of data given by hand need none.

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

    def __repr__(self) -> str:
        return describe(self)

    # --- training and what it leaves --------------------------------------------------------

    def train(self) -> None:
        """Trains to ``config.training.steps``, from the newest sound checkpoint if there is one.

        Raises:
          ConfigError: the batch does not divide over the devices.
          CheckpointError, Interrupted, NonFiniteError, WorkdirError: see ``run.task.train_task``.
        """
        train_task(score_task(self.workdir, self.config, self.experiment))

    def metrics(self) -> dict[str, np.ndarray]:
        """What was logged, an array of a row for each logged step by name.

        'step' is whole numbers, the others are float64: 'loss' and 'held_out_loss' in nats per
        dimension, NaN at steps where a metric was not computed or not finite.
        """
        return columns(read_metrics(self.workdir.metrics))

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

    def at_steps(
        self, which: str, do: Callable[[int], Done], check: Check = any_step
    ) -> list[Done]:
        """What is done at each of ``steps(which)``, while a training may go on beside.

        One that it deletes before its turn comes is passed over with a note, unless it is named.
        ``check`` is told the steps first, and raises where it cannot be done.
        """
        return at_chosen(self.checkpoints, which, do, check)

    def state(self, step: int) -> TrainState:
        """The training state of a checkpoint."""
        like = jax.eval_shape(lambda: initial_state(self.experiment))
        return self.checkpoints.restore(step, like)

    def params(self, step: int | None = None) -> Any:
        """The averaged parameters of a checkpoint, by default of the newest.

        Those of the step that was asked for last are kept in memory.
        """
        return self._params_of(self._step(step))

    @cached_property
    def _params_of(self) -> Callable[[int], Any]:
        return lru_cache(maxsize=1)(lambda step: self.state(step).ema_params)

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
        """Of the whole test set, by the first estimator of the config: its summary.

        'bits_per_dim' is the mean, 'standard_error' its error, 'interval' that of 95 per cent,
        'account' where the bits come from. It is read from ``eval/STEP/ESTIMATOR`` where it is
        there with the same settings, and computed and written where it is not.
        """
        return self.evaluate([self._step(step)])[0]

    def log_prob(
        self, x: np.ndarray, step: int | None = None, condition: np.ndarray | int | None = None
    ) -> np.ndarray:
        """Log probability in nats, shape (n,), of data as stored: ``log P`` of data with levels.

        By the first estimator of the config, datum i with the draws of test datum i; NaN where its
        solver failed. Given a class for all, or one of each, it is that under the class, with the
        same draws; without it a class-conditional model is asked what it says whatever the class.

        Raises:
          ConfigError: a class is given, and the model is told none or knows no such class.
          DataError: x is not like the data.
        """
        return self._likelihoods.log_prob(x, step, condition)

    def bits_per_dim_of(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Bits per dimension, shape (n,), of data as stored: ``-log_prob(x) / (d log 2)``.

        Of the whole test set in its order these are the ones whose mean is ``bits_per_dim``.
        """
        nats = self.log_prob(x, step)
        return -nats / (math.prod(self.experiment.dataset.shape) * math.log(2))

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

        x is a point of the model's space, as ``experiment.dequantization`` makes it; the parameters
        are those of ``params()``. For many points, jit it under ``jax.vmap``::

            f = run.log_density_fn()
            slopes = jax.jit(jax.vmap(jax.grad(f, argnums=1), (None, 0, 0)))(params, xs, keys)

        Args:
          adjoint: how an adaptive solver is differentiated, one of ``solvers.ADJOINTS``.

        Raises:
          ConfigError: the first estimator of the config has no such density or no such adjoint.
        """
        return log_density_of(self.experiment, adjoint)

    def score(self, x: np.ndarray, t: float | np.ndarray, step: int | None = None) -> np.ndarray:
        """The score ``d log p_t(x) / dx``, shape (n, *D), per unit of the model's space.

        Args:
          x: points (n, *D) of the model's space at noise level t.
          t: one time for all points, or (n,).
          step: of the checkpoint.

        Raises:
          DataError: x has not the shape of the data, or a time lies outside [0, t_max].
        """
        return self._scores(x, t, step)

    @cached_property
    def _scores(self) -> ScoreRun:
        return ScoreRun(self)

    def export(self, path: str | Path, step: int | None = None) -> Path:
        """Writes the score, and ``log_prob`` by the first estimator, to a file for JAX alone.

        Raises:
          ConfigError: the estimator runs on the host.
        """
        return export_run(self, Path(path).expanduser(), self._step(step))

    # --- samples, latents, the classifier of noisy data -------------------------------------

    @cached_property
    def samples(self) -> SampleRun:
        """Samples of the checkpoints; ``samples.save(step)`` writes them."""
        return SampleRun(self)

    def sample(self, key: jax.Array | None, n: int, step: int | None = None) -> Samples:
        """``n`` samples in the data's own units: ``x`` (n, *D), with ``nfe`` and ``ok`` of each.

        The same key gives the same samples, the first of many as the first of few; None is the key
        of ``--mode=sample``.
        Of the classes of ``config.sampling.classes`` in turn, and with what is known of the first
        test data where ``config.sampling.task`` says so.

        Raises:
          CheckpointError: there is no such checkpoint, or no classifier for a guidance to ask.
          DataError: test data are needed, and are not there.
          TypeError: that is no key.
          ValueError: n is below 1.
        """
        return self.samples.draw(key, n, step)

    @cached_property
    def encodings(self) -> EncodingRun:
        """Latents of data; ``encodings.save(step)`` writes those of the first test data."""
        return EncodingRun(self)

    def encode(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Latents (n, *D) of data as stored, points of the prior at t_max, by the probability flow.

        Integer data are dequantized, the i-th with the same draw as the i-th of an evaluation. A
        solver that fails leaves a row that is not finite or not at its end: see ``encodings``.

        Raises:
          DataError: x has not the shape of the data.
        """
        return self.encodings.encode(np.asarray(x), step).end

    def decode(self, z: np.ndarray, step: int | None = None) -> np.ndarray:
        """Data (n, *D) in their own units from latents: the inverse of ``encode``.

        Raises:
          DataError: z has not the shape of the data.
        """
        return self.encodings.stored(self.encodings.decode(np.asarray(z), step).end)

    @cached_property
    def classifier(self) -> ClassifierRun:
        """The classifier of noisy data in this run's folder; ``classifier.features(x)``."""
        return ClassifierRun.beside(self.workdir, self.config, self.experiment)
