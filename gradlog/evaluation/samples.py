"""Samples of a model: drawn in batches, and saved as arrays and a picture.

A sample is a function of its index alone, whatever the batch size and the number of devices.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Num

from gradlog import terminal
from gradlog.data.array_files import check_fits
from gradlog.data.text import number_texts
from gradlog.distributed import is_writer
from gradlog.evaluation.classifier_run import ClassifierRun
from gradlog.evaluation.conditional_sampling import (
    Conditioning,
    Targets,
    guide_params,
    save_sample_picture,
)
from gradlog.evaluation.devices import BatchProgram, Indices, Progress, key_data_by_index
from gradlog.evaluation.pictures import save_unmasking
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.sampling_parts import BATCH_AXES, with_log_prob
from gradlog.models import Decoder, DiffusionModel
from gradlog.sampling import Sampler, Unmasking
from gradlog.sde_lib import Discrete
from gradlog.storage import Workdir, write_json, write_npz
from gradlog.storage.files import write_text

UNCONDITIONAL = Conditioning()
ANIMATED = 16  # samples of an animation, the first ones
_LATENT = 0x1A7E  # the key of the latent of a sample is derived by it


@dataclass(frozen=True)
class Samples:
    """Samples in the units of the data, with their cost.

    Attributes:
      x: the samples.
      nfe: score evaluations of each sample.
      ok: whether its solver finished with a finite result, log density included.
      seconds: for all of them, compilation included.
      log_prob: their log densities in nats per unit of the data, under the probability flow at eps,
        at the points before they are rounded to levels. None if they were not asked for.
      log_prob_error: standard errors of the log densities, by the random products.
      log_prob_discretization: the changes of the log densities by the last refinement; larger than
        what remains.
      path: states of the process on the way, if they were asked for.
    """

    x: Num[np.ndarray, "n *D"]
    nfe: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]
    seconds: float
    log_prob: Float[np.ndarray, " n"] | None = None
    log_prob_error: Float[np.ndarray, " n"] | None = None
    log_prob_discretization: Float[np.ndarray, " n"] | None = None
    path: Int[np.ndarray, "n frames *D"] | None = None


class SampleDriver:
    """Draws samples in batches with any parameters; it is compiled at its first call."""

    def __init__(
        self,
        sampler: Sampler,
        model: DiffusionModel,
        shape: tuple[int, ...],
        batch_size: int,
        conditioning: Conditioning = UNCONDITIONAL,
        *,
        keep_path: bool = False,
    ):
        def batch(shared: tuple[Any, Any], rows):
            params, guide = shared
            dequantizer = model.dequantizer
            # A decoder gives probabilities of levels; the density of a sample still has a unit.
            is_decoder = isinstance(dequantizer, Decoder)
            units = (dequantizer.as_centers() if is_decoder else dequantizer).log_scale

            def one(key_data, label, known):
                key = jax.random.wrap_key_data(key_data)
                prior_key, path_key = jax.random.split(key)
                bound = model.bind(params).draw_latent(jax.random.fold_in(key, _LATENT))
                own = conditioning.keep_known(sampler, bound, key, known)
                z = bound.process.prior_sample(prior_key, shape)
                sample = own(conditioning.guide(bound, guide, label), z, path_key)
                nfe = sample.nfe * conditioning.guidance.evaluations
                drawn: dict[str, Any] = {"x": bound.to_data(sample.x), "nfe": nfe, "ok": sample.ok}
                if keep_path:
                    drawn["path"] = sample.path
                if sample.density is None:
                    return drawn
                return drawn | {
                    "ok": sample.ok & jnp.isfinite(sample.density.nats),
                    "log_prob": sample.density.nats - z.size * units,
                    "log_prob_error": sample.density.standard_error,
                    "log_prob_discretization": sample.density.discretization,
                }

            return jax.vmap(one, axis_name=BATCH_AXES[0])(*rows)

        self._program, self._shape = BatchProgram(batch, batch_size), shape
        self._levels = getattr(model.dequantizer, "levels", None)

    def __call__(
        self,
        params: Any,
        count: int,
        stream: jax.Array,
        progress: Progress = lambda done: None,
        *,
        guide: Any = None,
        labels: Int[np.ndarray, " n"] | None = None,
        known: Num[np.ndarray, "n *D"] | None = None,
    ) -> Samples:
        """Draw ``count`` samples; sample i uses the key ``fold_in(stream, i)``.

        Args:
          params: parameters of the model.
          count: the number of samples.
          stream: root of their keys.
          progress: is called with the number of finished samples.
          guide: parameters of the classifier that guides; None for no classifier.
          labels: the class of each sample.
          known: for each sample a datum as stored, whose projection the sample must have.

        Raises:
          DataError: the memory of this machine cannot hold so many samples.
        """
        check_samples_fit(count, self._shape, self._levels)
        started = time.perf_counter()

        def rows(indices: Indices) -> tuple[Any, ...]:
            targets = (None if each is None else each[indices] for each in (labels, known))
            return (key_data_by_index(stream, indices), *targets)

        found = self._program((params, guide), rows, count, progress)
        return Samples(**found, seconds=time.perf_counter() - started)


def check_samples_fit(count: int, shape: tuple[int, ...], levels: int | None) -> None:
    """Raise a DataError if so many samples of a shape exceed the memory of this machine."""
    itemsize = 4 if levels is None else np.min_scalar_type(levels - 1).itemsize
    # Each number is there twice when the batches are joined; 32 bytes are for indices and costs.
    check_fits(count * (2 * itemsize * math.prod(shape) + 32), f"{count:,} samples")


def sample_driver(
    experiment: Experiment, batch_size: int, conditioning: Conditioning = UNCONDITIONAL
) -> SampleDriver:
    """Return the driver of an experiment's sampler."""
    shape = experiment.dataset.shape
    return SampleDriver(experiment.sampler, experiment.model, shape, batch_size, conditioning)


class SampleRun:
    """Samples of an experiment with the parameters of any checkpoint."""

    def __init__(self, workdir: Workdir, experiment: Experiment, classifier: ClassifierRun):
        self._workdir, self._experiment, self._classifier = workdir, experiment, classifier

    @cached_property
    def _driver(self) -> Callable[[bool, bool], SampleDriver]:
        # They are kept, so that further samples and checkpoints compile nothing.
        experiment = self._experiment
        conditioning = Conditioning.of(experiment, self._classifier)

        def driver(log_prob: bool, keep_path: bool) -> SampleDriver:
            sampler, name = experiment.sampler, experiment.config.sampling.name
            return SampleDriver(
                with_log_prob(sampler, name, experiment.process) if log_prob else sampler,
                experiment.model.in_float32() if log_prob else experiment.model,
                experiment.dataset.shape,
                ANIMATED if keep_path else experiment.sampling.batch_size,
                conditioning,
                keep_path=keep_path,
            )

        return cache(driver)

    @property
    def _settings(self) -> dict[str, Any]:
        """Return all that samples depend on, but the step."""
        experiment = self._experiment
        return {**experiment.sampler_settings, "seed": experiment.seed}

    def draw(
        self,
        params: Any,
        key: jax.Array | None,
        count: int,
        *,
        log_prob: bool = False,
        keep_path: bool = False,
    ) -> Samples:
        """Draw samples in the units of the data; without a key those of ``--mode=sample``.

        Raises:
          ConfigError: ``log_prob`` is asked for, and the sampler has no densities.
          CheckpointError: the guidance needs a classifier, and it is not trained.
          DataError: test data are needed and are not there, or there are too many samples for the
            memory.
          TypeError: the key is no key of JAX.
          ValueError: count is below 1.
        """
        if count < 1:
            raise ValueError(f"n = {count} samples: choose 1 or more")
        if key is None:
            key = self._experiment.streams["sample"]
        if not isinstance(key, jax.Array):
            raise TypeError(f"key = {key!r} is not a key of JAX: use jax.random.key(0), or None")
        dataset = self._experiment.dataset
        check_samples_fit(count, dataset.shape, dataset.levels)  # before their targets
        targets = Targets.of(self._experiment, count)
        with terminal.progress("sampling", 0, count) as update:
            return self._driver(log_prob, keep_path)(
                params,
                count,
                key,
                lambda done: update(done, ""),
                guide=guide_params(self._experiment, self._classifier),
                labels=targets.labels,
                known=targets.known,
            )

    def check(self, steps: list[int]) -> None:
        """Check, before anything is drawn, that the folders of all steps can be used.

        Raises:
          WorkdirError: the settings of samples in a folder cannot be read.
        """
        for step in steps:
            self._workdir.samples(step, self._settings)

    def save(self, step: int, params: Any) -> Path:
        """Draw ``config.sampling.num_samples`` and write ``samples.npz`` and ``grid.png``.

        The states of images of tokens become ``unmasking.gif``, with ``config.sampling.frames``.
        Samples of text are written into ``samples.txt`` in place of the picture, and the characters
        of an alphabet into ``samples.npz``.
        """
        experiment, settings = self._experiment, self._settings
        folder = self._workdir.samples(step, settings)
        samples = self.draw(params, None, experiment.sampling.num_samples)
        states, sampler = None, experiment.sampler
        if isinstance(sampler, Unmasking) and sampler.frames and samples.x.ndim == 4:
            count = min(ANIMATED, len(samples.x))
            states = self.draw(params, None, count, keep_path=True).path
        if is_writer():
            targets = Targets.of(experiment, len(samples.x))
            arrays = {"samples": samples.x, "nfe": samples.nfe, "ok": samples.ok}
            if samples.log_prob is not None:
                arrays |= {
                    name: getattr(samples, name)
                    for name in ("log_prob", "log_prob_error", "log_prob_discretization")
                }
            if alphabet := experiment.dataset.alphabet:
                arrays["alphabet"] = np.array(alphabet)
            write_npz(folder / "samples.npz", arrays | targets.arrays())
            if states is not None and isinstance(experiment.process, Discrete):
                save_unmasking(folder / "unmasking.gif", states, experiment.process.levels)
            if experiment.config.data.name == "text":
                write_text(folder / "samples.txt", number_texts(samples.x, alphabet))
            else:
                save_sample_picture(folder / "grid.png", experiment, samples.x, targets)
            write_json(folder / "settings.json", settings)
            if failed := int((~samples.ok).sum()):
                terminal.say(f"warning: {failed} samples failed: not finite, or not finished")
            terminal.say(
                f"wrote {folder}: {len(samples.x)} samples, {samples.nfe.mean():.0f} score "
                f"evaluations each (NFE), {samples.seconds:.1f} s"
            )
        return folder
