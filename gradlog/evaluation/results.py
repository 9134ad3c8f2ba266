"""Results of an evaluation as files."""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from gradlog.evaluation.likelihood import Evaluation
from gradlog.evaluation.uncertainty import DEQUANTIZATION, error_split, mean, of_all
from gradlog.likelihood import Account
from gradlog.storage import (
    WorkdirError,
    finite,
    is_damage,
    read_json,
    read_sealed,
    write_json,
    write_npz,
    write_sealed,
)

RESULT = "bits_per_dim.json"
PER_IMAGE = "per_image.npz"
SETTINGS = "settings.json"
_OF_A_STEP = ("parameters", "devices")  # the one differs from step to step, the other costs only
# What reading a file that was cut off, overwritten or taken away can raise.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: what a reader needs to make it again.

    ``eps`` says where the data were ``evaluated`` and ``trained``, and how they ``start`` there;
    ``drawn`` what places a datum, see ``uncertainty.error_split``.
    """

    estimator: str
    step: int
    data_fingerprint: str
    eps: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    drawn: tuple[str, ...] = (DEQUANTIZATION,)


@dataclass(frozen=True)
class Result:
    """A finished result: its summary, each image in data-set order, and where it lies."""

    summary: dict[str, Any]
    bits_per_dim: Float[np.ndarray, " n"]
    ok: Bool[np.ndarray, " n"]
    folder: Path = Path()


def summarize(
    evaluation: Evaluation,
    provenance: Provenance,
    second: Evaluation | None = None,
    convergence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The contents of ``bits_per_dim.json``.

    Means run over the images whose solver succeeded; ``num_images`` counts them, ``failed`` lists
    the others, and ``mean_over`` says both in words. ``standard_error`` is that of the mean over
    images, in bits/dim, and ``interval`` Student's; ``estimator_standard_error`` the part of it
    that the estimator's own randomness explains, given where each datum was placed (its
    dequantization and noise at eps), null where one draw an image gives no estimate;
    ``error_split`` all its parts. ``discretization`` is the change by the last refinement of the
    nodes. Without one good image there are no numbers.

    Args:
      evaluation: of every image.
      provenance: where it comes from.
      second: another look at the first images, for the split; it does not enter the mean.
      convergence: the change when the numerics are tightened, where that was asked for.
    """
    good = evaluation.good
    kept = _keep(evaluation.account, good)
    total = mean(kept.bits_per_dim)
    summary = {
        "bits_per_dim": total.value,
        "standard_error": total.standard_error,
        "interval": total.interval,
        "estimator_standard_error": _estimator_error(evaluation, kept),
        "error_split": error_split(evaluation, second, provenance.drawn),
        "second_look": 0 if second is None else len(second.ok),
        "nats_per_dim": total.value * float(np.log(2)),
        "num_images": int(good.sum()),
        "failed": np.flatnonzero(~good).tolist(),
        "mean_over": of_all(int(good.sum()), int((~good).sum())),
        "estimator": provenance.estimator,
        "eps": provenance.eps,
        "discretization": _discretization(evaluation, kept),
        "convergence": convergence,
        "nfe": float(np.mean(evaluation.nfe)),
        "nfe_max": int(np.max(evaluation.nfe)),
        "forward_evaluations": float(np.mean(evaluation.nfe)),
        "jvp_evaluations": float(np.mean(evaluation.jvps)),
        "seconds": evaluation.seconds,
        "compile_seconds": evaluation.compile_seconds,
        "step": provenance.step,
        "data_fingerprint": provenance.data_fingerprint,
        "account": _account_lines(kept),
        "versions": provenance.versions,
    }
    return finite(summary)


def _account_lines(kept: Account) -> list[dict[str, Any]]:
    if not len(kept.nats):
        return []
    return [
        {
            "term": line.name,
            "bits_per_dim": line.bits_per_dim,
            "nats": mean(kept.terms[line.name]).value,
            "standard_error": line.standard_error,
        }
        for line in kept.lines()
    ]


def _estimator_error(evaluation: Evaluation, kept: Account) -> float:
    noise = kept.to_bits_per_dim(evaluation.standard_error[evaluation.good])
    return float(np.sqrt(np.sum(noise**2)) / len(noise)) if len(noise) else math.nan


def _discretization(evaluation: Evaluation, kept: Account) -> dict[str, float] | None:
    """The mean change by the last refinement of the nodes; None where none is known."""
    change = mean(kept.to_bits_per_dim(evaluation.discretization[evaluation.good]))
    if np.isnan(change.value):
        return None
    return {"bits_per_dim": change.value, "standard_error": change.standard_error}


def save_result(
    folder: Path, evaluation: Evaluation, provenance: Provenance, summary: dict[str, Any]
) -> None:
    """Writes a result; ``bits_per_dim.json`` comes last and tells whether all is as it was.

    ``per_image.npz`` holds, in data-set order, bits/dim, the estimator's standard error in
    bits/dim, altogether and by source, with its degrees of freedom, nfe, jvps, ok, and every term
    of the account in nats. The errors are conditional on where the datum was placed: one draw of
    its dequantization and of the noise at eps, whose own variance is not in them.
    """
    account = evaluation.account
    to_error = lambda nats: np.abs(account.to_bits_per_dim(nats))  # noqa: E731
    arrays = {
        "bits_per_dim": account.bits_per_dim,
        "standard_error": to_error(evaluation.standard_error),
        **{f"standard_error_{name}": to_error(nats) for name, nats in evaluation.errors.items()},
        "freedom": evaluation.freedom,
        "nfe": evaluation.nfe,
        "jvps": evaluation.jvps,
        "ok": evaluation.good,
        **{f"nats_{name}": term for name, term in account.terms.items()},
    }
    write_npz(folder / PER_IMAGE, arrays)
    write_json(folder / SETTINGS, provenance.settings)
    write_sealed(folder / RESULT, summary, [PER_IMAGE, SETTINGS])


def load_result(folder: Path) -> Result | None:
    """A finished result, if there is one.

    Raises:
      WorkdirError: it is damaged.
    """
    if not (folder / RESULT).exists():
        return None
    with whole(folder, "eval"):
        summary = read_sealed(folder / RESULT)
        with np.load(folder / PER_IMAGE) as images:
            return Result(summary, images["bits_per_dim"], images["ok"], folder)


def common_settings(folder: Path) -> dict[str, Any]:
    """What the results of an estimator at different steps must share to be compared.

    By dotted key; they are those of its own result, whose parameters are of one step alone.

    Raises:
      DamagedFileError: they cannot be read.
    """
    found = read_json(folder / SETTINGS)
    return {name: value for name, value in found.items() if name not in _OF_A_STEP}


@contextlib.contextmanager
def whole(folder: Path, mode: str) -> Iterator[None]:
    """Raises WorkdirError, naming the folder, where a finished result in it is damaged.

    What cannot be read for another reason raises the OSError that says so.

    Args:
      folder: of the result.
      mode: what computes it again.
    """
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise WorkdirError(
            f"the result in {folder} is damaged ({str(error) or type(error).__name__}); move that "
            f"folder elsewhere, and --mode={mode} computes it again"
        ) from error


def _keep(account: Account, good: np.ndarray) -> Account:
    return Account({name: term[good] for name, term in account.terms.items()}, account.dims)
