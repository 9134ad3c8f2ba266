"""The account of bits: every term of a log probability, adding up to bits per dimension.

``log P(datum) = sum of the estimator's parts - d log(stored units per model unit)``, the parts with
the dequantization's ``-log q(u)`` among them;
``bits/dim = -log P / (d ln 2)`` (field convention; for 256 levels centered on zero the last line is
the "+ 7" of score_sde and score_flow).
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
    """One term of the account: its mean over the data in bits/dim, and that mean's error."""

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
        """Of each datum; lower is better."""
        return self.to_bits_per_dim(self.nats)

    def to_bits_per_dim(self, nats):
        """Negated, over ``d ln 2``."""
        return -np.asarray(nats, np.float64) / (self.dims * math.log(2))

    def lines(self) -> list[Line]:
        """The terms in order, each as a mean over the data with its standard error."""
        return [self._line(name, self.to_bits_per_dim(term)) for name, term in self.terms.items()]

    def total(self) -> Line:
        """The sum of the lines, with the standard error of the data-set mean."""
        return self._line(TOTAL, self.bits_per_dim)

    @staticmethod
    def _line(name: Part, bits: PerExample) -> Line:
        return Line(name, float(np.mean(bits)), mean_standard_error(bits))


def mean_standard_error(values: PerExample) -> float:
    """Standard error of the mean of independent values; NaN for fewer than two."""
    n = len(values)
    return float(np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def account(parts: dict[Part, PerExample], log_scale: float, dims: int) -> Account:
    """Opens the account of an estimator's parts.

    Args:
      parts: the estimator's terms, nats per example, the dequantization's among them.
      log_scale: log of stored units per unit of the model's space, nats per dimension.
      dims: number of dimensions of one datum.
    """
    count = len(next(iter(parts.values())))
    terms = parts | {UNITS: np.full(count, -dims * log_scale)}
    in_order = sorted(terms, key=lambda part: (part.order, part))
    return Account({part: np.asarray(terms[part]) for part in in_order}, dims)
