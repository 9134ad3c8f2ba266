"""Latents of a run's data: the file, the picture, the error of the way there and back."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from gradlog import terminal
from gradlog.distributed import writes
from gradlog.evaluation import pictures
from gradlog.evaluation.encodings import Carried, EncodingDriver
from gradlog.experiment.parts import build_encoding
from gradlog.experiment.reader import Reader
from gradlog.run.own import check_shape, check_stored
from gradlog.storage import digest_arrays, write_json, write_npz

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory


class EncodingRun:
    """Encodes and decodes with the parameters of a checkpoint.

    The solver and eps are those of ``config.sampling``, whichever sampler it names.
    """

    def __init__(self, run: "RunDirectory"):
        self._run = run
        self._reader = Reader(run.config)
        encoding = build_encoding(self._reader, run.experiment.sde)
        self.keys_read = self._reader.keys_read | {"sampling.num_samples", "sampling.batch_size"}
        self._encoding = encoding

    @cached_property
    def _driver(self) -> EncodingDriver:
        experiment = self._run.experiment
        return EncodingDriver(
            self._encoding,
            experiment.sde,
            experiment.model.in_float32(),
            experiment.dequantization,
            experiment.sampling.batch_size,
        )

    def encode(self, x: np.ndarray, step: int | None) -> Carried:
        """Latents of data as stored, dequantized as an evaluation does.

        Raises:
          DataError: they have another shape than the data of the run.
        """
        x, params = check_stored(x, self._run.experiment.dataset), self._run.params(step)
        stream = self._run.experiment.streams["eval"]
        with terminal.progress("encoding", 0, len(x)) as update:
            return self._driver.encode(params, x, stream, lambda done, _: update(done, ""))

    def decode(self, z: np.ndarray, step: int | None) -> Carried:
        """Points of the model's space from latents.

        Raises:
          DataError: they have another shape than the data of the run.
        """
        z = check_shape(z, self._run.experiment.dataset, "latents")
        params = self._run.params(step)
        with terminal.progress("decoding", 0, len(z)) as update:
            return self._driver.decode(
                params, z.astype(np.float32), lambda done, _: update(done, "")
            )

    def stored(self, points: Float[np.ndarray, "n *D"]) -> Num[np.ndarray, "n *D"]:
        """What points of the model's space stand for, in the data's own units."""
        return self._driver.stored(points)

    def save(self, step: int) -> Path:
        """Encodes the first test data and decodes them: ``latents.npz`` and ``latents.png``."""
        experiment, workdir = self._run.experiment, self._run.workdir
        count = min(experiment.sampling.num_samples, len(experiment.dataset.test))
        x = experiment.dataset.test[np.arange(count)]
        there = self.encode(x, step)
        back = self.decode(there.end, step)
        settings = self._settings(step, count)
        folder = workdir.encodings(step, settings)
        if writes():
            arrays = {"originals": x, "points": there.start, "latents": there.end}
            arrays |= {"reconstructions": back.end, "nfe": there.nfe, "ok": there.ok & back.ok}
            write_npz(folder / "latents.npz", arrays)
            levels = experiment.dataset.levels
            restored = self.stored(back.end)
            pictures.save_encodings(folder / "latents.png", x, there.end, restored, levels)
            write_json(folder / "settings.json", settings)
            _say(folder, there, back, np.mean(restored == x))
        return folder

    def _settings(self, step: int, count: int) -> dict[str, Any]:
        """All that the latents of a checkpoint depend on."""
        experiment = self._run.experiment
        return {
            **self._reader.snapshot("sampling."),
            "sampling.num_samples": count,
            "seed": experiment.identity["seed"],
            "data.fingerprint": experiment.dataset.fingerprint,
            "parameters": digest_arrays(self._run.params(step)),
        }


def _say(folder: Path, there: Carried, back: Carried, recovered: Any) -> None:
    failed = ~(there.ok & back.ok)
    if failed.any():
        terminal.say(f"warning: {failed.sum()} data are not finite or not finished")
    error = np.abs(back.end - there.start)
    terminal.say(
        f"wrote {folder}: {len(there.end)} latents, NFE {there.nfe.mean():.0f} there and "
        f"{back.nfe.mean():.0f} back; round-trip error {np.sqrt(np.mean(error**2)):.2e} rms, "
        f"{error.max():.2e} at most, in units of the model's space; {recovered:.2%} of values the "
        "same"
    )
