"""A workdir, its configuration, its checkpoints and what they can do."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from build import build, check_config, load_dataset
from configs.saved import defaults, get_config
from data import Dataset
from evaluation import LikelihoodEvaluator, SampleDriver, Samples, terminal
from evaluation.results import Result
from likelihood import LogDensity
from run.classification import class_log_probs, classify, conditional_log_prob
from run.classifier import ClassifierRun
from run.density import log_density_of
from run.drivers import (
    initial_state,
    likelihood_evaluator,
    parallel_step,
    sample_driver,
    writes,
)
from run.encoding import EncodingRun
from run.evaluation import EstimatorRun
from run.steering import guide_of, save_picture, steering_of, wanted_of
from run.training import train_in
from storage import (
    CheckpointError,
    Checkpoints,
    Workdir,
    WorkdirError,
    read_metrics,
    write_json,
    write_npz,
)
from training import TrainState
from wiring.compat import resolve_compat
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
        workdir = Workdir(Path(path).expanduser())
        if config is None:
            if not workdir.exists():
                raise WorkdirError(f"{path} is not a workdir: it has no config.json")
            config = get_config(str(workdir.config))
        if config.get("compat"):
            trained = get_config(str(workdir.config)) if workdir.exists() else None
            config = resolve_compat(config, kept, trained)
        check_config(config)  # before the data, which may take long to come
        experiment = build(config, load(config))
        if workdir.exists():
            workdir.check(experiment.identity, defaults())
        return cls(workdir, config, experiment)

    def open_like(self, path: str | Path) -> "RunDirectory":
        """Another run, to be evaluated with this one's likelihood and eval settings."""
        workdir = Workdir(Path(path).expanduser())
        if not workdir.exists():
            raise WorkdirError(f"{path} is not a workdir: it has no config.json")
        config = get_config(str(workdir.config))
        with config.unlocked():
            for section in ("likelihood", "eval"):
                config[section] = self.config[section]
            config.compat = ""  # what this run's preset set is in those settings already
        return RunDirectory.open(path, config)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the run."""
        return Checkpoints(self.workdir.checkpoints, self.experiment.training.keep)

    def train(self) -> None:
        """Trains to ``config.training.steps``, from the newest checkpoint if there is one.

        Raises:
          ConfigError: the batch does not divide over the devices.
          NonFiniteError: a metric is not finite.
        """
        step_fn = parallel_step(self.experiment)
        newest = self.checkpoints.latest() if self.workdir.checkpoints.is_dir() else None
        if newest is not None and newest >= self.experiment.training.steps:
            terminal.say(f"already trained: {newest} steps in {self.workdir.root}")
            return
        self._note_other_batches(newest)
        if writes():
            self.workdir.claim(
                self.config.to_dict(), self.experiment.identity, newest or 0, defaults()
            )
        state = initial_state(self.experiment) if newest is None else self.state(newest)
        train_in(self.workdir, self.experiment, self.checkpoints, step_fn, state)

    def _note_other_batches(self, newest: int | None) -> None:
        if newest is None:
            return
        before = get_config(str(self.workdir.config)).to_dict()["training"]["batch_size"]
        if before != self.experiment.training.batch_size:
            terminal.say(
                f"note: config.training.batch_size was {before} until step {newest}; with another "
                "one the order of the data goes on from another place"
            )

    def metrics(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``."""
        return read_metrics(self.workdir.metrics)

    def steps(self, which: str = "") -> list[int]:
        """Steps of checkpoints: the newest for '', every one for 'all', or a list such as '1,2'.

        Raises:
          CheckpointError: there is none, not the one asked for, or the list cannot be read.
        """
        known = self.checkpoints.steps() if self.workdir.checkpoints.is_dir() else []
        if not known:
            raise CheckpointError(
                f"no checkpoint in {self.workdir.checkpoints}; train first, with --mode=train"
            )
        if which in ("", "all"):
            return known if which else known[-1:]
        try:
            wanted = [int(step) for step in which.split(",")]
        except ValueError:
            raise CheckpointError(
                f"--steps={which}: give numbers, such as 100,200, or all; there are {known}"
            ) from None
        for step in wanted:
            if step not in known:
                raise CheckpointError(f"--steps: no checkpoint of step {step}; there are {known}")
        return list(dict.fromkeys(wanted))

    def state(self, step: int) -> TrainState:
        """The training state of a checkpoint."""
        like = jax.eval_shape(lambda: initial_state(self.experiment))
        return self.checkpoints.restore(step, like)

    def params(self, step: int | None = None) -> Any:
        """The averaged parameters of a checkpoint, by default of the newest."""
        return self.state(self.steps()[-1] if step is None else step).ema_params

    def evaluate(self, steps: Iterable[int]) -> list[dict[str, Any]]:
        """Summaries of each estimator of the config at each step, computed where not yet done."""
        return [result.summary for result in self.results(steps)]

    def results(self, steps: Iterable[int]) -> list[Result]:
        """What ``evaluate`` gives, with each image's bits per dimension."""
        steps, found = list(steps), []
        for name, estimator in self.experiment.estimators.items():
            runner = EstimatorRun(self.workdir, self.experiment, name, estimator)
            found += [runner(step, self.params(step)) for step in steps]
        return found

    def bits_per_dim(self, step: int | None = None) -> dict[str, Any]:
        """The summary of the first estimator of the config at a step, by default the newest."""
        return self.evaluate([self.steps()[-1] if step is None else step])[0]

    def log_prob(
        self, x: np.ndarray, step: int | None = None, condition: np.ndarray | int | None = None
    ) -> np.ndarray:
        """Log probability in nats of data as stored, by the first estimator of the config.

        Given a class for all, or one of each, it is that under the class, with the same draws;
        without it a class-conditional model is asked what it says whatever the class.

        Raises:
          ConfigError: a class is given, and the model is told none or knows no such class.
        """
        if condition is not None:
            x, params = np.asarray(x), self.params(step)
            return conditional_log_prob(self.experiment, self._evaluator, params, x, condition)
        stream = self.experiment.streams["eval"]
        return self._evaluator(self.params(step), np.asarray(x), stream).account.nats

    def class_log_probs(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """``log p(x | c)`` in nats, a row for each datum as stored and a column for each class.

        By the first estimator of the config, on the same draws for all classes.

        Raises:
          ConfigError: the model is told no class.
        """
        return class_log_probs(self.experiment, self._evaluator, self.params(step), np.asarray(x))

    @cached_property
    def _evaluator(self) -> LikelihoodEvaluator:
        """Of the first estimator; kept, so that further data of a size do not compile again."""
        return likelihood_evaluator(
            self.experiment, next(iter(self.experiment.estimators.values()))
        )

    def classify(self, step: int | None = None) -> list[dict[str, Any]]:
        """Accuracy on the test set by the likelihoods of its classes, by each estimator."""
        step = self.steps()[-1] if step is None else step
        return classify(self.workdir, self.experiment, step, self.params(step))

    @cached_property
    def classifier(self) -> ClassifierRun:
        """The classifier of noisy data in this run's folder."""
        return ClassifierRun.beside(self.workdir, self.config, self.experiment)

    def classifier_features(self, x: np.ndarray) -> np.ndarray:
        """``(n, config.classifier.hidden)`` features of data as stored, by the run's classifier.

        They are what its last layer reads at the smallest noise it was trained on, with no noise
        added: a function of the datum alone.

        Raises:
          CheckpointError: the classifier is not trained; --mode=classifier does that.
        """
        return self.classifier.features(np.asarray(x))

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

    def sample(self, count: int, step: int | None = None, key: jax.Array | None = None) -> Samples:
        """Samples in the data's own units; the same ones for the same key.

        Of the classes of ``config.sampling.classes`` in turn, and with what is known of the first
        test data where ``config.sampling.task`` says so.

        Raises:
          CheckpointError: there is no such checkpoint, or no classifier for a guidance to ask.
          DataError: test data are needed, and are not there.
        """
        key = self.experiment.streams["sample"] if key is None else key
        wanted = wanted_of(self.experiment, count)
        with terminal.progress("sampling", 0, count) as update:
            return self._draw(
                self.params(step),
                count,
                key,
                lambda done, _: update(done, ""),
                guide=guide_of(self.experiment, self.classifier),
                labels=wanted.labels,
                known=wanted.known,
            )

    @cached_property
    def _draw(self) -> SampleDriver:
        """Kept, so that further samples and checkpoints do not compile again."""
        steering = steering_of(self.experiment, self.classifier)
        return sample_driver(self.experiment, self.experiment.sampling.batch_size, steering)

    @cached_property
    def _encoding(self) -> EncodingRun:
        """Kept, so that further data and checkpoints do not compile again."""
        return EncodingRun(self)

    def encode(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Latents of data as stored, points of the prior, by the probability flow.

        Integer data are dequantised, the i-th with the same draw as the i-th of an evaluation. A
        solver that fails leaves a row that is not finite or not at its end: see ``save_encodings``.

        Raises:
          DataError: x has not the shape of the data.
        """
        return self._encoding.encode(np.asarray(x), step).end

    def decode(self, z: np.ndarray, step: int | None = None) -> np.ndarray:
        """Data in their own units from latents: the inverse of ``encode``.

        Raises:
          DataError: z has not the shape of the data.
        """
        return self._encoding.stored(self._encoding.decode(np.asarray(z), step).end)

    def save_encodings(self, step: int) -> Path:
        """Latents of the first ``config.sampling.num_samples`` test data, and the way back."""
        return self._encoding.save(step)

    def save_samples(self, step: int) -> Path:
        """Draws ``config.sampling.num_samples`` and writes ``samples.npz`` and ``grid.png``."""
        samples = self.sample(self.experiment.sampling.num_samples, step)
        settings = {**self.experiment.sampler_settings, "seed": self.experiment.identity["seed"]}
        folder = self.workdir.samples(step, settings)
        if writes():
            wanted = wanted_of(self.experiment, len(samples.x))
            arrays = {"samples": samples.x, "nfe": samples.nfe, "ok": samples.ok}
            write_npz(folder / "samples.npz", arrays | wanted.arrays())
            save_picture(folder / "grid.png", self.experiment, samples, wanted)
            write_json(folder / "settings.json", settings)
            _say(folder, samples)
        return folder


def _say(folder: Path, samples: Samples) -> None:
    if not samples.ok.all():
        terminal.say(f"warning: {(~samples.ok).sum()} samples are not finite or not finished")
    terminal.say(
        f"wrote {folder}: {len(samples.x)} samples, NFE {samples.nfe.mean():.0f}, "
        f"{samples.seconds:.1f} s"
    )
