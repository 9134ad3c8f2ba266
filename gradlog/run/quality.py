"""How good a run's samples are, as files beside its checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from gradlog import terminal
from gradlog.data import Source
from gradlog.data.dataset import permutation
from gradlog.distributed import there, writes
from gradlog.evaluation.features import Features, InceptionFeatures, Learned, Pixels, read_weights
from gradlog.evaluation.quality import Comparison, QualityError
from gradlog.evaluation.results import SETTINGS, whole
from gradlog.run.given import read_samples
from gradlog.run.steering import guide_of, known_part
from gradlog.storage import (
    digest_arrays,
    finite,
    read_sealed,
    versions,
    write_json,
    write_npz,
    write_sealed,
)

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory

RESULT = "quality.json"
GIVEN = "given"  # stands for the step of samples that are the user's own
OTHER = {"train": "test", "test": "train"}
_FEWEST = 4  # KID's subsets are halves of the sets, and of two or more


class QualityRun:
    """Samples of one run against its data, for any checkpoint or for samples from a file.

    A result that is there with the same settings is read, not computed again; one with other
    settings is left alone and the new one put beside it. Samples and costly features are kept.

    Raises:
      QualityError: the features cannot be had.
    """

    def __init__(self, run: "RunDirectory"):
        self._run = run
        self._settings = run.experiment.quality
        self._features = _MAPS[self._settings.features](run)
        self._seed = int(run.experiment.identity["seed"])

    def __call__(self, step: int) -> dict[str, Any]:
        """The summary for the samples of a checkpoint."""
        self._check_counts(self._settings.num_samples or self._reference_size())
        source = self._sampler_settings(step)
        return self._result(step, source, lambda: self._drawn(step, source))

    def given(self) -> dict[str, Any]:
        """The summary for ``config.quality.samples``."""
        dataset = self._run.experiment.dataset
        x = read_samples(self._settings.samples, dataset.shape, dataset.levels)
        self._check_counts(len(x))
        return self._result(GIVEN, {"samples": digest_arrays(x)}, lambda: (x, 0))

    def _check_counts(self, samples: int) -> None:
        """Raises QualityError where there are too few of something, before any is drawn."""
        neighbors, against = self._settings.neighbors, self._settings.against
        least = max(_FEWEST, neighbors + 1)
        for count, what in ((self._reference_size(), f"{against} data"), (samples, "samples")):
            if count < least:
                raise QualityError(
                    f"{count} {what} are too few for config.quality: at least {least} are needed, "
                    f"with config.quality.neighbors = {neighbors}"
                )

    def _result(
        self,
        step: int | str,
        source: dict[str, Any],
        samples: Callable[[], tuple[np.ndarray, int]],
    ) -> dict[str, Any]:
        settings = self._decisive(source)
        folder = self._run.workdir.quality(step, self._settings.features, settings)
        if there(folder / RESULT):
            terminal.say(f"already measured: {folder}")
            with whole(folder, "quality"):
                return read_sealed(folder / RESULT)
        x, failed = samples()
        made_with = {"settings": settings, "versions": versions()}
        summary = finite(self._summary(step, x, failed) | made_with)
        if writes():
            write_json(folder / SETTINGS, settings)
            write_sealed(folder / RESULT, summary, [SETTINGS])
            terminal.say(f"wrote {folder}")
        return summary

    def _summary(self, step: int | str, x: np.ndarray, failed: int) -> dict[str, Any]:
        """The samples' numbers, and as a control those of data that the reference has not."""
        against = self._settings.against
        reference = self._of_data(against, self._settings.num_reference)
        compare = Comparison(
            self._settings.neighbors,
            self._settings.fid_groups,
            self._settings.kid_subsets,
            self._settings.kid_subset_size,
            self._seed,
        )
        try:
            found = self._of_samples(x)
            with terminal.working("comparing samples with data"):
                rows = [{"set": "samples"} | compare(found, reference)]
        except QualityError as error:
            raise QualityError(
                f"samples and {against} data cannot be compared with config.quality: {error}"
            ) from error
        control = self._of_data(OTHER[against], len(x))
        try:
            with terminal.working("comparing data with data"):
                rows.append({"set": f"{OTHER[against]} data"} | compare(control, reference))
        except QualityError as error:
            terminal.say(f"note: no {OTHER[against]} data beside the samples: {error}")
        return {
            "step": step,
            "features": self._settings.features,
            "against": against,
            "failed": failed,
            "rows": rows,
            "data_fingerprint": self._run.experiment.dataset.fingerprint,
        }

    def _decisive(self, source: dict[str, Any]) -> dict[str, Any]:
        """All that the numbers depend on."""
        own = {f"quality.{key}": value for key, value in vars(self._settings).items()}
        where = ("quality.samples", "quality.inception", "quality.convention")  # not what they are
        return {
            **source,
            **{key: value for key, value in own.items() if key not in where},
            **self._features.settings,
            "seed": self._seed,
            "data.fingerprint": self._run.experiment.dataset.fingerprint,
        }

    def _sampler_settings(self, step: int) -> dict[str, Any]:
        """All that the samples of a checkpoint depend on, but the seed."""
        experiment = self._run.experiment
        guide = guide_of(experiment, self._run.classifier)
        return {
            **experiment.sampler_settings,
            **known_part(experiment),
            "sampling.num_samples": self._settings.num_samples or self._reference_size(),
            "parameters": digest_arrays(self._run.params(step)),
            **({} if guide is None else {"guide": digest_arrays(guide)}),
        }

    def _reference_size(self) -> int:
        data = self._source(self._settings.against)
        return min(len(data), self._settings.num_reference or len(data))

    def _drawn(self, step: int, settings: dict[str, Any]) -> tuple[Num[np.ndarray, "n *D"], int]:
        """Samples of a checkpoint that are finished and finite, and how many are not."""
        path = self._kept(f"samples-{step}", settings | {"seed": self._seed})
        if there(path):
            found = _read(path)
        else:
            samples = self._run.sample(None, settings["sampling.num_samples"], step)
            found = {"samples": samples.x, "ok": samples.ok}
            if writes():
                write_npz(path, found)
        finite = np.isfinite(found["samples"]).reshape(len(found["samples"]), -1).all(axis=1)
        good = found["ok"] & finite
        if not good.all():
            terminal.say(f"warning: {(~good).sum()} samples failed and are not in the numbers")
        return found["samples"][good], int((~good).sum())

    def _kept(self, name: str, settings: dict[str, Any]) -> Path:
        """Where arrays are kept: those of other versions are not these."""
        return self._run.workdir.kept(name, settings | {"versions": versions()})

    def _source(self, split: str) -> Source:
        dataset = self._run.experiment.dataset
        return dataset.train if split == "train" else dataset.test

    def _of_data(self, split: str, count: int) -> Float[np.ndarray, "n k"]:
        """Features of a split: of all of it, or of as many as are asked for, at random."""
        source = self._source(split)
        if 0 < count < len(source):
            source = source[np.sort(permutation(len(source), self._seed)[:count])]
        where = {"data": self._run.experiment.dataset.fingerprint, "seed": self._seed}
        return self._computed(f"{split} data", source, where | {"split": split})

    def _of_samples(self, x: Num[np.ndarray, "n *D"]) -> Float[np.ndarray, "n k"]:
        return self._computed("samples", x, {"samples": digest_arrays(x)})

    def _computed(
        self, title: str, source: Source, where: dict[str, Any]
    ) -> Float[np.ndarray, "n k"]:
        """Features of a source, from a file if they are there."""
        name = f"features-{self._settings.features}"
        decided = {**where, **self._features.settings, "count": len(source)}
        path = self._kept(name, decided)
        if self._features.costly and there(path):
            return _read(path)["features"]
        with terminal.progress(f"features of {title}", 0, len(source)) as update:
            found = self._features(source, update)
        if self._features.costly and writes():
            write_npz(path, {"features": found})
        return found


def _read(path: Path) -> dict[str, np.ndarray]:
    with whole(path.parent, "quality"), np.load(path) as file:
        return dict(file)


def _pixels(run: "RunDirectory") -> Features:
    del run
    return Pixels()


def _inception(run: "RunDirectory") -> Features:
    settings, experiment = run.experiment.quality, run.experiment
    return InceptionFeatures(
        read_weights(settings.inception),
        settings.convention,
        experiment.dataset.levels,
        experiment.eval.batch_size,
    )


def _classifier(run: "RunDirectory") -> Features:
    return Learned(run.classifier.features, {"classifier": digest_arrays(run.classifier.params())})


_MAPS: dict[str, Callable[["RunDirectory"], Features]] = {
    "pixels": _pixels,
    "inception": _inception,
    "classifier": _classifier,
}
