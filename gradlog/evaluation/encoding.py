"""Latents of data and back by the probability flow: in batches, as a file and as a picture."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Num

from gradlog import terminal
from gradlog.distributed import is_writer
from gradlog.evaluation import pictures
from gradlog.evaluation.devices import BatchProgram, key_data_by_index
from gradlog.experiment.experiment import Experiment
from gradlog.storage import Workdir, digest_params, write_json, write_npz


@dataclass(frozen=True)
class Paths:
    """Starts and ends of the flow, in the model's space.

    Attributes:
      start, end: points.
      nfe: score evaluations of each.
      ok: whether its solver finished with a finite result.
    """

    start: Float[np.ndarray, "n *D"]
    end: Float[np.ndarray, "n *D"]
    nfe: Int[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]


class EncodingRun:
    """Encodes and decodes with any parameters; each direction is compiled at its first call.

    The solver and eps are those of ``config.sampling``, whichever sampler it names.
    """

    def __init__(self, workdir: Workdir, experiment: Experiment):
        self._workdir, self._experiment = workdir, experiment
        self._model = experiment.model.in_float32()

    def encode(self, params: Any, x: Num[np.ndarray, "n *D"]) -> Paths:
        """Return latents of data as stored; datum i is dequantized as an evaluation does."""
        keys = key_data_by_index(self._experiment.streams["eval"], np.arange(len(x)))
        return self._run(self._encode, params, (x, keys), "encoding")

    def decode(self, params: Any, z: Float[np.ndarray, "n *D"]) -> Paths:
        """Return points of the model's space from latents."""
        return self._run(self._decode, params, (z.astype(np.float32),), "decoding")

    def to_data(self, params: Any, points: Float[np.ndarray, "n *D"]) -> Num[np.ndarray, "n *D"]:
        """Return the data, in their own units, that points of the model's space stand for."""
        return np.asarray(jax.vmap(self._model.bind(params).to_data)(jnp.asarray(points)))

    def save(self, step: int, params: Any) -> Path:
        """Encode the first test data and decode them; write ``latents.npz`` and ``latents.png``."""
        experiment = self._experiment
        count = min(experiment.sampling.num_samples, len(experiment.dataset.test))
        settings = {
            **experiment.settings("encoding", prefix="sampling."),
            "sampling.num_samples": count,
            "seed": experiment.seed,
            "data.fingerprint": experiment.dataset.fingerprint,
            "parameters": digest_params(params),
        }
        folder = self._workdir.result("encodings", step, settings=settings)
        x = experiment.dataset.test[np.arange(count)]
        there = self.encode(params, x)
        back = self.decode(params, there.end)
        if not is_writer():
            return folder
        ok, restored = there.ok & back.ok, self.to_data(params, back.end)
        arrays = {"originals": x, "points": there.start, "latents": there.end}
        arrays |= {"reconstructions": back.end, "nfe": there.nfe, "ok": ok}
        write_npz(folder / "latents.npz", arrays)
        levels = experiment.dataset.levels
        pictures.save_encodings(folder / "latents.png", x, there.end, restored, levels)
        write_json(folder / "settings.json", settings)
        if not ok.all():
            terminal.say(f"warning: {(~ok).sum()} data failed: not finite, or not finished")
        error = np.abs(back.end - there.start)
        terminal.say(
            f"wrote {folder}: {count} latents; score evaluations (NFE) {there.nfe.mean():.0f} to "
            f"encode, {back.nfe.mean():.0f} to decode; round-trip error "
            f"{np.sqrt(np.mean(error**2)):.2e} rms, {error.max():.2e} at most, in units of the "
            f"model's space; {np.mean(restored == x):.2%} of the values are recovered exactly"
        )
        return folder

    @cached_property
    def _encode(self):
        def one(model, x, key_data):
            point, _ = model.dequantize(jax.random.wrap_key_data(key_data), x)
            return point, self._experiment.encoding.encode(model, point)

        return self._mapped(one)

    @cached_property
    def _decode(self):
        return self._mapped(lambda model, z: (z, self._experiment.encoding.decode(model, z)))

    def _mapped(self, one):
        def batch(params, rows):
            model = self._model.bind(params)
            start, found = jax.vmap(lambda row: one(model, *row))(rows)
            return {"start": start, "end": found.x, "nfe": found.nfe, "ok": found.ok}

        return BatchProgram(batch, self._experiment.sampling.batch_size)

    def _run(self, program: BatchProgram, params: Any, arrays: tuple, title: str) -> Paths:
        rows, count = lambda indices: tuple(each[indices] for each in arrays), len(arrays[0])
        with terminal.progress(title, 0, count) as update:
            return Paths(**program(params, rows, count, lambda done: update(done, "")))
