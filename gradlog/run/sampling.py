"""Samples of a run's checkpoints: drawn, and as files."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from gradlog import terminal
from gradlog.distributed import writes
from gradlog.evaluation import SampleDriver, Samples
from gradlog.run.drivers import sample_driver
from gradlog.run.steering import guide_of, save_picture, steering_of, wanted_of
from gradlog.storage import write_json, write_npz

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory


class SampleRun:
    """Draws by the sampler of a run's configuration."""

    def __init__(self, run: "RunDirectory"):
        self._run = run

    def draw(self, key: jax.Array | None, count: int, step: int | None = None) -> Samples:
        """Samples in the data's own units; see ``RunDirectory.sample``."""
        if count < 1:
            raise ValueError(f"n = {count} samples: choose 1 or more")
        run, experiment = self._run, self._run.experiment
        key = experiment.streams["sample"] if key is None else _checked(key)
        wanted = wanted_of(experiment, count)
        with terminal.progress("sampling", 0, count) as update:
            return self._driver(
                run.params(step),
                count,
                key,
                lambda done, _: update(done, ""),
                guide=guide_of(experiment, run.classifier),
                labels=wanted.labels,
                known=wanted.known,
            )

    def save(self, step: int) -> Path:
        """Draws ``config.sampling.num_samples`` and writes ``samples.npz`` and ``grid.png``."""
        experiment, settings = self._run.experiment, self._settings
        folder = self._run.workdir.samples(step, settings)
        samples = self.draw(None, experiment.sampling.num_samples, step)
        if writes():
            wanted = wanted_of(experiment, len(samples.x))
            arrays = {"samples": samples.x, "nfe": samples.nfe, "ok": samples.ok}
            write_npz(folder / "samples.npz", arrays | wanted.arrays())
            save_picture(folder / "grid.png", experiment, samples, wanted)
            write_json(folder / "settings.json", settings)
            _say(folder, samples)
        return folder

    def check(self, steps: list[int]) -> None:
        """Before the first of them is drawn.

        Raises:
          WorkdirError: what samples of a step there are already cannot be told.
        """
        for step in steps:
            self._run.workdir.samples(step, self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        """All that samples depend on but the step."""
        experiment = self._run.experiment
        return {**experiment.sampler_settings, "seed": experiment.identity["seed"]}

    @cached_property
    def _driver(self) -> SampleDriver:
        """Kept, so that further samples and checkpoints do not compile again."""
        experiment = self._run.experiment
        steering = steering_of(experiment, self._run.classifier)
        return sample_driver(experiment, experiment.sampling.batch_size, steering)


def _checked(key: Any) -> jax.Array:
    if isinstance(key, jax.Array):
        return key
    raise TypeError(f"key = {key!r} is no key of JAX: say jax.random.key(0), or None")


def _say(folder: Path, samples: Samples) -> None:
    if not samples.ok.all():
        terminal.say(f"warning: {(~samples.ok).sum()} samples are not finite or not finished")
    terminal.say(
        f"wrote {folder}: {len(samples.x)} samples, NFE {samples.nfe.mean():.0f}, "
        f"{samples.seconds:.1f} s"
    )
