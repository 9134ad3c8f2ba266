"""A run as an object: a workdir, its configuration, its checkpoints and what they can do."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from build import ConfigError, Experiment, build, load_dataset
from configs.saved import get_config
from data import BatchStream
from evaluation import (
    HeldOutLoss,
    LikelihoodEvaluator,
    SampleDriver,
    Samples,
    pictures,
    results,
    terminal,
)
from storage import (
    CheckpointError,
    Checkpoints,
    MetricsLog,
    Workdir,
    read_metrics,
    versions,
    write_npz,
)
from training import (
    MAPPINGS,
    Every,
    ParallelStep,
    TrainState,
    TrainStep,
    init_state,
    replicate,
    train,
)

_HELD_OUT_IMAGES = 1024
_PREVIEW_SAMPLES = 16


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
    def open(cls, path: str | Path, config: ConfigDict | None = None) -> "RunDirectory":
        """Opens a workdir; with a config also one that does not exist yet.

        Raises:
          WorkdirError: the workdir belongs to another experiment than the config's.
          ConfigError: the config cannot be built.
          DataError: the data are not there.
        """
        workdir = Workdir(Path(path))
        if config is None:
            config = get_config(str(workdir.config))
        experiment = build(config, load_dataset(config))
        if workdir.exists():
            workdir.check(experiment.identity)
        return cls(workdir, config, experiment)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the run."""
        return Checkpoints(self.workdir.checkpoints, self.experiment.training.keep)

    # --- training ---------------------------------------------------------------------------

    def train(self) -> None:
        """Trains to ``config.training.steps``, from the newest checkpoint if there is one."""
        experiment = self.experiment
        settings = experiment.training
        step_fn = self._parallel_step()
        self.workdir.claim(self.config.to_dict(), experiment.identity)
        state = self._newest_state()
        start = int(state.step)
        if start >= settings.steps:
            terminal.say(f"already trained: {start} steps in {self.workdir.root}")
            return
        log = MetricsLog(self.workdir.root, start)
        with terminal.progress("training", start, settings.steps) as update:

            def record(step: int, metrics: dict[str, float]) -> None:
                log.write(step, metrics)
                update(step, f"loss {metrics['loss']:.4f}")

            train(
                step_fn,
                replicate(state),
                BatchStream(
                    experiment.dataset.train, settings.batch_size, experiment.identity["seed"]
                ),
                steps=settings.steps,
                log_every=settings.log_every,
                log=record,
                measures=[Every(settings.eval_every, self._held_out())],
                callbacks=[
                    Every(settings.sample_every, self._preview()),
                    Every(settings.checkpoint_every or settings.steps, self._save),
                ],
            )
        self.checkpoints.finish()
        log.close()
        pictures.save_curves(self.workdir.root / "curves.png", self.metrics())

    def _parallel_step(self) -> ParallelStep:
        experiment = self.experiment
        step = TrainStep(
            experiment.loss,
            experiment.dequantisation,
            experiment.optimizer,
            experiment.ema_decay,
            experiment.training.batch_size,
        )
        mapping = MAPPINGS[experiment.training.parallel]()
        try:
            return ParallelStep(step, experiment.streams["train"], mapping)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def _newest_state(self) -> TrainState:
        step = self.checkpoints.latest()
        return self._initial_state() if step is None else self.state(step)

    def _initial_state(self) -> TrainState:
        experiment = self.experiment

        @jax.jit
        def make(key):
            params = experiment.model.init(key, experiment.dataset.shape)
            return init_state(params, experiment.optimizer)

        return make(experiment.streams["init"])

    def _held_out(self):
        experiment = self.experiment
        loss = HeldOutLoss(
            experiment.loss,
            experiment.dequantisation,
            experiment.dataset.test,
            experiment.streams["held_out"],
            count=_HELD_OUT_IMAGES,
            batch_size=experiment.eval.batch_size,
        )
        return lambda step, state: {"held_out_loss": loss(jax.device_get(state.ema_params))}

    def _preview(self):
        draw = self._sampler(_PREVIEW_SAMPLES)

        def preview(step: int, state: TrainState) -> None:
            params = jax.device_get(state.ema_params)
            samples = draw(params, _PREVIEW_SAMPLES, self.experiment.streams["sample"])
            path = self.workdir.root / "previews" / f"{step:08d}.png"
            pictures.save_samples(path, samples.x, self.experiment.dataset.levels)

        return preview

    def _save(self, step: int, state: TrainState) -> None:
        self.checkpoints.save(step, state)

    def metrics(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``."""
        return read_metrics(self.workdir.metrics)

    # --- checkpoints ------------------------------------------------------------------------

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
        if which == "all":
            return known
        if not which:
            return known[-1:]
        try:
            wanted = [int(step) for step in which.split(",")]
        except ValueError:
            raise CheckpointError(
                f"--steps={which}: give numbers, such as 100,200, or all; there are {known}"
            ) from None
        for step in wanted:
            if step not in known:
                raise CheckpointError(f"--steps: no checkpoint of step {step}; there are {known}")
        return wanted

    def state(self, step: int) -> TrainState:
        """The training state of a checkpoint."""
        return self.checkpoints.restore(step, jax.eval_shape(self._initial_state))

    def params(self, step: int | None = None) -> Any:
        """The averaged parameters of a checkpoint, by default of the newest."""
        return self.state(self.steps()[-1] if step is None else step).ema_params

    # --- likelihood -------------------------------------------------------------------------

    def evaluate(self, steps: Iterable[int]) -> list[dict[str, Any]]:
        """Bits per dimension of the test set for each step and estimator, as files.

        A result that is there with the same settings is read, not computed again; one with other
        settings is left alone and the new one put beside it.
        """
        found = []
        for name, estimator in self.experiment.estimators.items():
            settings = self._evaluation_settings(estimator.settings)
            evaluator = self._evaluator(estimator.likelihood)
            for step in steps:
                folder = self.workdir.result(step, name, settings)
                summary = results.load_result(folder)
                if summary is None:
                    summary = self._evaluate(evaluator, step, name, settings, folder)
                else:
                    terminal.say(f"already evaluated: {folder}")
                found.append(summary)
        return found

    def _evaluate(
        self, evaluator: LikelihoodEvaluator, step: int, name: str, settings: dict, folder: Path
    ) -> dict[str, Any]:
        source = self._test_source()
        params = self.params(step)
        title = f"{name} at step {step}"
        with terminal.progress(title, 0, len(source)) as update:
            evaluation = evaluator(
                params,
                source,
                self.experiment.streams["eval"],
                lambda done, _: update(done, "images"),
            )
        provenance = results.Provenance(
            name, step, self.experiment.dataset.fingerprint, settings, versions()
        )
        summary = results.save_result(folder, evaluation, provenance)
        if summary["failed"]:
            terminal.say(
                f"warning: {len(summary['failed'])} of {len(source)} images failed and are not in "
                f"the mean; {folder / results.RESULT} lists them"
            )
        terminal.say(f"wrote {folder}")
        return summary

    def _evaluator(self, likelihood) -> LikelihoodEvaluator:
        experiment = self.experiment
        return LikelihoodEvaluator(
            likelihood,
            experiment.sde,
            experiment.model,
            experiment.dequantisation,
            experiment.eval.batch_size,
        )

    def _evaluation_settings(self, estimator_settings: dict[str, Any]) -> dict[str, Any]:
        return {
            **estimator_settings,
            "seed": self.config.seed,
            "eval.batch_size": self.experiment.eval.batch_size,
            "eval.num_images": self.experiment.eval.num_images,
            "data.fingerprint": self.experiment.dataset.fingerprint,
            "devices": jax.local_device_count(),
        }

    def _test_source(self):
        test = self.experiment.dataset.test
        count = self.experiment.eval.num_images or len(test)
        return test if count >= len(test) else test[np.arange(count)]

    def bits_per_dim(self, step: int | None = None) -> dict[str, Any]:
        """The summary of the first estimator of the config at a step, by default the newest."""
        return self.evaluate([self.steps()[-1] if step is None else step])[0]

    def log_prob(self, x: np.ndarray, step: int | None = None) -> np.ndarray:
        """Log probability in nats of data as stored, by the first estimator of the config."""
        estimator = next(iter(self.experiment.estimators.values()))
        evaluation = self._evaluator(estimator.likelihood)(
            self.params(step), np.asarray(x), self.experiment.streams["eval"]
        )
        return evaluation.account.nats

    # --- samples ----------------------------------------------------------------------------

    def sample(self, count: int, step: int | None = None, key: jax.Array | None = None) -> Samples:
        """Samples in the data's own units; the same ones for the same key."""
        key = self.experiment.streams["sample"] if key is None else key
        with terminal.progress("sampling", 0, count) as update:
            return self._draw(self.params(step), count, key, lambda done, _: update(done, ""))

    def save_samples(self, step: int) -> Path:
        """Draws ``config.sampling.num_samples`` and writes ``samples.npz`` and ``grid.png``."""
        samples = self.sample(self.experiment.sampling.num_samples, step)
        folder = self.workdir.samples(step)
        write_npz(
            folder / "samples.npz", {"samples": samples.x, "nfe": samples.nfe, "ok": samples.ok}
        )
        pictures.save_samples(folder / "grid.png", samples.x, self.experiment.dataset.levels)
        if not samples.ok.all():
            terminal.say(f"warning: {(~samples.ok).sum()} samples are not finite or not finished")
        terminal.say(
            f"wrote {folder}: {len(samples.x)} samples, NFE {samples.nfe.mean():.0f}, "
            f"{samples.seconds:.1f} s"
        )
        return folder

    @cached_property
    def _draw(self) -> SampleDriver:
        """Kept, so that further samples and checkpoints do not compile again."""
        return self._sampler(self.experiment.sampling.batch_size)

    def _sampler(self, batch_size: int) -> SampleDriver:
        experiment = self.experiment
        return SampleDriver(
            experiment.sampler,
            experiment.sde,
            experiment.model,
            experiment.dequantisation,
            experiment.dataset.shape,
            batch_size,
        )
