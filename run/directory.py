"""A workdir, its configuration, its checkpoints and what they can do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from build import build, check_config, load_dataset
from configs.saved import defaults, get_config
from evaluation import SampleDriver, Samples, pictures, terminal
from evaluation.results import Result
from likelihood import LogDensity
from run.density import log_density_of
from run.drivers import (
    initial_state,
    likelihood_evaluator,
    parallel_step,
    sample_driver,
    writes,
)
from run.evaluation import EstimatorRun
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
        cls, path: str | Path, config: ConfigDict | None = None, kept: Collection[str] = ()
    ) -> "RunDirectory":
        """Opens a workdir; with a config also one that does not exist yet.

        Args:
          path: the run's folder.
          config: its whole configuration, by default the one it was made with.
          kept: dotted keys whose values win over the preset that ``config.compat`` names.

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
        experiment = build(config, load_dataset(config))
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

    def log_prob(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Log probability in nats of data as stored, by the first estimator of the config."""
        estimator = next(iter(self.experiment.estimators.values()))
        evaluator = likelihood_evaluator(self.experiment, estimator)
        stream = self.experiment.streams["eval"]
        return evaluator(self.params(step), np.asarray(x), stream).account.nats

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
        """Samples in the data's own units; the same ones for the same key."""
        key = self.experiment.streams["sample"] if key is None else key
        with terminal.progress("sampling", 0, count) as update:
            return self._draw(self.params(step), count, key, lambda done, _: update(done, ""))

    @cached_property
    def _draw(self) -> SampleDriver:
        """Kept, so that further samples and checkpoints do not compile again."""
        return sample_driver(self.experiment, self.experiment.sampling.batch_size)

    def save_samples(self, step: int) -> Path:
        """Draws ``config.sampling.num_samples`` and writes ``samples.npz`` and ``grid.png``."""
        samples = self.sample(self.experiment.sampling.num_samples, step)
        settings = {**self.experiment.sampler_settings, "seed": self.experiment.identity["seed"]}
        folder = self.workdir.samples(step, settings)
        if writes():
            arrays = {"samples": samples.x, "nfe": samples.nfe, "ok": samples.ok}
            write_npz(folder / "samples.npz", arrays)
            pictures.save_samples(folder / "grid.png", samples.x, self.experiment.dataset.levels)
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
