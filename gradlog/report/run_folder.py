"""The files of a run, as its page shows them. Damaged files become notes."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jinja2 import TemplateError
from ml_collections import ConfigDict

from gradlog.aliases import modern_result, modern_settings
from gradlog.data import Dataset
from gradlog.data.dataset import BITS_PER_DIM
from gradlog.evaluation.bits_per_dim import (
    PER_IMAGE,
    RESULT,
    SETTINGS,
    Result,
    common_settings,
    load_result,
)
from gradlog.evaluation.comparison import is_of_two_laws
from gradlog.evaluation.pictures import to_bytes
from gradlog.experiment.build import load_prepared
from gradlog.experiment.keys import Key, flatten, keys
from gradlog.experiment.loading import load_saved_config, to_tuples
from gradlog.report.charts import GAMMA, LEVEL_LOSS, load_image_uri, make_image_uri
from gradlog.report.formatting import NOTHING, format_command, format_number, format_overrides
from gradlog.sde_lib import DISCRETE_PROCESSES
from gradlog.storage import (
    Checkpoints,
    DamagedFileError,
    Workdir,
    read_json,
    read_sealed,
    scan_metrics,
)

Read = TypeVar("Read")
Captioned = tuple[Path, str]  # a picture, and the words below it
# The errors of reading a file that is damaged or holds something unexpected.
_READ_ERRORS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, struct.error, zipfile.BadZipFile, zlib.error, TemplateError),
)
_MAX_EXAMPLES = 12  # easiest images, and as many of the hardest
_MAX_SMALL = 64  # pixels: images up to this size are enlarged
_MAX_PREVIEWS = 8
_MAX_MAPS = 3
_PAUSE_FACTOR = 2  # An interval that is so many times slower than the median has a pause.
_NEW_WORKDIR = "runs/again"


def attempt(read: Callable[[], Read], where: str = "") -> tuple[Read | None, list[str]]:
    """Return what a function reads, or None with the reason why it cannot.

    Args:
      read: the function.
      where: what it reads, for errors that do not name it.
    """
    try:
        return read(), []
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        return None, [f"{where}: {reason}" if where else reason]


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run. Files are read on first access, and nothing is written."""

    root: Path
    load: Callable[[ConfigDict], Dataset] = load_prepared

    @property
    def workdir(self) -> Workdir:
        """The paths of its files."""
        return Workdir(self.root)

    def glob(self, pattern: str) -> list[Path]:
        """Return files sorted by name, with numbers sorted by value."""

        def order(path: Path) -> list[tuple[int, str]]:
            return [(int(part), "") if part.isdecimal() else (0, part) for part in path.parts]

        return sorted(self.root.glob(pattern), key=order)

    def read_all(
        self, pattern: str, read: Callable[[Path], Read | None]
    ) -> tuple[list[Read], list[str]]:
        """Return what a function reads from each file, and the problems with the others."""
        found, problems = [], []
        for path in self.glob(pattern):
            one, problem = attempt(partial(read, path))
            found += [] if one is None else [one]
            problems += problem
        return found, problems

    def command(self, *flags: str) -> str:
        """Return a command for this folder."""
        return format_command(self.root, *flags)

    # --- configuration and provenance ---------------------------------------------------------

    @cached_property
    def read_config(self) -> tuple[ConfigDict | None, list[str]]:
        """The configuration, or the problem of reading it; neither if there is no such file."""
        if not self.workdir.exists():
            return None, []
        return attempt(lambda: load_saved_config(self.workdir.config))

    @property
    def config(self) -> ConfigDict | None:
        """The configuration if it can be read."""
        return self.read_config[0]

    @property
    def about(self) -> str:
        """A description in one line."""
        config = self.config
        if config is None:
            return "no readable configuration"
        model, objective = config.model.name, config.objective.name
        if config.sde.name in DISCRETE_PROCESSES:  # they have no parametrization and no weighting
            words = (config.data.name, f"process {config.sde.name}", model, objective)
        else:
            words = (
                config.data.name,
                f"SDE {config.sde.name}",
                f"{model} ({config.model.parametrization})",
                f"{objective}, weighting {config.objective.weighting}",
            )
        return " · ".join(words)

    @property
    def provenance(self) -> dict[str, Any]:
        """The contents of ``provenance.json``."""
        return read_json(self.workdir.provenance)

    @property
    def versions(self) -> dict[str, dict[str, str]]:
        """The versions of packages, by the training's step or the evaluation that used them."""
        history = self.provenance["versions_from_step"]
        found = {f"from step {step}": versions for step, versions in history.items()}
        return found | ({"evaluation": self.headline.summary["versions"]} if self.headline else {})

    @property
    def version_columns(self) -> list[tuple[str, str]]:
        """A column for the packages, and one for each entry of ``versions``."""
        return [(name, "code") for name in ("package", *self.versions)]

    @property
    def packages(self) -> dict[str, list[str]]:
        """The versions of each package, in the order of ``versions``."""
        versions = self.versions.values()
        names = dict.fromkeys(name for each in versions for name in each)
        return {name: [each.get(name, "") for each in versions] for name in names}

    def read_source(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Return what the run was imported from, if it was, or the problem of reading it."""
        path = self.root / "imported.json"
        return attempt(lambda: dict(read_json(path))) if path.is_file() else (None, [])

    @property
    def commands(self) -> list[str]:
        """The commands that repeat the run without any of its files."""
        assert self.config is not None
        own = dict(flatten(self.config))
        changed = [(name, value) for name, value in own.items() if value != _key(name).default]
        flags = ("--mode=train", "--config=configs/default.py")
        commands = [format_command(_NEW_WORKDIR, *flags, overrides=format_overrides(changed))]
        # One command evaluates all steps and estimators that have the same settings.
        evaluations: dict[tuple[str, ...], list[Result]] = {}
        for result in self.results:
            settings, _ = attempt(partial(load_settings, result))
            if settings is not None:
                tuples = to_tuples(settings)  # JSON stores them as lists
                foreign = [(key, v) for key, v in tuples.items() if own.get(key, v) != v]
                evaluations.setdefault(tuple(format_overrides(foreign)), []).append(result)
        for overrides, results in evaluations.items():
            steps, estimators = (
                ",".join(dict.fromkeys(str(result.summary[name]) for result in results))
                for name in ("step", "estimator")
            )
            overrides = (f"--config.eval.estimators={estimators}", *overrides)
            flags = ("--mode=eval", f"--steps={steps}")
            commands.append(format_command(_NEW_WORKDIR, *flags, overrides=overrides))
        return commands

    # --- training -----------------------------------------------------------------------------

    @cached_property
    def metrics(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The records of ``metrics.jsonl``, and the problems of this file."""
        path = self.workdir.metrics
        read, _ = attempt(lambda: scan_metrics(path, times=True))
        records, problems = read or ([], ["it cannot be read"])
        return records, [f"{path}: {problem}" for problem in problems]

    @property
    def schedule_metrics(self) -> list[str]:
        """The metrics of a learned noise schedule."""
        return [name for name in self.logged if name.startswith(GAMMA)]

    @property
    def level_metrics(self) -> list[str]:
        """The held-out losses by noise level."""
        return [name for name in self.logged if name.startswith(LEVEL_LOSS)]

    @property
    def logged(self) -> dict[str, list[tuple[float, int]]]:
        """The values of each metric with their steps; without those that are not finite."""
        records = self.metrics[0]
        names = dict.fromkeys(name for record in records for name in record)
        return {
            name: [(r[name], r["step"]) for r in records if r.get(name) is not None]
            for name in names
            if name not in ("step", "time")
        }

    def last(self, metric: str) -> tuple[float | None, int | str]:
        """Return the last value of a metric and its step; None and a dash without a value."""
        return next(reversed(self.logged.get(metric) or [(None, NOTHING)]))

    def lowest(self, metric: str) -> tuple[float | None, int | str]:
        """Return the lowest value of a metric and its step; None and a dash without a value."""
        return min(self.logged[metric], default=(None, NOTHING))

    @property
    def timing(self) -> "Timing | None":
        """The times of the training, if the metrics have times."""
        return measure_timing(self.metrics[0])

    @cached_property
    def steps(self) -> list[int]:
        """The steps of the checkpoints."""
        return attempt(Checkpoints(self.workdir.checkpoints).steps)[0] or []

    @property
    def newest_step(self) -> int:
        """The newest step that is logged or has a checkpoint."""
        logged = [record["step"] for record in self.metrics[0][-1:]]
        return max([*self.steps, *logged], default=0)

    # --- likelihoods --------------------------------------------------------------------------

    @cached_property
    def read_results(self) -> tuple[list[Result], list[str]]:
        """All readable results sorted by step and estimator, and the problems with others."""
        pattern = f"eval/*/*/{RESULT}"
        results, problems = self.read_all(pattern, lambda path: load_result(path.parent))

        def place(result: Result) -> tuple[int, int, str]:
            name, known = result.summary["estimator"], self.estimators
            order = known.index(name) if name in known else len(known)
            return result.summary["step"], order, result.folder.name

        return sorted(results, key=place), problems

    @property
    def results(self) -> list[Result]:
        """All readable results."""
        return self.read_results[0]

    @property
    def estimators(self) -> tuple[str, ...]:
        """The estimators of the configuration. The first one provides the headline."""
        if self.config is None:
            return ()
        # A list on the command line arrives as one string with commas.
        listed = [name.strip() for each in self.config.eval.estimators for name in each.split(",")]
        return tuple(listed) or (self.config.likelihood.name,)

    @cached_property
    def comparable(self) -> dict[str, list[Result]]:
        """Return for each estimator the results with equal settings, whose steps are comparable.

        Among several groups of equal settings the order of preference is: a group that has a
        number, the most images, the fewest settings that differ from the run's own, the most steps.
        """
        own = json.loads(json.dumps(dict(flatten(self.config)) if self.config else {}))
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            settings = json.dumps(common_settings(result.folder), sort_keys=True)
            groups.setdefault((result.summary["estimator"], settings), []).append(result)

        def preference(group: list[Result]) -> tuple[bool, int, int, int]:
            settings = common_settings(group[0].folder)
            foreign = sum(own.get(key, value) != value for key, value in settings.items())
            has_number = any(result.summary["bits_per_dim"] is not None for result in group)
            return has_number, len(group[0].ok), -foreign, len(group)

        best: dict[str, list[Result]] = {}
        for (name, _), group in groups.items():
            if name not in best or preference(group) > preference(best[name]):
                best[name] = group
        return best

    @property
    def comparable_results(self) -> list[Result]:
        """The results of ``comparable``, in the order of ``results``."""
        folders = {result.folder for group in self.comparable.values() for result in group}
        return [result for result in self.results if result.folder in folders]

    @property
    def other_results(self) -> list[tuple[Result, str]]:
        """The other results, with the settings in which they differ."""
        shown, found = {result.folder for result in self.comparable_results}, []
        for result in (each for each in self.results if each.folder not in shown):
            like = self.comparable[result.summary["estimator"]][0]
            own, others = common_settings(result.folder), common_settings(like.folder)
            differing = [key for key in others | own if own.get(key) != others.get(key)]
            found.append((result, ", ".join(f"{key} = {own.get(key)}" for key in differing)))
        return found

    @property
    def headline_candidates(self) -> list[Result]:
        """The comparable results on the most images, by the first estimator that has one."""
        numbers = {
            name: kept
            for name, results in self.comparable.items()
            if (kept := [r for r in results if r.summary["bits_per_dim"] is not None])
        }
        most = max((len(kept[0].ok) for kept in numbers.values()), default=0)
        names = [name for name, kept in numbers.items() if len(kept[0].ok) == most]
        first = next((name for name in self.estimators if name in names), min(names, default=""))
        return numbers.get(first, [])

    @property
    def headline(self) -> Result | None:
        """The result with the lowest bits/dim among ``headline_candidates``."""
        candidates = self.headline_candidates
        return min(candidates, key=lambda result: result.summary["bits_per_dim"], default=None)

    @property
    def unit(self) -> str:
        """The name of the unit of the results' bits."""
        return next((result.unit for result in self.results), BITS_PER_DIM)

    @property
    def read_over_training(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The comparisons of steps, that with the settings of the headline first, and problems."""
        found, problems = self.read_all("eval/over_training*.json", load_sealed)
        best = self.headline

        def is_foreign(stored: dict[str, Any]) -> bool:
            settings = stored.get("settings", {})
            return best is None or (
                settings.get(best.summary["estimator"]) != common_settings(best.folder)
            )

        return sorted(found, key=is_foreign), problems

    def read_rows(self, pattern: str) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
        """Return paired differences, each with its estimator or else its step, and problems."""

        def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
            rows = load_sealed(path)["rows"]
            return [(row.get("estimator", path.parent.name), row) for row in rows]

        found, problems = self.read_all(pattern, read)
        return [row for rows in found for row in rows], problems

    @property
    def has_gap_of_a_bound(self) -> bool:
        """True if a bound is compared with an estimate of the ODE's bits."""
        rows = [row for _, row in self.read_rows("eval/*/differences.json")[0]]
        return any(map(is_of_two_laws, rows))

    @cached_property
    def single_images(self) -> dict[str, Any]:
        """The bits/dim of single images by the headline: their spread, the easiest, the hardest.

        Each of the two is in 'pictures' if it is an image of the run's data, with its number, bits
        and own error; otherwise 'extremes' lists these. 'points' has points of the plane.
        """
        result = self.headline
        assert result is not None
        bits, errors = (result.per_image[name] for name in ("bits_per_dim", "standard_error"))
        good = np.flatnonzero(result.ok)
        values = bits[good]
        quantiles = {"lowest": 0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "highest": 1}
        spread = {name: float(np.quantile(values, share)) for name, share in quantiles.items()}
        deviation = np.std(values, ddof=1) if len(values) > 1 else np.nan
        spread["standard deviation"] = float(deviation)
        order = good[np.argsort(values, kind="stable")]
        half = len(order) // 2  # If there are few images, each is shown once.
        extremes = {
            "easiest": order[:half][:_MAX_EXAMPLES],
            "hardest": order[half:][::-1][:_MAX_EXAMPLES],
        }
        dataset, problems = self._read_dataset()
        if dataset is not None and dataset.fingerprint != result.summary["data_fingerprint"]:
            problems = ["The data set is not the one that was evaluated. No example is shown."]
            dataset = None
        pictures, points = {}, None
        if dataset is not None and len(dataset.shape) == 3 and dataset.shape[-1] in (1, 3):
            small = max(dataset.shape[:2]) <= _MAX_SMALL
            for name, chosen in extremes.items():
                images = to_bytes(np.asarray(dataset.test[chosen]), dataset.levels)
                pictures[name] = [
                    {
                        "uri": make_image_uri(image),
                        "alt": f"test image {i}, {bits[i]:.3f} {self.unit}",
                        "lines": (
                            f"#{i}",
                            f"{bits[i]:.3f}",
                            f"± {format_number(float(errors[i]), 3)}",
                        ),
                        "small": small,
                    }
                    for i, image, error in zip(chosen, images, errors[chosen].tolist(), strict=True)
                ]
        elif dataset is not None and dataset.shape == (2,):
            points = np.asarray(dataset.test[good])
        return {
            "bits": values,
            "spread": spread,
            "pictures": pictures,
            "points": points,
            "problems": problems,
            "extremes": {n: [(i, bits[i], errors[i]) for i in c] for n, c in extremes.items()},
        }

    def _read_dataset(self) -> tuple[Dataset | None, list[str]]:
        config = self.config
        if config is None:
            return None, []
        return attempt(lambda: self.load(config), "the data set cannot be loaded")

    # --- samples and other results ------------------------------------------------------------

    @property
    def previews(self) -> list[Captioned]:
        """Samples that were drawn during training: the first, the last and some between them."""
        return self._spread("previews/*.png", _MAX_PREVIEWS)

    @property
    def schedule_maps(self) -> list[Captioned]:
        """Maps of a learned schedule during training: the first, the last and one between them."""
        return self._spread("schedules/*.png", _MAX_MAPS)

    def _spread(self, pattern: str, most: int) -> list[Captioned]:
        paths = self.glob(pattern)
        count = min(len(paths), most)
        places = np.linspace(0, len(paths) - 1, count).round().astype(int)
        return [(paths[i], f"step {paths[i].stem.lstrip('0')}") for i in places]

    @property
    def grids(self) -> list[Captioned]:
        """Pictures of the samples of the newest step that has any."""
        return self._newest_samples("grid.png", "unmasking.gif")

    @property
    def texts(self) -> tuple[list[tuple[str, str]], list[str]]:
        """The samples of text of the newest step that has any, with captions; and problems."""
        found = [
            (attempt(partial(path.read_text, encoding="utf-8")), words)
            for path, words in self._newest_samples("samples.txt")
        ]
        shown = [(text, words) for (text, _), words in found if text is not None]
        return shown, [problem for (_, problems), _ in found for problem in problems]

    def _newest_samples(self, *names: str) -> list[Captioned]:
        """Return the files of these names of the newest step that has any."""
        folders = ("samples/*", "samples/*/*")
        paths = [path for f in folders for name in names for path in self.glob(f"{f}/{name}")]
        newest: list[tuple[int, list[Captioned]]] = [(-1, [])]
        for path in paths:
            _, folder, *settings, _ = path.relative_to(self.root).parts
            step = int(folder) if folder.isdecimal() else -1
            if step > newest[0][0]:
                newest = [(step, [])]
            if step == newest[0][0]:
                words = [f"step {step}", *(f"settings {each}" for each in settings)]
                newest[0][1].append((path, ", ".join(words)))
        return newest[0][1]

    @property
    def newest_samples(self) -> list[Captioned]:
        """The newest samples, or else the newest preview."""
        paths = self.glob("samples/*/grid.png") or self.glob("previews/*.png")
        return [(path, path.parent.name) for path in paths[-1:]]

    @property
    def latents(self) -> list[Captioned]:
        """Pictures of encodings: data, latents, reconstructions."""
        return [(path, f"step {path.parent.name}") for path in self.glob("encodings/*/*.png")]

    @property
    def study_pictures(self) -> list[Captioned]:
        """The pictures of a study."""
        return [(path, path.stem) for path in self.glob("study/*.png")]

    def read_classifications(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the results of classification by likelihood, and problems with others."""
        beside = (PER_IMAGE, SETTINGS)
        return self.read_all("classify/*/*/accuracy.json", lambda path: load_sealed(path, beside))

    def read_qualities(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the results of the quality of samples, and problems with others."""
        pattern = "quality/*/*/quality.json"
        return self.read_all(pattern, lambda path: load_sealed(path, (SETTINGS,)))


@dataclass(frozen=True)
class Timing:
    """The times of a training in seconds.

    Attributes:
      step: the median time of a step over the logged intervals.
      total: the time from the first to the last logged step.
      pauses: the part of it by which slow intervals exceed the median pace.
    """

    step: float
    total: float
    pauses: float


def measure_timing(records: Sequence[dict[str, Any]]) -> Timing | None:
    """Return the times of a training from its metrics; None if they have no times."""
    timed = [(r["step"], r["time"]) for r in records if r.get("time") is not None]
    # A clock may go back between two machines. Such an interval has no length.
    intervals = [
        (later[0] - earlier[0], later[1] - earlier[1])
        for earlier, later in pairwise(timed)
        if later[0] > earlier[0] and later[1] >= earlier[1]
    ]
    if not intervals:
        return None
    step = float(np.median([seconds / steps for steps, seconds in intervals]))
    slow = [(n, seconds) for n, seconds in intervals if seconds > _PAUSE_FACTOR * n * step]
    total = sum(seconds for _, seconds in intervals)
    return Timing(step, total, sum(seconds - n * step for n, seconds in slow))


def load_pictures(title: str, files: Iterable[Captioned]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return pictures with their captions for a gallery, and problems with others."""
    pictures, problems = [], []
    for path, caption in files:
        uri, problem = attempt(partial(load_image_uri, path), str(path))
        if uri:
            pictures.append({"uri": uri, "alt": f"{title}: {caption}", "lines": (caption,)})
        problems += problem
    return [picture | {"small": False} for picture in pictures], problems


def load_sealed(path: Path, beside: Collection[str] = ()) -> dict[str, Any]:
    """Load a sealed file, with the names of today. Files beside it must be as it says.

    Raises:
      DamagedFileError: the file has changed since it was written.
    """
    try:
        return modern_result(read_sealed(path, beside))
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def load_settings(result: Result) -> dict[str, Any]:
    """Load the settings of a result by dotted key, in today's spelling."""
    return modern_settings(read_json(result.folder / SETTINGS))


def account_title(result: Result) -> str:
    """Return the title of a result's account."""
    condition = result.summary.get("condition")  # of class-conditional models
    given = f", given “{condition}”" if condition else ""
    return f"Account of {result.folder.name} at step {result.summary['step']}{given}"


def list_keys(config: ConfigDict) -> list[dict[str, Any]]:
    """Return the keys of a configuration: name, value, default, meaning, and whether it differs."""
    return [
        {
            "name": name,
            "value": repr(value),
            "default": repr(_key(name).default),
            "meaning": _key(name).meaning.replace("`", ""),
            "changed": value != _key(name).default,
        }
        for name, value in flatten(config)
    ]


def _key(name: str) -> Key:
    return keys().get(name, Key(name, None, ""))
