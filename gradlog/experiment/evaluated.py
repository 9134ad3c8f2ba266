"""What an estimator needs to know of the data: how they are dequantized, how many dimensions."""

import jax

from gradlog.data import Dataset
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.likelihood import (
    DEQUANTIZATIONS,
    DIVERGENCES,
    Continuous,
    Dequantization,
    Divergence,
    TruncatedNormal,
    Uniform,
)
from gradlog.sde_lib import SDE

_KEY = "likelihood.dequantization"


def evaluated_dequantization(
    reader: Reader, name: str, sde: SDE, eps: float, dataset: Dataset | None
) -> Dequantization:
    """That of ``config.likelihood.dequantization``; continuous data are left as they are.

    Args:
      reader: has read all that the estimator needs.
      name: the estimator's.
      eps: where its path begins.
      dataset: None where it is not known yet; nothing but the name is checked then.

    Raises:
      ConfigError: the estimator noises the data itself, which the truncated normal has done.
    """
    member = reader.pick(_KEY, DEQUANTIZATIONS)
    if dataset is None or dataset.levels is None:
        return Continuous()
    centered = reader.get("model.centered")
    if member is Uniform:
        return Uniform(dataset.levels, centered)
    _check_start(reader, name)
    alpha, sigma = float(sde.alpha(eps)), float(sde.sigma(eps))
    return TruncatedNormal(dataset.levels, centered, alpha=alpha, sigma=sigma)


def _check_start(reader: Reader, name: str) -> None:
    if "likelihood.start" not in reader.keys_read:
        raise ConfigError(
            f"config.{_KEY} = 'truncated_normal' gives samples at eps, but {name!r} noises the "
            "data itself; choose 'uniform', or another estimator"
        )
    start = reader.get("likelihood.start")
    if start != "as_sample":
        raise ConfigError(
            f"config.{_KEY} = 'truncated_normal' gives samples at eps: it needs "
            f"config.likelihood.start = 'as_sample', got {start!r}"
        )


def build_divergence(
    reader: Reader, dataset: Dataset | None, name: str = "divergence", probes: str = "probes"
) -> Divergence:
    """That of ``config.likelihood.divergence``, or of another key, with the probes of its own.

    Raises:
      ConfigError: it has no probes for data of that shape.
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
