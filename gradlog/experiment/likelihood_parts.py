"""Build the estimators of log probability from ``config.likelihood``."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import Dataset, LazyDataset
from gradlog.experiment.reader import Reader, check_accepts
from gradlog.likelihood import (
    DIVERGENCES,
    ESTIMATORS,
    LIKELIHOODS,
    STARTS,
    AsStored,
    Divergence,
    ImportanceWeighted,
    OneDraw,
    StoredLikelihood,
    make_mmse,
)
from gradlog.models import (
    DEQUANTIZERS,
    Continuous,
    Decoder,
    Dequantizer,
    Tokens,
    TruncatedNormal,
    Uniform,
    Variational,
)
from gradlog.ode import FLOWS, PATHS, Adaptive
from gradlog.sde_lib import Discrete, Kind, Pixels, Process

IMPORTANCE = "importance"
_UNKNOWN_TEST_SET = 1000
_VARIANCE = "the weights would be exponentials of all its variance"
_NOT_A_BASE = {
    **dict.fromkeys(("bound", "mmse", "vlb"), _VARIANCE),
    "scipy": "it is not traceable",
}


@dataclass(frozen=True)
class Estimator:
    """An estimator of log probability.

    Attributes:
      likelihood: the estimator of stored data.
      dequantizer: the map from stored data to points that it uses.
      settings: the keys that decide its numbers, with their values.
    """

    likelihood: StoredLikelihood
    dequantizer: Dequantizer
    settings: dict[str, Any]


def estimator_names(kind: Kind = "gaussian") -> list[str]:
    """Return every name that ``config.likelihood.name`` may have with a kind of process."""
    return sorted(ESTIMATORS[kind])


def build_estimators(
    reader: Reader, config: ConfigDict, process: Process, dataset: Dataset | None
) -> dict[str, Estimator]:
    """Build the estimators that ``config.eval.estimators`` lists, by name.

    Without the data set only the configuration is checked.
    """
    key = "eval.estimators" if reader.get("eval.estimators") else "likelihood.name"
    listed = reader.get(key) if key == "eval.estimators" else (reader.get(key),)
    possible = estimator_names(process.kind)
    if not all(isinstance(entry, str) for entry in listed):
        raise ConfigError(
            f"config.eval.estimators = {listed} must be names, choose from {possible}"
        )
    # A comma-separated list on the command line arrives as one string.
    names = [name.strip() for entry in listed for name in entry.split(",")]
    if unknown := [name for name in names if name not in possible]:
        kind = f" for config.sde.name = {config.sde.name!r}" * (process.kind != "gaussian")
        raise ConfigError(f"config.{key}: {unknown[0]!r} is unknown{kind}; choose from {possible}")
    found = {}
    for name in dict.fromkeys(names):
        own = Reader(config)  # the settings of a result are the keys of its estimator alone
        found[name] = _build_estimator(own, name, process, dataset)
        reader.keys_read |= own.keys_read
    return found


def _build_estimator(
    reader: Reader, name: str, process: Process, dataset: Dataset | None
) -> Estimator:
    if isinstance(process, Discrete):
        return _build_discrete(reader, name, process, dataset)
    if process.kind != "gaussian":
        likelihood = reader.make("likelihood", ESTIMATORS[process.kind][name])
        dequantizer = _build_dequantizer(reader, name, process, 0.0, dataset)
        if isinstance(dequantizer, Decoder):
            raise ConfigError(
                "config.likelihood.dequantization = 'decoder' needs a scalar noise schedule; "
                f"config.sde.name = {reader.get('sde.name')!r} has none: choose 'uniform' or "
                "'variational'"
            )
        return Estimator(OneDraw(likelihood), dequantizer, reader.snapshot("likelihood."))
    base = _base_of_importance(reader, dataset) if name == IMPORTANCE else name
    eps = reader.eps("likelihood", process)
    likelihood = reader.make(
        "likelihood",
        LIKELIHOODS[base],
        eps=lambda: eps,
        prior_log_prob=lambda: None,
        start=lambda: reader.pick("likelihood.start", STARTS)(),
        solver=lambda: reader.make("likelihood", Adaptive),
        path=lambda: reader.make("likelihood", reader.pick("likelihood.path", PATHS)),
        flow=lambda: reader.pick("likelihood.variable", FLOWS)(),
        examples=lambda: _images_of_mean(reader, dataset),
        divergence=lambda: _build_divergence(reader, dataset, "divergence", "probes"),
        node_divergence=lambda: _build_divergence(
            reader, dataset, "node_divergence", "node_probes"
        ),
    )
    check_accepts("likelihood.name", base, likelihood, process)
    dequantizer = _build_dequantizer(reader, base, process, eps, dataset)
    stored: StoredLikelihood = OneDraw(likelihood)
    if name == IMPORTANCE:
        if isinstance(dequantizer, Decoder):
            raise ConfigError(
                "config.likelihood.name = 'importance' weighs draws of the dequantization, and "
                "config.likelihood.dequantization = 'decoder' draws none; choose 'uniform'"
            )
        stored = ImportanceWeighted(likelihood, reader.get("likelihood.importance_samples"))
    return Estimator(stored, dequantizer, reader.snapshot("likelihood."))


def _images_of_mean(reader: Reader, dataset: Dataset | None) -> int:
    """Return the number of images whose mean has the target error; 1 if each image has it.

    It is ``eval.num_images``, or that of the test set; a thousand if the data are not at hand.
    """
    if reader.get("likelihood.target_of") != "mean":
        return 1
    asked = reader.get("eval.num_images")
    # A lazy one might download its data. Of one whose data are missing the length is 0.
    count = 0 if dataset is None or isinstance(dataset, LazyDataset) else len(dataset.test)
    return min(asked or count, count) or asked or _UNKNOWN_TEST_SET


def _build_discrete(
    reader: Reader, name: str, process: Discrete, dataset: Dataset | None
) -> Estimator:
    """Build an estimator of tokens, which has no eps and no dequantization.

    Raises:
      ConfigError: it does not accept the process, or data of that size.
    """
    likelihood = reader.make("likelihood", ESTIMATORS[process.kind][name])
    check_accepts("likelihood.name", name, likelihood, process)
    if dataset is not None and hasattr(likelihood, "check_shape"):
        try:
            likelihood.check_shape(dataset.shape)
        except ValueError as error:
            raise ConfigError(f"config.likelihood.name = {name!r}: {error}") from error
    return Estimator(AsStored(likelihood), Tokens(process.levels), reader.snapshot("likelihood."))


def _base_of_importance(reader: Reader, dataset: Dataset | None) -> str:
    """Return the name of the estimator that is used at each draw of the dequantization."""
    if dataset is not None and dataset.levels is None:
        raise ConfigError(
            "config.likelihood.name = 'importance' needs integer data: it weighs draws of the "
            f"dequantization, and {dataset.name} is continuous; choose 'ode'"
        )
    bases: Mapping[str, Callable[..., Any]] = {
        key: member for key, member in LIKELIHOODS.items() if key not in _NOT_A_BASE
    }
    base = reader.get("likelihood.base")
    if base in _NOT_A_BASE:
        raise ConfigError(
            f"config.likelihood.base = {base!r} cannot be a base: {_NOT_A_BASE[base]}; choose one "
            f"of {sorted(bases)}"
        )
    reader.pick("likelihood.base", bases)
    return base


def _build_dequantizer(
    reader: Reader, base: str, process: Process, eps: float, dataset: Dataset | None
) -> Dequantizer:
    """Build the map from stored data to the points at which the estimator's path begins.

    Raises:
      ConfigError: the estimator adds the noise of eps itself, as the truncated normal does; the
        noise at eps is trained; the data have no levels, and the estimator needs them; or the
        model has no flow that proposes u.
    """
    of_levels = LIKELIHOODS[base] is make_mmse
    if of_levels and dataset is not None and dataset.levels is None:
        raise ConfigError(
            f"config.likelihood.name = {base!r} gives probabilities of levels, and "
            f"{dataset.name} is continuous; choose 'bound'"
        )
    key = "likelihood.dequantization"
    member: Any = Decoder if of_levels else reader.pick(key, DEQUANTIZERS)
    trained = reader.get("objective.dequantization") if member is Variational else "variational"
    if trained != "variational":
        raise ConfigError(
            f"config.{key} = 'variational' needs a model that was trained with "
            f"config.objective.dequantization = 'variational', got {trained!r}; docs/likelihood.md "
            "says how to train one after the score"
        )
    rotated = not isinstance(process.initial().basis, Pixels)
    if rotated and member in (Decoder, TruncatedNormal):
        raise ConfigError(
            f"config.{key} = {reader.get(key)!r} treats entries one by one, whose noise is "
            f"correlated under config.sde.name = {reader.get('sde.name')!r}: choose 'uniform'"
        )
    if dataset is None or dataset.levels is None:  # continuous data are used as they are
        return Continuous()
    centered = reader.get("model.centered")
    if member is Uniform:
        return Uniform(dataset.levels, centered)
    if member is Variational:
        return reader.make("model", Variational, levels=lambda: dataset.levels)
    starts = "start" in inspect.signature(LIKELIHOODS[base]).parameters
    if member is Decoder:
        if starts and reader.get("likelihood.start") != "noised":
            raise ConfigError(
                f"config.{key} = 'decoder' decodes a noised datum: it needs "
                "config.likelihood.start = 'noised', got "
                f"{reader.get('likelihood.start')!r}"
            )
        return Decoder(dataset.levels, centered)
    if not starts:
        raise ConfigError(
            f"config.{key} = 'truncated_normal' gives samples at eps, but {base!r} adds the noise "
            "of eps itself; choose 'uniform', or another estimator"
        )
    start = reader.get("likelihood.start")
    if start != "as_sample":
        raise ConfigError(
            f"config.{key} = 'truncated_normal' gives samples at eps: it needs "
            f"config.likelihood.start = 'as_sample', got {start!r}"
        )
    if not process.is_fixed_at(eps):
        raise ConfigError(
            f"config.{key} = 'truncated_normal' needs the noise of config.likelihood.eps = {eps}, "
            f"which config.sde.name = {reader.get('sde.name')!r} learns; choose 'uniform', or with "
            "fixed ends config.likelihood.eps = 0"
        )
    alpha, sigma = (
        float(np.max(level(eps))) for level in (process.initial().alpha, process.initial().sigma)
    )
    return TruncatedNormal(dataset.levels, centered, alpha=alpha, sigma=sigma)


def _build_divergence(
    reader: Reader, dataset: Dataset | None, name: str, probes: str
) -> Divergence:
    """Build the divergence that one key names, with the number of probes in another.

    Raises:
      ConfigError: it cannot draw probes for data of that shape.
    """
    divergence = reader.make(
        "likelihood",
        reader.pick(f"likelihood.{name}", DIVERGENCES),
        probes=lambda: reader.get(f"likelihood.{probes}"),
    )
    if dataset is not None:
        try:
            jax.eval_shape(lambda key: divergence.draw(key, dataset.shape), jax.random.key(0))
        except ValueError as error:
            raise ConfigError(f"config.likelihood: {error}") from error
    return divergence
