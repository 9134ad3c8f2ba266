"""The account of bits: all terms of a log probability, as bits per dimension.

``log P(datum) = sum of the estimator's parts - d log(stored units per model unit)``, where the
parts include the dequantization's ``-log q(u)``. ``bits/dim = -log P / (d ln 2)``, as the field
defines it. For 256 levels centered on zero the last term is the "+ 7" of score_sde and score_flow.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradlog.likelihood.parts import UNITS, Part

TOTAL = Part("total", 100, "log probability of the stored datum")
PerExample = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Line:
    """One term of the account: its mean over the data in bits/dim, with its standard error."""

    name: Part
    bits_per_dim: float
    standard_error: float


@dataclass(frozen=True)
class Account:
    """Terms in nats per example; positive terms make a datum more probable."""

    terms: dict[Part, PerExample]
    dims: int

    @property
    def nats(self) -> PerExample:
        """Log probability of each datum in nats: the sum of the terms, in float64."""
        return np.sum([np.asarray(term, np.float64) for term in self.terms.values()], axis=0)

    @property
    def bits_per_dim(self) -> PerExample:
        """Bits per dimension of each datum; lower is better."""
        return self.to_bits_per_dim(self.nats)

    def to_bits_per_dim(self, nats):
        """Return ``-nats / (d ln 2)``."""
        return -np.asarray(nats, np.float64) / (self.dims * math.log(2))

    def lines(self) -> list[Line]:
        """Return the terms in order, each as a mean over the data with its standard error."""
        return [self._line(name, self.to_bits_per_dim(term)) for name, term in self.terms.items()]

    def total(self) -> Line:
        """Return the sum of the lines, with the standard error of the mean over the data."""
        return self._line(TOTAL, self.bits_per_dim)

    @staticmethod
    def _line(name: Part, bits: PerExample) -> Line:
        return Line(name, float(np.mean(bits)), mean_standard_error(bits))


def mean_standard_error(values: PerExample) -> float:
    """Return the standard error of the mean of independent values; NaN for fewer than two."""
    n = len(values)
    return float(np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def account(parts: dict[Part, PerExample], log_scale: float | None, dims: int) -> Account:
    """Return the account of an estimator's parts.

    >>> import numpy as np
    >>> from gradlog.likelihood.parts import PRIOR
    >>> bits = account({PRIOR: np.array([-2.0, -3.0])}, log_scale=np.log(128), dims=2)
    >>> [(line.name, round(line.bits_per_dim, 3)) for line in bits.lines()]
    [('prior', 1.803), ('units', 7.0)]
    >>> round(bits.total().bits_per_dim, 3)
    8.803

    Args:
      parts: the estimator's terms, nats per example, including those of the dequantization.
      log_scale: log of stored units per unit of the model's space, nats per dimension; None for a
        model of probabilities, such as one of tokens: it has no such line.
      dims: number of dimensions of one datum.
    """
    terms = dict(parts)
    if log_scale is not None:
        terms[UNITS] = np.full(len(next(iter(parts.values()))), -dims * log_scale)
    in_order = sorted(terms, key=lambda part: (part.order, part))
    return Account({part: np.asarray(terms[part]) for part in in_order}, dims)
