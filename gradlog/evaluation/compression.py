"""Images to a file whose size is the likelihood, and back: with the parameters of a checkpoint.

The program of the network is compiled for one shape, on one device, and its text and its outputs at
fixed inputs stand in the header as digests. So the decoder computes what the encoder computed,
whatever the batch size of an evaluation and the number of devices; or it says that it cannot.
"""

import hashlib
import importlib.metadata
import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, Num
from PIL import Image

from gradlog import terminal
from gradlog.codec import (
    BitsBack,
    Block,
    Checks,
    Codec,
    CodeError,
    MaskedTokens,
    NotFiniteError,
    check_installed,
    join_images,
    read_code,
    write_code,
)
from gradlog.config_error import ConfigError, UserError
from gradlog.data import Dataset
from gradlog.experiment.experiment import Experiment
from gradlog.likelihood import OneDraw, VariationalBound
from gradlog.likelihood.bound import GRIDS
from gradlog.models import Centers, Decoder, Uniform
from gradlog.sampling.transitions import posterior_mean
from gradlog.sde_lib import SDE, Discrete, Masking
from gradlog.storage import atomic, digest_params, write_npz

BITS_BACK, MASKED = "bits-back", "masked"
_DEQUANTIZATIONS = {"decoder": Decoder, "uniform": Uniform}
# What to say if a digest of the header is not that of this run.
_MISFITS = {
    "parameters": "it was compressed with other parameters than those of step {step} of this run: "
    "name the --workdir that it was compressed with",
    "program": "the program of the network is another than that of the encoder; it was written on "
    "{device}, and this is {here}: decode it with the versions that wrote it",
    "outputs": "the network gives other numbers here than the encoder had; it was written on "
    "{device}, and this is {here}: decode it on a machine of that kind",
}


@dataclass(frozen=True)
class Compressed:
    """A compressed file.

    Attributes:
      data: its bytes.
      images: the number of images.
      bits: where its bits are, by name; their sum is the size of the file.
      dims: the number of dimensions of an image.
    """

    data: bytes
    images: int
    bits: dict[str, float]
    dims: int

    @property
    def bits_per_dim(self) -> dict[str, float]:
        """Return ``bits`` for each dimension."""
        return {name: value / (self.images * self.dims) for name, value in self.bits.items()}


class Compression:
    """Compresses and decompresses with any parameters.

    Raises:
      UserError: the package of the coders is not installed.
    """

    def __init__(self, experiment: Experiment):
        check_installed()
        self._experiment = experiment
        self._model = experiment.model.in_float32()
        self._made: dict[tuple[str, str], tuple[Codec, dict[str, str]]] = {}

    def compress(self, params: Any, step: int, x: Num[np.ndarray, "n *D"]) -> Compressed:
        """Return the file of data as stored, by the parameters of a step.

        Raises:
          ConfigError: the model has no code, or it does with another estimator.
          NotFiniteError: the network gives numbers that are not finite.
        """
        dataset = self._experiment.dataset
        settings = self.settings(len(x))
        codec, digests = self._codec(settings, params)
        images = x.astype(self._stored)
        tokens = images.reshape(len(x), -1).astype(int)
        with terminal.progress("compressing", 0, len(x), unit="images") as update:
            blocks = codec.encode(tokens, lambda done: update(done, ""))
        ends = np.cumsum([block.images for block in blocks])[:-1]
        header = {
            **{"step": step, "shape": dataset.shape, "levels": dataset.levels},
            **{"images": len(x), "settings": settings, "digests": digests},
            "device": _device(),
        }
        data = write_code(header, blocks, [Checks.of(part) for part in np.split(images, ends)])
        bits = _account(data, blocks)
        return Compressed(data, len(x), bits, math.prod(dataset.shape))

    def decompress(self, params_of: Callable[[int], Any], data: bytes) -> Int[np.ndarray, "n *D"]:
        """Return the images of a file, as stored.

        Args:
          params_of: returns the parameters of a step.
          data: the contents of the file.

        Raises:
          CodeError: it is damaged; its ``images`` and ``recovered`` have what is left. Or nothing
            of it can be decoded: it belongs to another model, or this machine computes otherwise.
        """
        header, parts, complete = read_code(data)
        dataset, levels = self._experiment.dataset, self._experiment.dataset.levels
        found = (tuple(header["shape"]), header["levels"])
        if found != (dataset.shape, levels):
            raise CodeError(
                f"it holds data of shape {found[0]} with {found[1]} levels, and this run has "
                f"{dataset.shape} with {levels}: name the --workdir that it was compressed with"
            )
        params, facts = params_of(header["step"]), {**header, "here": _device()}
        wanted = header["digests"]
        if wanted["parameters"] != digest_params(params):  # its codec may be of another process
            raise CodeError(_MISFITS["parameters"].format(**facts))
        codec, digests = self._codec(header["settings"], params)
        if misfit := next((name for name, own in digests.items() if wanted[name] != own), ""):
            raise CodeError(_MISFITS[misfit].format(**facts))
        with terminal.progress("decompressing", 0, header["images"], unit="images") as update:
            try:
                blocks = codec.decode([part.block for part in parts], lambda n: update(n, ""))
            except NotFiniteError as error:
                raise CodeError(
                    f"{error}: this machine computes otherwise than the encoder"
                ) from error
        return join_images(parts, blocks, dataset.shape, self._stored, complete)

    @property
    def keys(self) -> set[str]:
        """The keys of the section `codec` that a file of this process depends on."""
        own = "group_size" if isinstance(self._experiment.process, Discrete) else "knots"
        return {"codec.images_per_block", f"codec.{own}"}

    def settings(self, images: int) -> dict[str, Any]:
        """Return what the codec of so many images depends on, beside the parameters.

        Raises:
          ConfigError: see ``compress``.
        """
        experiment = self._experiment
        config, dataset = experiment.config, experiment.dataset
        together = min(config.codec.images_per_block, images)
        if not isinstance(experiment.initial_process, SDE | Discrete):
            raise ConfigError(
                f"config.sde.name = {config.sde.name!r} has no code: a code has one noise level at "
                "a time for all dimensions"
            )
        if dataset.levels is None:
            raise ConfigError(
                f"{dataset.name} is continuous: only data with levels, whole numbers, have a code"
            )
        if isinstance(experiment.process, Discrete):
            if not isinstance(experiment.process, Masking):
                raise ConfigError(
                    f"config.sde.name = {config.sde.name!r} has no code; of discrete processes "
                    "'masking' has one"
                )
            return {"codec": MASKED, "rows": together, "group": config.codec.group_size}
        name, estimator = next(iter(experiment.estimators.items()))
        bound = (
            estimator.likelihood.likelihood if isinstance(estimator.likelihood, OneDraw) else None
        )
        if not isinstance(bound, VariationalBound) or bound.steps is None:
            raise ConfigError(
                f"config.likelihood.name = {name!r} is no length of a code; a Gaussian process has "
                "one by the steps of 'vlb': set --config.likelihood.name=vlb, and vlb_steps"
            )
        members = {member: key for key, member in _DEQUANTIZATIONS.items()}
        if type(estimator.dequantizer) not in members:
            raise ConfigError(
                f"config.likelihood.dequantization = {config.likelihood.dequantization!r} has no "
                f"code; choose one of {sorted(_DEQUANTIZATIONS)}"
            )
        return {
            "codec": BITS_BACK,
            "block": together,
            "rows": min(config.eval.batch_size, math.ceil(images / together)),
            "steps": bound.steps.count,
            "variable": bound.steps.variable,
            "eps": bound.eps,
            "dequantization": members[type(estimator.dequantizer)],
            "knots": config.codec.knots,
        }

    def _codec(self, settings: Mapping[str, Any], params: Any) -> tuple[Codec, dict[str, str]]:
        """Return the codec, and the digests on which both sides must agree."""
        parameters = digest_params(params)
        key = parameters, json.dumps(settings, sort_keys=True)
        if key not in self._made:
            params = jax.device_put(jax.device_get(params), jax.devices()[0])
            make = {MASKED: self._masked, BITS_BACK: self._bits_back}[settings["codec"]]
            codec, program = make(settings, params)
            digests = {
                "parameters": parameters,
                "program": hashlib.sha256(program.encode()).hexdigest()[:16],
                "outputs": hashlib.sha256(codec.probe()).hexdigest()[:16],
            }
            self._made = {key: (codec, digests)}  # further files do not compile again
        return self._made[key]

    def _masked(self, settings: Mapping[str, Any], params: Any) -> tuple[Codec, str]:
        dataset, rows, group = self._experiment.dataset, settings["rows"], settings["group"]
        length, levels = math.prod(dataset.shape), dataset.levels
        group = min(group, length)
        assert levels is not None

        def probs(params, tokens, positions):
            logits = jax.vmap(self._model.bind(params).logits)(tokens.reshape(rows, *dataset.shape))
            logits = logits.reshape(rows, length, levels)
            return jax.nn.softmax(jnp.take_along_axis(logits, positions[..., None], axis=1))

        specs = [jax.ShapeDtypeStruct((rows, size), jnp.int32) for size in (length, group)]
        program, text = _compile(probs, params, *specs)
        run = lambda *arrays: np.asarray(program(params, *arrays))  # noqa: E731
        return MaskedTokens(run, rows, length, levels, group), text

    def _bits_back(self, settings: Mapping[str, Any], params: Any) -> tuple[Codec, str]:
        dataset, rows = self._experiment.dataset, settings["rows"]
        length, levels = math.prod(dataset.shape), dataset.levels
        assert levels is not None
        make_grid, eps, steps = GRIDS[settings["variable"]], settings["eps"], settings["steps"]

        def schedule(params):
            process = self._model.bind(params).process
            log_rhos = make_grid(process, eps, steps)
            prior_std = process.prior_std / process.alpha(process.t_max)
            return log_rhos, jax.vmap(process.time_of_log_rho)(log_rhos), prior_std

        def denoise(params, y, t):
            model = self._model.bind(params)
            points = model.process.alpha(t) * y.reshape(rows, *dataset.shape)
            clean = jax.vmap(lambda z: posterior_mean(model, z, t))(points)
            return clean.reshape(rows, length)

        grid, text = _compile(schedule, params)
        log_rhos, times, prior_std = jax.device_get(grid(params))
        point = jax.ShapeDtypeStruct((rows, length), jnp.float32)
        program, more = _compile(denoise, params, point, jax.ShapeDtypeStruct((), jnp.float32))
        centers, _ = Centers(levels, self._experiment.config.model.centered)(
            jax.random.key(0), jnp.arange(levels)
        )
        codec = BitsBack(
            lambda y, i: np.asarray(program(params, y, times[i])),
            np.exp(log_rhos.astype(np.float64)),
            float(prior_std),
            np.asarray(centers, np.float64),
            settings["dequantization"] == "uniform",
            settings["block"],
            rows,
            length,
            settings["knots"],
        )
        return codec, text + more

    @property
    def _stored(self) -> np.dtype:
        """The type of the images, little-endian."""
        levels = self._experiment.dataset.levels or 0
        return np.dtype(
            next(kind for kind in ("<u1", "<u2", "<u4") if levels <= np.iinfo(kind).max + 1)
        )


def _compile(fn: Callable[..., Any], *specs: Any) -> tuple[Callable[..., Any], str]:
    """Return the compiled program of functions of the parameters and of arrays, and its text."""

    def precise(*arguments):
        with jax.default_matmul_precision("float32"):
            return fn(*arguments)

    lowered = jax.jit(precise).lower(*specs)
    return lowered.compile(), lowered.as_text()


def _device() -> str:
    device = jax.devices()[0]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "constriction")]
    return ", ".join([device.device_kind, platform.machine(), *versions])


def _account(data: bytes, blocks: Sequence[Block]) -> dict[str, float]:
    """Return where the bits of a file are.

    'model' are those of the probabilities, or for a chain of the densities of its latents, of these
    very draws. 'integers' are lost because probabilities are multiples of 2^-24 and stacks whole
    words.
    """
    words = 32 * sum(len(block.words) for block in blocks)
    initial = 32 * sum(block.initial for block in blocks)
    mass = sum(block.mass_bits for block in blocks)
    density = sum(block.density_bits for block in blocks)
    return {
        "model": density,
        "discretization": mass - density,
        "integers": words - initial - mass,
        "initial": float(initial),
        "header": float(8 * len(data) - words),
    }


def write_images(
    output: Path, images: Num[np.ndarray, "n *D"], recovered: Bool[np.ndarray, " n"] | None = None
) -> None:
    """Write images to an .npz file, or one PNG for each to a folder.

    Args:
      output: ends in .npz, or is a folder.
      images: as stored.
      recovered: which of them are as they were; all by default. The .npz file holds it beside the
        images, and the folder has no file of the others.
    """
    recovered = np.ones(len(images), bool) if recovered is None else recovered
    if output.suffix == ".npz":
        write_npz(output, {"images": images, "recovered": recovered})
        return
    digits = len(str(len(images) - 1))
    for number in np.flatnonzero(recovered):
        image = images[number]
        with atomic(output / f"{number:0{digits}}.png") as file:
            picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
            picture.save(file, "PNG")


def check_output(output: Path, dataset: Dataset) -> None:
    """Check that decompressed images can be written to a path.

    Raises:
      UserError: something is there, or the images are none that a PNG can hold.
    """
    if output.exists() and (
        output.suffix == ".npz" or not output.is_dir() or any(output.iterdir())
    ):
        raise UserError(f"--output={output} exists already: name a new file or folder")
    is_png = (
        len(dataset.shape) == 3 and dataset.shape[-1] in (1, 3) and (dataset.levels or 0) <= 256
    )
    if output.suffix != ".npz" and not is_png:
        raise UserError(
            f"--output={output}: data of shape {dataset.shape} with {dataset.levels} levels are no "
            "PNG images; name a file that ends in .npz"
        )
