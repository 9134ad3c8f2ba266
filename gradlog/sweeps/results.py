"""The results of a sweep: a row per run, and a row per setting that averages its seeds.

They are read from the files of the runs. For a sweep that still runs they are the results so far.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from gradlog.data.dataset import BITS_PER_DIM
from gradlog.evaluation.bits_per_dim import Result, load_result
from gradlog.sweeps.crossed_effects import crossed_mean, is_significant, pool_seed_variance
from gradlog.sweeps.plan import SEED, Plan, read_plan
from gradlog.sweeps.runs import DONE, SweepFolder

OWN_ESTIMATOR = "its own estimator"


@dataclass(frozen=True)
class RunRow:
    """One run under one estimator. A run without a result has one row and no estimator.

    Attributes:
      name: the name of its folder.
      overrides: the values by dotted key that the sweep sets.
      setting: the overrides without the seed, as a short description.
      seed: ``config.seed``.
      status: 'done', 'trained', 'begun', 'failed' or 'waiting'.
      step: the step of the evaluated checkpoint, or of the newest one; None if there is none.
      train_seconds: wall-clock time with start-up; attempts that were killed do not count.
      eval_seconds: the same for the evaluation with the current settings.
      workdir: the run's folder.
      failure: how the last attempt failed; '' if it did not.
      estimator: '' if the run is not evaluated; `OWN_ESTIMATOR` if the sweep chooses it.
      bits_per_dim: the mean over images; None if there is none.
      standard_error: the standard error of this mean over the images.
      difference: its bits/dim minus those of the best run, image by image; 0 for the best. The best
        run has the lowest mean over the images that succeeded in all runs on the same images.
        Differences use these images too.
      difference_standard_error: the standard error of the difference over the images.
      num_images: the number of images that succeeded.
      all_images: the number of images that were evaluated.
      result: the folder of the result.
    """

    name: str
    overrides: Mapping[str, Any]
    setting: str
    seed: int
    status: str
    step: int | None
    train_seconds: float | None
    eval_seconds: float | None
    workdir: Path
    failure: str
    estimator: str = ""
    bits_per_dim: float | None = None
    standard_error: float | None = None
    difference: float | None = None
    difference_standard_error: float | None = None
    num_images: int = 0
    all_images: int = 0
    result: Path | None = None

    def value(self, key: str) -> Any:
        """Return the value of a swept key; '' if the run does not override it."""
        return self.overrides.get(key, self.seed if key == SEED else "")


@dataclass(frozen=True)
class SettingRow:
    """All finished seeds of one setting under one estimator. See ``sweeps.crossed_effects``.

    Attributes:
      label: the setting as a short description.
      overrides: its values by dotted key, without the seed.
      estimator: the name of the estimator; `OWN_ESTIMATOR` if it is a value of the setting.
      seeds: the finished seeds.
      num_images: the number of images that succeeded for all seeds.
      all_images: the number of images that were evaluated.
      compared_images: the number of images that succeeded in all settings on the same images. The
        best setting has the lowest mean over these, and differences use these.
      bits_per_dim: the mean over its ``num_images`` images and its seeds.
      standard_error: its standard error; None for one image.
      error_of: what the error covers: 'test set and seeds', or 'test set' for one seed.
      images_error: the part of the standard error that more images would reduce.
      seeds_error: the part that more seeds would reduce; None for one seed.
      interval: Student's interval, ``{'level', 'low', 'high'}``.
      seed_bits: the mean of each seed, in the order of ``seeds``.
      difference: the difference to the best setting, by image and seed; 0 for the best.
      difference_standard_error: its standard error; None for the best, and without common seeds.
      difference_interval: Student's interval for this one comparison.
      told_apart: whether the setting differs from the best at 5 % for all pairs of settings
        together (``crossed_effects.is_significant``); None for the best, and if unknown.
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
    difference: float | None = None
    difference_standard_error: float | None = None
    difference_interval: Mapping[str, float] | None = None
    told_apart: bool | None = None

    @property
    def is_best(self) -> bool:
        """True if the other settings are compared with this one."""
        return self.difference == 0.0 and self.difference_standard_error is None

    @property
    def verdict(self) -> str:
        """The comparison with the best setting in words; '' if they cannot be compared.

        A setting can be better than the best over the seeds that both have.
        """
        if self.told_apart is None or self.difference is None:
            return "best" if self.is_best else ""
        if not self.told_apart:
            return "undecided"
        return "better on common seeds" if self.difference < 0 else "worse"

    @property
    def images(self) -> str:
        """The number of images in the mean, such as '90 of 100' if some failed."""
        some = self.num_images < self.all_images
        return f"{self.num_images} of {self.all_images}" if some else str(self.num_images)


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep."""

    folder: SweepFolder
    plan: Plan
    runs: tuple[RunRow, ...]
    settings: tuple[SettingRow, ...]
    unit: str = BITS_PER_DIM

    @property
    def estimators(self) -> tuple[str, ...]:
        """The names of the estimators in the order of the configuration."""
        return tuple(dict.fromkeys(row.estimator for row in self.settings))

    def select(self, estimator: str) -> tuple[SettingRow, ...]:
        """Return the settings under one estimator, the best first."""
        return tuple(row for row in self.settings if row.estimator == estimator)


@dataclass(frozen=True)
class Ranking:
    """An order of results by their means over the images that succeeded in all of them.

    With each result's own images, a result that failed on the hardest images would win.

    Attributes:
      ok: for each set of images, those that succeeded in every result on this set. Results without
        any successful image do not count.
    """

    ok: Mapping[tuple[str, int], Bool[np.ndarray, " images"]]

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Ranking":
        """Return the ranking of results on any images."""
        ok: dict[tuple[str, int], Bool[np.ndarray, " images"]] = {}
        for result in (each for each in results if each.ok.any()):
            images = _image_set(result)
            ok[images] = result.ok & ok.get(images, result.ok)
        return cls(ok)

    def common(self, result: Result) -> Bool[np.ndarray, " images"]:
        """Return the images that succeeded in all results on the images of this one."""
        return self.ok.get(_image_set(result), result.ok)

    def sort_key(self, results: Sequence[Result]) -> tuple[bool, float]:
        """Sort by the mean over the common images. Results without common images come last."""
        ok = _all_succeeded(results)
        values = _stack_bits(results, self.common(results[0]) & ok)
        if values.size:
            return False, float(values.mean())
        own = _stack_bits(results, ok)
        return True, float(own.mean()) if own.size else np.inf


def read_sweep(root: str | Path) -> SweepResults:
    """Read the results of a sweep's folder.

    Raises:
      SweepError: the folder is not the folder of a sweep.
      DamagedFileError, WorkdirError: a file in it is damaged.
    """
    folder = SweepFolder(Path(root).expanduser().absolute())
    return read_results(folder, read_plan(folder.plan))


def read_results(folder: SweepFolder, plan: Plan) -> SweepResults:
    """Read the results of a plan's runs.

    Raises:
      DamagedFileError, WorkdirError: a file of a run is damaged.
    """
    evaluated: list[tuple[RunRow, Result]] = []
    without: list[RunRow] = []
    for run in plan.runs:
        config, record = plan.build_config(run), folder.read_record(run.name)
        # An estimator that the sweep chooses belongs to the setting: all are in one table.
        has_own = "likelihood.name" in plan.keys and not config.eval.estimators
        row = RunRow(
            name=run.name,
            overrides=run.overrides,
            setting=plan.describe(run),
            seed=config.seed,
            status=folder.status(run.name, config.training.steps, plan.settings_digest(run)),
            step=folder.newest_step(run.name),
            train_seconds=record.train_seconds or None,
            eval_seconds=record.eval_seconds or None,
            workdir=folder.workdir(run.name),
            failure=record.failure,
        )
        if row.status != DONE:
            without.append(row)
            continue
        loaded = [load_result(path) for path in folder.results(run.name)]
        for result in (each for each in loaded if each is not None):
            summary = result.summary
            filled = replace(
                row,
                step=summary["step"],
                estimator=OWN_ESTIMATOR if has_own else summary["estimator"],
                bits_per_dim=summary["bits_per_dim"],
                standard_error=summary["standard_error"],
                num_images=summary["num_images"],
                all_images=len(result.ok),
                result=result.folder,
            )
            evaluated.append((filled, result))
    runs, settings = [], []
    for estimator in dict.fromkeys(row.estimator for row, _ in evaluated):
        selected = [each for each in evaluated if each[0].estimator == estimator]
        runs += _compare_runs(selected)
        settings += _compare_settings(selected)
    unit = next((result.unit for _, result in evaluated), BITS_PER_DIM)
    return SweepResults(folder, plan, (*runs, *without), tuple(settings), unit)


def _compare_runs(evaluated: Sequence[tuple[RunRow, Result]]) -> list[RunRow]:
    """Return the runs of one estimator, the best first, with differences to it."""
    ranking = Ranking.of(result for _, result in evaluated)
    ranked = sorted(evaluated, key=lambda each: ranking.sort_key([each[1]]))
    best = ranked[0][1]
    rows = []
    for row, result in ranked:
        if result is best:
            row = replace(row, difference=0.0)
        elif _image_set(result) == _image_set(best):
            values = _stack_bits([result, best], ranking.common(result) & result.ok)
            mean = crossed_mean(values[:1] - values[1:])
            error = _none_if_nan(mean.standard_error)
            difference = _none_if_nan(mean.value)
            row = replace(row, difference=difference, difference_standard_error=error)
        rows.append(row)
    return rows


def _compare_settings(evaluated: Sequence[tuple[RunRow, Result]]) -> list[SettingRow]:
    """Return the settings of one estimator, the best first, with differences to it."""
    # The seeds of one setting are averaged if they were evaluated on the same images.
    seeds: dict[str, list[tuple[RunRow, Result]]] = {}
    for row, result in evaluated:
        setting = sorted((key, value) for key, value in row.overrides.items() if key != SEED)
        seeds.setdefault(repr((setting, _image_set(result))), []).append((row, result))
    groups = [([row for row, _ in g], [result for _, result in g]) for g in seeds.values()]
    groups = [group for group in groups if _all_succeeded(group[1]).any()]
    ranking = Ranking.of(result for _, results in groups for result in results)
    groups.sort(key=lambda group: ranking.sort_key(group[1]))
    tables = [_stack_bits(results, _all_succeeded(results)) for _, results in groups]
    pooled, pairs = pool_seed_variance(tables), math.comb(len(groups), 2)
    settings = []
    for (rows, results), table in zip(groups, tables, strict=True):
        mean, first = crossed_mean(table), rows[0]
        setting = SettingRow(
            label=first.setting,
            overrides={key: first.overrides[key] for key in first.overrides if key != SEED},
            estimator=first.estimator,
            seeds=tuple(row.seed for row in rows),
            num_images=mean.images,
            all_images=first.all_images,
            compared_images=int(ranking.common(results[0]).sum()),
            bits_per_dim=mean.value,
            standard_error=_none_if_nan(mean.standard_error),
            error_of="test set and seeds" if len(rows) > 1 else "test set",
            images_error=_none_if_nan(mean.images_error),
            seeds_error=_none_if_nan(mean.seeds_error),
            interval=mean.interval,
            seed_bits=tuple(float(np.mean(bits)) for bits in table),
            difference=None if settings else 0.0,
        )
        if settings:
            best = {row.seed: result for row, result in zip(*groups[0], strict=True)}
            common = [i for i, row in enumerate(rows) if row.seed in best]
            paired = [results[i] for i in common] + [best[rows[i].seed] for i in common]
            if common and len({_image_set(result) for result in paired}) == 1:
                bits = _stack_bits(paired, ranking.common(paired[0]))
                mean = crossed_mean(bits[: len(common)] - bits[len(common) :])
                setting = replace(
                    setting,
                    difference=_none_if_nan(mean.value),
                    difference_standard_error=_none_if_nan(mean.standard_error),
                    difference_interval=mean.interval,
                    told_apart=is_significant(mean, len(common), pooled, pairs),
                )
        settings.append(setting)
    return settings


def _image_set(result: Result) -> tuple[str, int]:
    """Return what identifies the images of a result: the data's fingerprint and their number."""
    return result.summary["data_fingerprint"], len(result.ok)


def _all_succeeded(results: Sequence[Result]) -> Bool[np.ndarray, " images"]:
    return np.all([result.ok for result in results], axis=0)


def _stack_bits(
    results: Sequence[Result], ok: Bool[np.ndarray, " images"]
) -> Float[np.ndarray, "results selected"]:
    return np.stack([result.bits_per_dim for result in results])[:, ok]


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
