"""Results of an evaluation as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.likelihood import Evaluation
from likelihood import Account
from storage import read_json, write_json, write_npz

RESULT = "bits_per_dim.json"


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: what a reader needs to make it again."""

    estimator: str
    step: int
    data_fingerprint: str
    settings: dict[str, Any]
    versions: dict[str, str]


def summarise(evaluation: Evaluation, provenance: Provenance) -> dict[str, Any]:
    """The contents of ``bits_per_dim.json``.

    Means run over the images whose solver succeeded; ``num_images`` counts them, ``failed`` lists
    the others. ``standard_error`` is that of the mean over images, in bits/dim;
    ``estimator_standard_error`` the part of it that the estimator's own randomness explains, null
    where one draw an image gives no estimate.
    """
    good = evaluation.good
    kept = _keep(evaluation.account, good)
    total = kept.total()
    noise = np.abs(kept.to_bits_per_dim(evaluation.standard_error[good]))
    return {
        "bits_per_dim": total.bits_per_dim,
        "standard_error": total.standard_error,
        "estimator_standard_error": float(np.sqrt(np.sum(noise**2)) / max(len(noise), 1)),
        "nats_per_dim": total.bits_per_dim * float(np.log(2)),
        "num_images": int(good.sum()),
        "failed": np.flatnonzero(~good).tolist(),
        "estimator": provenance.estimator,
        "nfe": float(np.mean(evaluation.nfe)),
        "nfe_max": int(np.max(evaluation.nfe)),
        "seconds": evaluation.seconds,
        "compile_seconds": evaluation.compile_seconds,
        "step": provenance.step,
        "data_fingerprint": provenance.data_fingerprint,
        "account": [
            {
                "term": line.name,
                "bits_per_dim": line.bits_per_dim,
                "nats": float(np.mean(kept.terms[line.name])),
                "standard_error": line.standard_error,
            }
            for line in kept.lines()
        ],
        "versions": provenance.versions,
    }


def save_result(folder: Path, evaluation: Evaluation, provenance: Provenance) -> dict[str, Any]:
    """Writes a result; ``bits_per_dim.json`` comes last, so that where it is, all is.

    ``per_image.npz`` holds, in data-set order, bits/dim, the estimator's standard error in
    bits/dim, nfe, ok, and every term of the account in nats.
    """
    summary = summarise(evaluation, provenance)
    account = evaluation.account
    arrays = {
        "bits_per_dim": account.bits_per_dim,
        "standard_error": np.abs(account.to_bits_per_dim(evaluation.standard_error)),
        "nfe": evaluation.nfe,
        "ok": evaluation.good,
        **{f"nats_{name}": term for name, term in account.terms.items()},
    }
    write_npz(folder / "per_image.npz", arrays)
    write_json(folder / "settings.json", provenance.settings)
    write_json(folder / RESULT, summary)
    return summary


def load_result(folder: Path) -> dict[str, Any] | None:
    """The summary of a finished result, if there is one."""
    path = folder / RESULT
    return read_json(path) if path.exists() else None


def _keep(account: Account, good: np.ndarray) -> Account:
    return Account({name: term[good] for name, term in account.terms.items()}, account.dims)
