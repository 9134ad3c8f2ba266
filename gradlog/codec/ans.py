"""A stack of bits by asymmetric numeral systems (ANS), and the laws of the symbols on it.

``push`` adds about ``-log2 P(symbol)`` bits to a stack; ``pop`` takes them away and returns symbols
that are distributed by P if the bits are random (Duda 2013, arXiv:1311.2540). Each undoes the
other. The package `constriction` turns the probabilities into integers, here and nowhere else.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gradlog.config_error import UserError

try:
    import constriction
except ImportError:  # it is optional
    constriction: Any = None

_PRECISION = 24  # bits of the integers that stand for probabilities
_WINDOW = 7  # standard deviations
_ESCAPE = 16  # bits that an escape takes beside those of the end of the window
Symbols = Int[np.ndarray, " m"]
Words = UInt32[np.ndarray, " words"]


class NotFiniteError(UserError, ArithmeticError):
    """A model gives numbers that are not finite, which no code can follow."""


def check_installed() -> None:
    """Check that the package of the coders is installed.

    Raises:
      UserError: it is not.
    """
    if constriction is None:
        raise UserError(
            "compressed files need the package constriction, which is not installed: "
            "pip install 'gradlog[codec]'"
        )


class Law(Protocol):
    """The law of m independent symbols."""

    def push(self, coder: Any, symbols: Symbols) -> None:
        """Put symbols on a coder of `constriction`."""
        ...

    def pop(self, coder: Any) -> Symbols:
        """Take symbols from a coder."""
        ...

    def bits(self, symbols: Symbols) -> tuple[float, float]:
        """Return ``-log2`` of the probability, and of the density on a grid of width one.

        Both are the sum over the symbols in double precision, before probabilities become integers.
        """
        ...


@dataclass(frozen=True)
class Categorical:
    """Symbols from 0 to ``levels - 1``, with a row of probabilities for each.

    Raises:
      NotFiniteError: a probability is not finite.
    """

    probs: Float[np.ndarray, "m levels"]

    def __post_init__(self) -> None:
        check_finite(self.probs)

    def push(self, coder: Any, symbols: Symbols) -> None:
        coder.encode_reverse(symbols.astype(np.int32), *self._integers)

    def pop(self, coder: Any) -> Symbols:
        return coder.decode(*self._integers)

    def bits(self, symbols: Symbols) -> tuple[float, float]:
        probs = np.asarray(self.probs, np.float64)
        own = np.take_along_axis(probs, symbols[:, None], axis=1)[:, 0] / probs.sum(axis=1)
        total = float(-np.log2(np.maximum(own, 2.0**-_PRECISION)).sum())
        return total, total

    @property
    def _integers(self) -> tuple[Any, ...]:
        family = constriction.stream.model.Categorical(perfect=False)
        return family, np.ascontiguousarray(self.probs, np.float32)


@dataclass(frozen=True)
class Even:
    """Symbols from 0 to ``size - 1``, all equally likely, with a size of at least 2 for each."""

    sizes: Int[np.ndarray, " m"]

    def push(self, coder: Any, symbols: Symbols) -> None:
        coder.encode_reverse(symbols.astype(np.int32), *self._integers)

    def pop(self, coder: Any) -> Symbols:
        return coder.decode(*self._integers)

    def bits(self, symbols: Symbols) -> tuple[float, float]:
        del symbols
        total = float(np.log2(self.sizes).sum())
        return total, total

    @property
    def _integers(self) -> tuple[Any, ...]:
        return constriction.stream.model.Uniform(), self.sizes.astype(np.int32)


@dataclass(frozen=True)
class GridNormal:
    """Whole numbers from ``low`` to ``high``: a normal law, rounded to the nearest of them.

    Each symbol needs a probability of at least ``2^-24``. Over a long range these would add up, and
    symbols from anywhere would be popped. So the law has a window of seven standard deviations to
    both sides of a center. After one of its ends an escape has the probability ``2^-16``, and a
    symbol beyond has an even law. The two together are as rare as seven standard deviations: a
    latent that was popped from anywhere would cost hundreds of bits on its way up the chain.

    Raises:
      NotFiniteError: a mean is not finite.
    """

    mean: Float[np.ndarray, " m"]
    std: float
    low: int
    high: int

    def __post_init__(self) -> None:
        check_finite(self.mean)

    def push(self, coder: Any, symbols: Symbols) -> None:
        offsets = symbols - self._center
        if self._has_escapes:
            below, above = offsets < -self._window, offsets > self._window
            self._above(above).push(coder, offsets[above] - self._window - 1)
            self._below(below).push(coder, -self._window - 1 - offsets[below])
            offsets, beyond = np.clip(offsets, -self._window, self._window), below | above
            ends = self._may_escape(offsets)
            self._escapes(ends).push(coder, beyond[ends])
        coder.encode_reverse(offsets.astype(np.int32), *self._integers)

    def pop(self, coder: Any) -> Symbols:
        offsets = coder.decode(*self._integers).astype(int)
        if self._has_escapes:
            beyond = self._may_escape(offsets)
            beyond[beyond] = self._escapes(beyond).pop(coder)
            below, above = beyond & (offsets < 0), beyond & (offsets > 0)
            offsets[below] -= 1 + self._below(below).pop(coder)
            offsets[above] += 1 + self._above(above).pop(coder)
        return self._center + offsets

    def bits(self, symbols: Symbols) -> tuple[float, float]:
        distance = np.abs(symbols - self.mean)
        far, near = -(distance + 0.5) / self.std, (0.5 - distance) / self.std
        with np.errstate(divide="ignore"):  # of a mass that is too small
            from scipy.special import log_ndtr  # it takes as long to import as half of JAX

            mass = log_ndtr(near) + np.log1p(-np.exp(log_ndtr(far) - log_ndtr(near)))
        density = -0.5 * (distance / self.std) ** 2 - math.log(self.std * math.sqrt(2 * math.pi))
        escape = _PRECISION + _ESCAPE + math.log2(self.high - self.low + 1)
        least = -math.log(2) * escape
        mass, density = np.maximum(mass, least), np.maximum(density, least)
        return float(-mass.sum() / math.log(2)), float(-density.sum() / math.log(2))

    @property
    def _window(self) -> int:
        return math.ceil(_WINDOW * self.std) + 1

    @property
    def _has_escapes(self) -> bool:
        """True if the range is longer than the window, by symbols enough for both of its ends."""
        return self.high - self.low >= 2 * self._window + 4

    @cached_property
    def _center(self) -> Symbols:
        if not self._has_escapes:
            return np.zeros(len(self.mean), int)
        lowest, highest = self.low + self._window, self.high - self._window
        center = np.rint(np.clip(self.mean, lowest, highest)).astype(int)
        center -= center == lowest + 1  # an even law needs two symbols; none is beyond now
        return center + (center == highest - 1)

    @property
    def _integers(self) -> tuple[Any, ...]:
        ends = (-self._window, self._window) if self._has_escapes else (self.low, self.high)
        mean = np.clip(self.mean - self._center, *ends)
        family = constriction.stream.model.QuantizedGaussian(*ends)
        return family, mean, np.full(mean.shape, self.std)

    def _may_escape(self, offsets: Symbols) -> Bool[np.ndarray, " m"]:
        """Return which offsets are an end of the window that is no end of the range."""
        below = (offsets == -self._window) & (self._center - self._window > self.low)
        return below | ((offsets == self._window) & (self._center + self._window < self.high))

    def _escapes(self, ends: Bool[np.ndarray, " m"]) -> Categorical:
        """Return the law of whether a symbol at an end of the window is beyond it."""
        return Categorical(np.tile([1 - 2.0**-_ESCAPE, 2.0**-_ESCAPE], (ends.sum(), 1)))

    def _below(self, escaped: Bool[np.ndarray, " m"]) -> Even:
        """Return the law of the distances of symbols below the window from the next one."""
        return Even(self._center[escaped] - self._window - self.low)

    def _above(self, escaped: Bool[np.ndarray, " m"]) -> Even:
        return Even(self.high - self._center[escaped] - self._window)


class Stack:
    """A stack of bits in words of 32 bits. The words at the beginning are its bottom.

    Attributes:
      lowest: the smallest number of words that it had.
      mass_bits, density_bits: the bits of `Law.bits` that were pushed minus those that were popped,
        if ``counts`` asks for them.
    """

    def __init__(self, words: Words | None = None, *, counts: bool = False):
        empty = words is None or not len(words)
        self._coder = constriction.stream.stack.AnsCoder(*() if empty else (words,))
        self.lowest = self._coder.num_words()
        self._counts, self.mass_bits, self.density_bits = counts, 0.0, 0.0

    def push(self, symbols: Symbols, law: Law) -> None:
        """Put symbols on the stack."""
        law.push(self._coder, symbols)
        self._count(symbols, law, 1)

    def pop(self, law: Law) -> Symbols:
        """Take symbols from the stack."""
        symbols = law.pop(self._coder)
        self.lowest = min(self.lowest, self._coder.num_words())
        self._count(symbols, law, -1)
        return symbols

    def scramble(self, pad: Words) -> None:
        """Change the uppermost words by exclusive or with a pad; a second time undoes it.

        The bits of symbols that were just pushed are no noise: as quantiles of the next law they
        would give symbols that repeat the last ones. Scrambled, they are as good as random.
        """
        words = self._coder.get_compressed()
        count = min(len(pad), len(words) - 1)  # the last word must not become zero
        if count > 0:
            words[-1 - count : -1] ^= pad[:count]
            self._coder = constriction.stream.stack.AnsCoder(words)
            self.lowest = min(self.lowest, len(words) - 1 - count)

    def words(self) -> Words:
        """Return all words."""
        return self._coder.get_compressed()

    def _count(self, symbols: Symbols, law: Law, sign: int) -> None:
        if self._counts:
            mass, density = law.bits(symbols)
            self.mass_bits += sign * mass
            self.density_bits += sign * density


def check_finite(numbers: np.ndarray) -> None:
    """Check that the numbers of a model are finite.

    Raises:
      NotFiniteError: one is not.
    """
    if not np.isfinite(numbers).all():
        raise NotFiniteError("the model gives numbers that are not finite")
