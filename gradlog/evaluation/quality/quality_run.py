"""The quality of samples of a run: FID, KID, precision and recall, as files and a control.

Samples and costly features are kept in the workdir. The control are data of the other split: the
numbers that samples of the data's own law would have.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from gradlog import terminal
from gradlog.aliases import modern_result
from gradlog.data import DataError, Source, read_array
from gradlog.data.dataset import permutation
from gradlog.data.records import spaced_examples
from gradlog.distributed import exists_on_hosts, is_writer
from gradlog.evaluation.bits_per_dim import SETTINGS, reading_result
from gradlog.evaluation.classifier_run import ClassifierRun
from gradlog.evaluation.conditional_sampling import condition_settings, guide_params
from gradlog.evaluation.quality.compare_features import compare_features
from gradlog.evaluation.quality.feature_sets import QualityError
from gradlog.evaluation.quality.features import (
    Features,
    InceptionFeatures,
    Learned,
    Pixels,
    read_weights,
)
from gradlog.evaluation.samples import SampleRun
from gradlog.experiment.experiment import Experiment
from gradlog.storage import (
    Workdir,
    digest_arrays,
    digest_params,
    list_versions,
    read_sealed,
    replace_nonfinite,
    write_json,
    write_npz,
    write_sealed,
)

RESULT = "quality.json"
FROM_FILE = "given"  # takes the place of the step, for samples of a file
OTHER_SPLIT = {"train": "test", "test": "train"}
_OTHER_SCALE = 8  # standard deviations that differ by more are said to be of other units
_FEWEST = 4  # KID's subsets are halves of the sets and have at least two examples
_SAMPLES = "config.quality.samples"
_NAMES = ("samples", "images", "x")  # of the array in an .npz file


class QualityRun:
    """Compares samples with the data of a run, for any checkpoint or for samples of a file.

    A result with the same settings is read, not computed again. A result with other settings stays,
    and the new one is put beside it.

    Raises:
      QualityError: the features are not available.
    """

    def __init__(
        self,
        workdir: Workdir,
        experiment: Experiment,
        samples: SampleRun,
        classifier: ClassifierRun,
    ):
        self._workdir, self._experiment = workdir, experiment
        self._samples, self._classifier = samples, classifier
        self._settings = experiment.quality
        self._features = FEATURE_MAKERS[self._settings.features](experiment, classifier)
        self._seed = int(experiment.identity["seed"])

    def __call__(self, step: int, params: Any) -> dict[str, Any]:
        """Return the summary for samples of a checkpoint."""
        count = self._settings.num_samples or self._reference_size
        self._check_counts(count)
        guide = guide_params(self._experiment, self._classifier)
        source = {
            **self._experiment.sampler_settings,
            **condition_settings(self._experiment),
            "sampling.num_samples": count,
            "parameters": digest_params(params),
            **({} if guide is None else {"guide": digest_params(guide)}),
        }

        def draw() -> tuple[np.ndarray, int]:
            path = self._cached(f"samples-{step}", source | {"seed": self._seed})
            if exists_on_hosts(path):
                found = _load(path)
            else:
                samples = self._samples.draw(params, None, count)
                found = {"samples": samples.x, "ok": samples.ok}
                if is_writer():
                    write_npz(path, found)
            x = found["samples"]
            good = found["ok"] & np.isfinite(x).reshape(len(x), -1).all(axis=1)
            if not good.all():
                terminal.say(f"warning: {(~good).sum()} samples failed and are left out")
            return x[good], int((~good).sum())

        return self._result(step, source, draw)

    def from_file(self) -> dict[str, Any]:
        """Return the summary for the samples of the file ``config.quality.samples``."""
        dataset = self._experiment.dataset
        x = load_samples(self._settings.samples, dataset.shape, dataset.levels)
        self._check_counts(len(x))
        with np.errstate(invalid="ignore"):  # what is not finite is reported later
            spread = np.std(x)
        data = np.std(spaced_examples(self._split(self._settings.against)))
        if not data / _OTHER_SCALE <= spread <= data * _OTHER_SCALE:
            terminal.say(
                f"warning: {_SAMPLES}: the samples have a standard deviation of {spread:.3g}, the "
                f"data one of {data:.3g}: are they in the units of the data?"
            )
        return self._result(FROM_FILE, {"samples": digest_arrays(x)}, lambda: (x, 0))

    @property
    def _reference_size(self) -> int:
        data = self._split(self._settings.against)
        return min(len(data), self._settings.num_reference or len(data))

    def _split(self, name: str) -> Source:
        dataset = self._experiment.dataset
        return dataset.train if name == "train" else dataset.test

    def _check_counts(self, samples: int) -> None:
        """Raise QualityError if there are too few samples or data, before any sample is drawn."""
        neighbors, against = self._settings.neighbors, self._settings.against
        least = max(_FEWEST, neighbors + 1)
        for count, what in ((self._reference_size, f"{against} data"), (samples, "samples")):
            if count < least:
                raise QualityError(
                    f"config.quality needs at least {least} {what} with config.quality.neighbors = "
                    f"{neighbors}, got {count}"
                )

    def _result(
        self, step: int | str, source: dict[str, Any], draw: Callable[[], tuple[np.ndarray, int]]
    ) -> dict[str, Any]:
        own = {f"quality.{key}": value for key, value in vars(self._settings).items()}
        # Not the names of files, but the digests of what is in them.
        named = ("quality.samples", "quality.inception", "quality.convention")
        settings = {
            **source,
            **{key: value for key, value in own.items() if key not in named},
            **self._features.settings,
            "seed": self._seed,
            "data.fingerprint": self._experiment.dataset.fingerprint,
        }
        folder = self._workdir.result("quality", step, self._settings.features, settings=settings)
        if exists_on_hosts(folder / RESULT):
            terminal.say(f"already measured: {folder}")
            with reading_result(folder, "quality"):
                return modern_result(read_sealed(folder / RESULT, (SETTINGS,)))
        x, failed = draw()
        summary = replace_nonfinite(
            self._compare(step, x, failed) | {"settings": settings, "versions": list_versions()}
        )
        if is_writer():
            write_json(folder / SETTINGS, settings)
            write_sealed(folder / RESULT, summary, [SETTINGS])
            terminal.say(f"wrote {folder}")
        return summary

    def _compare(self, step: int | str, x: np.ndarray, failed: int) -> dict[str, Any]:
        """Return the numbers of the samples, and of the control."""
        against = self._settings.against
        control = OTHER_SPLIT[against]
        reference = self._features_of_data(against, self._settings.num_reference)
        try:
            found = self._computed("samples", x, {"samples": digest_arrays(x)})
            with terminal.working("comparing samples with data"):
                numbers = self._numbers(found, reference)
        except QualityError as error:
            raise QualityError(
                f"samples and {against} data cannot be compared with config.quality: {error}"
            ) from error
        rows = [{"set": "samples"} | numbers]
        found = self._features_of_data(control, len(x))
        try:
            with terminal.working("comparing data with data"):
                numbers = self._numbers(found, reference)
            rows.append({"set": f"{control} data"} | numbers)
        except QualityError as error:
            terminal.say(f"note: {control} data are not compared: {error}")
        return {
            "step": step,
            "features": self._settings.features,
            "against": against,
            "failed": failed,
            "rows": rows,
            "data_fingerprint": self._experiment.dataset.fingerprint,
        }

    def _numbers(
        self, x: Num[np.ndarray, "n k"], reference: Num[np.ndarray, "m k"]
    ) -> dict[str, Any]:
        settings = self._settings
        return compare_features(
            x,
            reference,
            neighbors=settings.neighbors,
            fid_groups=settings.fid_groups,
            kid_subsets=settings.kid_subsets,
            kid_subset_size=settings.kid_subset_size,
            seed=self._seed,
        )

    def _features_of_data(self, split: str, count: int) -> Float[np.ndarray, "n k"]:
        """Return features of a split: of all of it, or of ``count`` random examples."""
        source = self._split(split)
        if 0 < count < len(source):
            source = source[np.sort(permutation(len(source), self._seed)[:count])]
        where = {"data": self._experiment.dataset.fingerprint, "seed": self._seed, "split": split}
        return self._computed(f"{split} data", source, where)

    def _computed(
        self, title: str, source: Source, where: dict[str, Any]
    ) -> Float[np.ndarray, "n k"]:
        """Return features of a source; costly ones are kept in a file."""
        decided = {**where, **self._features.settings, "count": len(source)}
        path = self._cached(f"features-{self._settings.features}", decided)
        if self._features.costly and exists_on_hosts(path):
            return _load(path)["features"]
        with terminal.progress(f"features of {title}", 0, len(source)) as update:
            found = self._features(source, lambda done: update(done, ""))
        if self._features.costly and is_writer():
            write_npz(path, {"features": found})
        return found

    def _cached(self, name: str, settings: dict[str, Any]) -> Path:
        """Return the file of kept arrays; other versions have other files."""
        return self._workdir.quality_cache(name, settings | {"versions": list_versions()})


def load_samples(
    path: str, shape: tuple[int, ...], levels: int | None
) -> Num[np.ndarray, "n *shape"]:
    """Load samples, in the units of the data, from an .npy or .npz file.

    An .npz file has them as 'samples', 'images' or 'x', or has one array only.

    Raises:
      QualityError: the file cannot be read, or its array is not like the data.
    """
    try:
        x = read_array(path, _NAMES)
    except DataError as error:
        raise QualityError(f"{_SAMPLES}: {error}") from error
    if not x.ndim or x.shape[1:] != shape:
        raise QualityError(
            f"{_SAMPLES}: {path} holds {x.dtype} {x.shape}; the data are (n, *{shape})"
        )
    if levels is not None and (bad := int(x.size - np.isfinite(x).sum())):
        raise QualityError(f"{_SAMPLES}: {path} holds {bad} NaN or infinite numbers")
    if levels is not None and len(x) and not (x.min() >= 0 and x.max() <= levels - 1):
        raise QualityError(
            f"{_SAMPLES}: {path} holds values from {x.min()} to {x.max()}; the data have levels "
            f"from 0 to {levels - 1}"
        )
    if levels is not None and (others := x[x != np.round(x)]).size:
        raise QualityError(
            f"{_SAMPLES}: {path} holds {others.size} values that are no whole levels, such as "
            f"{others[0]:.4g}; the data have levels from 0 to {levels - 1}: save the samples as "
            f"the data are stored, such as np.rint({levels - 1} * x) of images from 0 to 1"
        )
    return x


def _load(path: Path) -> dict[str, np.ndarray]:
    with reading_result(path.parent, "quality"), np.load(path) as file:
        return dict(file)


def _learned(experiment: Experiment, classifier: ClassifierRun) -> Features:
    del experiment
    return Learned(classifier.features, {"classifier": digest_params(classifier.params())})


def _inception(experiment: Experiment, classifier: ClassifierRun) -> Features:
    del classifier
    settings = experiment.quality
    return InceptionFeatures(
        read_weights(settings.inception),
        settings.convention,
        experiment.dataset.levels,
        experiment.eval.batch_size,
    )


# By ``config.quality.features``.
FEATURE_MAKERS: dict[str, Callable[[Experiment, ClassifierRun], Features]] = {
    "pixels": lambda experiment, classifier: Pixels(),
    "classifier": _learned,
    "inception": _inception,
}
