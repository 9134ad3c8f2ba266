"""What a sweep has found so far: a row per run, and per setting, all seeds of one together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlog.sweeps.folder import SweepFolder
from gradlog.sweeps.plan import SEED, Plan


@dataclass(frozen=True)
class RunRow:
    """One run under one estimator; a run without a result has one row, and no estimator.

    Attributes:
      name: of its folder.
      overrides: what it has of its own, by dotted key.
      setting: the overrides without the seed, in few words.
      seed: ``config.seed``.
      status: one of ``sweeps.folder``: 'done', 'trained', 'begun', 'failed' or 'waiting'.
      step: of the checkpoint evaluated, or else of the newest; None where there is none.
      estimator: '' where nothing is evaluated.
      bits_per_dim: the mean over images; None where there is none.
      standard_error: of that mean, over the images: this one run's.
      difference: its bits/dim minus those of the best run, image by image; 0 for the best. The
        best has the lowest mean over the images that succeeded in all runs on the same images, and
        differences are over these.
      difference_standard_error: over the images.
      num_images: that succeeded.
      all_images: that were evaluated.
      train_seconds: of wall clock, start-up included; attempts that were killed do not count.
      eval_seconds: the same of the evaluation with the settings of now.
      workdir: its folder.
      result: the folder of the result.
      failure: how it ended, where that was badly.
    """

    name: str
    overrides: Mapping[str, Any]
    setting: str
    seed: int
    status: str
    step: int | None
    estimator: str
    bits_per_dim: float | None
    standard_error: float | None
    difference: float | None
    difference_standard_error: float | None
    num_images: int
    all_images: int
    train_seconds: float | None
    eval_seconds: float | None
    workdir: Path
    result: Path | None
    failure: str

    def value(self, key: str) -> Any:
        """Of a swept key; '' where it is not overridden, but for the seed, which each run has."""
        return self.overrides.get(key, self.seed if key == SEED else "")


@dataclass(frozen=True)
class SettingRow:
    """All finished seeds of one setting under one estimator; ``sweeps.crossed`` has the errors.

    Attributes:
      label: the setting in few words.
      overrides: its keys without the seed.
      estimator: by which name.
      seeds: those that are finished.
      num_images: that succeeded in all of them.
      all_images: that were evaluated.
      compared_images: that succeeded in all settings on the same images: the best is that of the
        lowest mean over these, and differences are over these.
      bits_per_dim: the mean over its ``num_images`` and its seeds.
      standard_error: of it, for the expectation over ``error_of``; None for one image.
      error_of: 'test set and seeds', or 'test set' where there is one seed.
      images_error: the part of the standard error that further images would lower.
      seeds_error: the part that further seeds would lower; None for one seed.
      interval: Student's, ``{'level', 'low', 'high'}``.
      seed_bits: the mean of each seed, in the order of ``seeds``.
      difference: to the best setting, image by image and seed by seed; 0 for the best itself.
      difference_standard_error: of it; None for the best, and where they have no seed in common.
      difference_interval: Student's, for this one comparison.
      told_apart: whether it differs from the best with all pairs of settings compared at once, the
        scatter of all settings' seeds lent to each: ``sweeps.crossed.is_told_apart``; None where it
        is the best, or cannot be compared.
    """

    label: str
    overrides: Mapping[str, Any]
    estimator: str
    seeds: tuple[int, ...]
    num_images: int
    all_images: int
    compared_images: int
    bits_per_dim: float
    standard_error: float | None
    error_of: str
    images_error: float | None
    seeds_error: float | None
    interval: Mapping[str, float]
    seed_bits: tuple[float, ...]
    difference: float | None
    difference_standard_error: float | None
    difference_interval: Mapping[str, float] | None
    told_apart: bool | None

    @property
    def is_best(self) -> bool:
        """Whether the others are compared with it."""
        return self.difference == 0.0 and self.difference_standard_error is None

    @property
    def verdict(self) -> str:
        """How it stands to the best, in words; '' where it cannot be compared.

        Better than the best is what has fewer bits over the seeds that both have.
        """
        if self.told_apart is None or self.difference is None:
            return "best" if self.is_best else ""
        if not self.told_apart:
            return "not told apart"
        return "better on common seeds" if self.difference < 0 else "worse"

    @property
    def images(self) -> str:
        """How many its mean is over, and of how many where some failed."""
        some = self.num_images < self.all_images
        return f"{self.num_images} of {self.all_images}" if some else str(self.num_images)


@dataclass(frozen=True)
class SweepResults:
    """A sweep as it stands.

    Attributes:
      folder: of the sweep.
      plan: its file, title, base configuration and runs.
      runs: rows in the order of bits/dim, estimator by estimator; those without come last.
      settings: rows in the order of bits/dim, estimator by estimator.
    """

    folder: SweepFolder
    plan: Plan
    runs: tuple[RunRow, ...]
    settings: tuple[SettingRow, ...]

    @property
    def estimators(self) -> tuple[str, ...]:
        """Their names, in the order of the configuration."""
        return tuple(dict.fromkeys(row.estimator for row in self.settings))

    @property
    def keys(self) -> tuple[str, ...]:
        """The dotted keys that are swept, in the order of the file."""
        return self.plan.keys

    def of(self, estimator: str) -> tuple[SettingRow, ...]:
        """The settings under one estimator, the best first."""
        return tuple(row for row in self.settings if row.estimator == estimator)
