"""A sweep's results, read from the files of its runs: of a sweep that goes on, those so far."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from gradlog.evaluation.results import Result, load_result
from gradlog.sweeps.crossed import Scatter, crossed_mean, is_told_apart, scatter_of
from gradlog.sweeps.folder import DONE, SweepFolder
from gradlog.sweeps.plan import SEED, Plan, PlannedRun, read_plan
from gradlog.sweeps.results import RunRow, SettingRow, SweepResults

# One result of a run: its row, and each image.
_Found = tuple[RunRow, Result]


def read_sweep(root: str | Path) -> SweepResults:
    """The results of a sweep's folder.

    Raises:
      SweepError: it is no such folder.
      DamagedFileError, WorkdirError: a file in it is damaged.
    """
    folder = SweepFolder(Path(root).expanduser().absolute())
    return results_of(folder, read_plan(folder.plan))


def results_of(folder: SweepFolder, plan: Plan) -> SweepResults:
    """The same of a plan that is known."""
    rows = [_rows(folder, plan, run) for run in plan.runs]
    found = [each for of_run in rows for each in of_run if each[1] is not None]
    estimators = dict.fromkeys(row.estimator for row, _ in found)
    runs, settings = [], []
    for estimator in estimators:
        of_estimator = [each for each in found if each[0].estimator == estimator]
        runs += _compared_runs(of_estimator)
        settings += _settings(of_estimator)
    without = [row for of_run in rows for row, result in of_run if result is None]
    return SweepResults(folder, plan, (*runs, *without), tuple(settings))


def _rows(
    folder: SweepFolder, plan: Plan, run: PlannedRun
) -> list[tuple[RunRow, Result]] | list[tuple[RunRow, None]]:
    """A row for each result of a run, with its images; one without where there is none."""
    config = plan.config_of(run)
    status = folder.status(run.name, config.training.steps, plan.settings_of(run))
    record = folder.record(run.name)
    empty = RunRow(
        name=run.name,
        overrides=run.overrides,
        setting=plan.label(run.setting),
        seed=config.seed,
        status=status,
        step=folder.step(run.name),
        estimator="",
        bits_per_dim=None,
        standard_error=None,
        difference=None,
        difference_standard_error=None,
        num_images=0,
        all_images=0,
        train_seconds=record.train_seconds or None,
        eval_seconds=record.eval_seconds or None,
        workdir=folder.workdir(run.name),
        result=None,
        failure=record.failure,
    )
    if status != DONE:
        return [(empty, None)]
    loaded = [load_result(path) for path in folder.results(run.name)]
    return [(_with_result(empty, result), result) for result in loaded if result is not None]


def _with_result(row: RunRow, result: Result) -> RunRow:
    summary = result.summary
    return replace(
        row,
        step=summary["step"],
        estimator=summary["estimator"],
        bits_per_dim=summary["bits_per_dim"],
        standard_error=summary["standard_error"],
        num_images=summary["num_images"],
        all_images=len(result.ok),
        result=result.folder,
    )


def _compared_runs(found: Sequence[_Found]) -> list[RunRow]:
    """Of one estimator, the best first, with differences to it."""
    ranking = Ranking.of(result for _, result in found)
    ranked = sorted(found, key=lambda each: ranking.place([each[1]]))
    best = ranked[0][1]
    return [_run_difference(row, result, best, ranking) for row, result in ranked]


def _run_difference(row: RunRow, result: Result, best: Result, ranking: "Ranking") -> RunRow:
    if result is best or not _same_images([result, best]):
        return replace(row, difference=0.0 if result is best else None)
    values = _table([result, best], ranking.common(result) & result.ok)
    mean = crossed_mean(values[:1] - values[1:])
    return replace(
        row,
        difference=_known(mean.value),
        difference_standard_error=_known(mean.standard_error),
    )


def _settings(found: Sequence[_Found]) -> list[SettingRow]:
    """Of one estimator, the best first, with differences to it."""
    groups: dict[str, list[_Found]] = {}
    for row, result in found:
        groups.setdefault(_group(row, result), []).append((row, result))
    of_some = [group for group in groups.values() if _table_of(group).size]
    ranking = Ranking.of(result for group in of_some for _, result in group)
    ranked = sorted(of_some, key=lambda group: ranking.place(_results(group)))
    compared = Compared.of(ranked, ranking)
    return [_setting_difference(_setting_row(group, ranking), group, compared) for group in ranked]


@dataclass(frozen=True)
class Ranking:
    """Which results are better: by their means over the images that succeeded everywhere.

    Means over each one's own images would let win what failed on the hardest of them.

    Attributes:
      ok: for all results on the same images, those that succeeded in each of them; a result of no
        image at all counts for none.
    """

    ok: Mapping[tuple[str, int], Bool[np.ndarray, " images"]]

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Ranking":
        """Of these results, on whatever images."""
        ok: dict[tuple[str, int], Bool[np.ndarray, " images"]] = {}
        for result in (each for each in results if each.ok.any()):
            ok[_images(result)] = result.ok & ok.get(_images(result), result.ok)
        return cls(ok)

    def common(self, result: Result) -> Bool[np.ndarray, " images"]:
        """The images that succeeded in all results on the images of this one."""
        return self.ok.get(_images(result), result.ok)

    def place(self, results: Sequence[Result]) -> tuple[bool, float]:
        """Sorts by the mean over the common images, those last that have none."""
        values = _table(results, self.common(results[0]) & _succeeded(results))
        return (False, float(values.mean())) if values.size else (True, _own_mean(results))


def _own_mean(results: Sequence[Result]) -> float:
    values = _table(results, _succeeded(results))
    return float(values.mean()) if values.size else np.inf


@dataclass(frozen=True)
class Compared:
    """What each setting is compared with.

    Attributes:
      best: the setting of the fewest bits.
      ranking: by which it is that.
      pairs: of settings: as the best is chosen by the same bits, any of them might be compared.
      scatter: of the seeds of all.
    """

    best: Sequence[_Found]
    ranking: Ranking
    pairs: int
    scatter: Scatter

    @classmethod
    def of(cls, ranked: Sequence[Sequence[_Found]], ranking: Ranking) -> "Compared":
        """With the first of settings."""
        scatter = scatter_of(_table_of(group) for group in ranked)
        return cls(ranked[0] if ranked else [], ranking, math.comb(len(ranked), 2), scatter)


def _group(row: RunRow, result: Result) -> str:
    """Tells what is averaged: seeds of one setting, on the same images."""
    setting = sorted((key, value) for key, value in row.overrides.items() if key != SEED)
    return repr((setting, _images(result)))


def _setting_row(group: Sequence[_Found], ranking: Ranking) -> SettingRow:
    rows, values = [row for row, _ in group], _table_of(group)
    mean = crossed_mean(values)
    return SettingRow(
        label=rows[0].setting,
        overrides={key: rows[0].overrides[key] for key in rows[0].overrides if key != SEED},
        estimator=rows[0].estimator,
        seeds=tuple(row.seed for row in rows),
        num_images=mean.images,
        all_images=rows[0].all_images,
        compared_images=int(ranking.common(group[0][1]).sum()),
        bits_per_dim=mean.value,
        standard_error=_known(mean.standard_error),
        error_of="test set and seeds" if len(rows) > 1 else "test set",
        images_error=_known(mean.images_error),
        seeds_error=_known(mean.seeds_error),
        interval=mean.interval,
        seed_bits=tuple(float(np.mean(row)) for row in values),
        difference=None,
        difference_standard_error=None,
        difference_interval=None,
        told_apart=None,
    )


def _setting_difference(row: SettingRow, group: Sequence[_Found], compared: Compared) -> SettingRow:
    """With the difference to the best setting, over the seeds that both have."""
    if group is compared.best:
        return replace(row, difference=0.0)
    own, its = ({found[0].seed: found[1] for found in each} for each in (group, compared.best))
    seeds = [seed for seed in own if seed in its]
    results = [*(own[seed] for seed in seeds), *(its[seed] for seed in seeds)]
    if not seeds or not _same_images(results):
        return row
    values = _table(results, compared.ranking.common(results[0]))
    mean = crossed_mean(values[: len(seeds)] - values[len(seeds) :])
    return replace(
        row,
        difference=_known(mean.value),
        difference_standard_error=_known(mean.standard_error),
        difference_interval=mean.interval,
        told_apart=is_told_apart(mean, len(seeds), compared.scatter, compared.pairs),
    )


def _same_images(results: Sequence[Result]) -> bool:
    return len({_images(result) for result in results}) == 1


def _images(result: Result) -> tuple[str, int]:
    return result.summary["data_fingerprint"], len(result.ok)


def _succeeded(results: Sequence[Result]) -> Bool[np.ndarray, " images"]:
    """The images that did in all."""
    return np.all([result.ok for result in results], axis=0)


def _table_of(group: Sequence[_Found]) -> Float[np.ndarray, "seeds images"]:
    """Of a setting, over the images that succeeded with all its seeds."""
    results = _results(group)
    return _table(results, _succeeded(results))


def _results(group: Sequence[_Found]) -> list[Result]:
    return [result for _, result in group]


def _table(
    results: Sequence[Result], ok: Bool[np.ndarray, " images"]
) -> Float[np.ndarray, "results good"]:
    return np.stack([result.bits_per_dim for result in results])[:, ok]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
