"""Gaussian diffusion as a code: bits-back coding over a chain of latents.

With ``y_i = x0 + rho_i z`` at noise levels ``rho_0 < ... < rho_K`` the model is ``p(y_K) prod_i
p(y_{i-1} | y_i) p(x | y_0)``, and the latents are drawn by popping bits from the stack, which the
decoder gives back. The net cost of an image is one draw of its variational bound with K steps
(Townsend et al. 2019, arXiv:1901.04866; Kingma et al. 2021, arXiv:2107.00630). A latent is drawn
from ``q(y_i | y_{i-1})`` right before ``y_{i-1}`` is coded, as in Bit-Swap (Kingma et al. 2019,
arXiv:1905.06845): so the first image borrows the bits of one or two latents, and not of all K.

With the variance of the process's posterior for ``p(y_{i-1} | y_i)``, step i costs ``1/2 r_i`` nats
a dimension, ``r_i = (rho_i^2 / rho_{i-1}^2 - 1) E(x0 - E[x0 | y_i])^2 / rho_i^2``. With ``1 + r_i``
times this variance, the best one, it costs ``1/2 log(1 + r_i)`` (Bao et al. 2022, arXiv:2201.06503,
theorem 1): the distance to the bound in continuous time falls from order 1/K to 1/K^2 for Gaussian
data, and about ten times for others. So a block begins with the squared errors at a few levels.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gradlog.codec.ans import Categorical, Even, GridNormal, Law, Stack, Words, check_finite
from gradlog.codec.base import Block, Progress, Tokens

Latents = Int[np.ndarray, " d"]  # places on the grid of a noise level
Points = Float[np.ndarray, "rows d"]
Stds = dict[int, Float[np.ndarray, " K"]]  # of each chain
Denoise = Callable[[Float[np.ndarray, "rows d"], int], Points]

_BINS = 4  # bins of a grid in the standard deviation of the narrowest law on it
_REACH = 10.0  # standard deviations of noise that the grid covers beside the data
_FITTED = 8  # images of a block that its squared errors are measured on
_UNIT, _CODES = 1 / 64, 256  # of a squared error, in the variance of its noise


@dataclass(frozen=True)
class BitsBack:
    """A code for data with levels. The images of a block are chained; blocks go side by side.

    Attributes:
      denoise: ``(y, i) -> E[x0 | y_i = y]`` by the model, for one point of each of ``rows`` chains.
      rhos: the noise levels, increasing.
      prior_std: the standard deviation of the prior of ``y_K``.
      centers: the points of the levels, evenly spaced.
      uniform: whether the datum is a point drawn evenly inside of its level, which ``N(E[x0 | y_0],
        rho_0^2)`` reconstructs; else it is the center, which the decoder over levels gives back.
      images: the number of images in a block; the last block may have fewer.
      rows: the number of blocks that are evaluated together.
      length: the number d of dimensions of an image.
      knots: at how many noise levels a block has squared errors, which the variances of its steps
        follow; 0 for the variances of the bound.
    """

    denoise: Denoise
    rhos: Float[np.ndarray, " K+1"]
    prior_std: float
    centers: Float[np.ndarray, " levels"]
    uniform: bool
    images: int
    rows: int
    length: int
    knots: int = 0

    def encode(self, x: Tokens, progress: Progress) -> list[Block]:
        parts = [x[at : at + self.images] for at in range(0, len(x), self.images)]
        blocks, done = [], 0
        for start in range(0, len(parts), self.rows):
            chains = parts[start : start + self.rows]
            seeds = [self._words(start + row) for row in range(len(chains))]
            stacks = [Stack(words, counts=True) for words in seeds]
            errors = self._squared_errors(chains)
            stds = {row: self._stds(errors[row]) for row in range(len(chains))}
            for image in range(len(chains[0])):  # the last chain may be shorter
                rows = [row for row, chain in enumerate(chains) if image < len(chain)]
                self._encode(stacks, stds, {row: chains[row][image] for row in rows})
                done += len(rows)
                progress(done)
            for chain, stack, seed, own in zip(chains, stacks, seeds, errors, strict=True):
                stack.push(own, self._error_law)
                base = max(stack.lowest - 2, 0)  # two words are the state of the coder
                bits = stack.mass_bits, stack.density_bits
                words, initial = stack.words()[base:], len(seed) - base
                blocks.append(Block(len(chain), words, base, initial, *bits))
        return blocks

    def decode(self, blocks: Sequence[Block | None], progress: Progress) -> list[Tokens | None]:
        found: list[Tokens | None] = [
            None if block is None else np.zeros((block.images, self.length), int)
            for block in blocks
        ]
        done = 0
        for start in range(0, len(blocks), self.rows):
            chains = dict(enumerate(blocks[start : start + self.rows]))
            sound = {row: block for row, block in chains.items() if block is not None}
            stacks = {
                row: Stack(np.concatenate([self._words(start + row)[: block.base], block.words]))
                for row, block in sound.items()
            }
            stds = {row: self._stds(stacks[row].pop(self._error_law)) for row in sound}
            for image in reversed(range(self.images)):  # what came last is on top
                rows = [row for row, block in sound.items() if image < block.images]
                for row, symbols in self._decode(stacks, stds, rows).items() if rows else ():
                    found[start + row][image] = symbols  # pyright: ignore[reportOptionalSubscript]
                done += len(rows)
                progress(done)
        return found

    def probe(self) -> bytes:
        y = np.random.RandomState(0).standard_normal((self.rows, self.length))
        levels = sorted({0, self._last // 2, self._last})
        return b"".join(self._denoise({}, i, start=self.rhos[i] * y).tobytes() for i in levels)

    # --- one image of each chain --------------------------------------------------------------

    def _encode(self, stacks: Sequence[Stack], stds: Stds, images: dict[int, Latents]) -> None:
        self._scramble(0, stacks, images)
        if self.uniform:
            data = {
                row: x * self._parts + stacks[row].pop(self._inner) for row, x in images.items()
            }
        else:
            data = images
        below = {row: stacks[row].pop(self._first(x)) for row, x in data.items()}
        for row, law in self._data(below).items():
            stacks[row].push(data[row], law)
        for i in range(1, self._last + 1):
            self._scramble(i, stacks, below)
            y = {row: stacks[row].pop(self._up(i, before)) for row, before in below.items()}
            for row, law in self._down(i, y, stds).items():
                stacks[row].push(below[row], law)
            below = y
        for row, y in below.items():
            stacks[row].push(y, self._prior)

    def _decode(
        self, stacks: dict[int, Stack], stds: Stds, rows: Sequence[int]
    ) -> dict[int, Latents]:
        """Undo ``_encode``, line by line from its end."""
        y = {row: stacks[row].pop(self._prior) for row in rows}
        for i in range(self._last, 0, -1):
            laws = self._down(i, y, stds)
            below = {row: stacks[row].pop(law) for row, law in laws.items()}
            for row, before in below.items():
                stacks[row].push(y[row], self._up(i, before))
            self._scramble(i, stacks, below)
            y = below
        data = {row: stacks[row].pop(law) for row, law in self._data(y).items()}
        for row, x in data.items():
            stacks[row].push(y[row], self._first(x))
        if self.uniform:
            for row, x in data.items():
                stacks[row].push(x % self._parts, self._inner)
            data = {row: x // self._parts for row, x in data.items()}
        self._scramble(0, stacks, data)
        return data

    def _scramble(self, i: int, stacks: Any, rows: Iterable[int]) -> None:
        """Scramble the bits that the next latents are popped from."""
        for row in rows:
            stacks[row].scramble(self._pad[i : i + self._popped[i]])

    # --- laws ---------------------------------------------------------------------------------

    @cached_property
    def _inner(self) -> Law:
        """The law of the place inside of a level, for `uniform`."""
        return Even(np.full(self.length, self._parts))

    def _first(self, x: Latents) -> Law:
        """Return ``q(y_0 | x)``."""
        return self._normal(0, self._point(x), self.rhos[0])

    def _up(self, i: int, below: Latents) -> Law:
        """Return ``q(y_i | y_{i-1})``."""
        return self._normal(i, below * self._widths[i - 1], self._up_stds[i])

    def _down(self, i: int, y: dict[int, Latents], stds: Stds) -> dict[int, Law]:
        """Return ``p(y_{i-1} | y_i)``: its mean is that of the posterior, with x0 as denoised."""
        kept = (self.rhos[i - 1] / self.rhos[i]) ** 2
        clean = self._denoise(y, i)
        means = {
            row: kept * self._widths[i] * points + (1 - kept) * clean[row]
            for row, points in y.items()
        }
        return {row: self._normal(i - 1, mean, stds[row][i - 1]) for row, mean in means.items()}

    def _data(self, y: dict[int, Latents]) -> dict[int, Law]:
        """Return ``p(x | y_0)``."""
        if self.uniform:
            clean, width, size = self._denoise(y, 0), self._width / self._parts, len(self.centers)
            places = (clean - self.centers[0] + self._width / 2) / width - 0.5
            std, last = self.rhos[0] / width, size * self._parts - 1
            return {row: GridNormal(places[row], std, 0, last) for row in y}
        laws: dict[int, Law] = {}
        for row, points in y.items():
            distance = (points[:, None] * self._widths[0] - self.centers) / self.rhos[0]
            logits = -0.5 * distance**2
            laws[row] = Categorical(np.exp(logits - logits.max(axis=1, keepdims=True)))
        return laws

    @cached_property
    def _prior(self) -> Law:
        return self._normal(self._last, np.zeros(self.length), self.prior_std)

    def _normal(self, i: int, mean: Float[np.ndarray, " d"], std: float) -> Law:
        half = math.ceil((np.abs(self.centers).max() + _REACH * self.rhos[i]) / self._widths[i])
        return GridNormal(mean / self._widths[i], std / self._widths[i], -half, half)

    def _denoise(self, y: dict[int, Latents], i: int, start: Points | None = None) -> Points:
        points = np.zeros((self.rows, self.length)) if start is None else start
        for row, places in y.items():
            points[row] = places * self._widths[i]
        clean = self.denoise(points.astype(np.float32), i)
        return np.asarray(clean, np.float64)

    # --- variances of the steps ---------------------------------------------------------------

    def _squared_errors(self, chains: Sequence[Tokens]) -> Int[np.ndarray, "chains knots"]:
        """Return the mean squared error of the denoised points of each chain, as codes."""
        random, images = np.random.RandomState(0), min(_FITTED, len(chains[0]))
        sums = np.zeros((len(chains), self.knots))
        for image in range(images):
            for knot, i in enumerate(self._knots):
                x = np.stack([chain[image % len(chain)] for chain in chains])
                if self.uniform:
                    x = x * self._parts + random.randint(self._parts, size=x.shape)
                points = self._point(x)
                y = np.zeros((self.rows, self.length))
                y[: len(x)] = points + self.rhos[i] * random.standard_normal(x.shape)
                clean = self._denoise({}, i, start=y)[: len(x)]
                sums[:, knot] += np.mean(((clean - points) / self.rhos[i]) ** 2, axis=1)
        check_finite(sums)
        return np.rint(sums / images / _UNIT).clip(0, _CODES - 1).astype(int)

    def _stds(self, errors: Int[np.ndarray, " knots"]) -> Float[np.ndarray, " K"]:
        """Return the standard deviations of ``p(y_{i-1} | y_i)``."""
        posterior = self.rhos[:-1] * np.sqrt(1 - (self.rhos[:-1] / self.rhos[1:]) ** 2)
        if not self.knots:
            return posterior
        at, known = np.log(self.rhos[1:]), np.log(self.rhos[self._knots])
        error = np.interp(at, known, errors * _UNIT)
        return posterior * np.sqrt(1 + ((self.rhos[1:] / self.rhos[:-1]) ** 2 - 1) * error)

    @cached_property
    def _knots(self) -> Int[np.ndarray, " knots"]:
        return np.rint(np.linspace(1, self._last, self.knots)).astype(int)

    @cached_property
    def _error_law(self) -> Law:
        return Even(np.full(self.knots, _CODES))

    # --- grids --------------------------------------------------------------------------------

    @property
    def _last(self) -> int:
        return len(self.rhos) - 1

    @property
    def _width(self) -> float:
        """The width of a level."""
        return float(self.centers[1] - self.centers[0])

    @cached_property
    def _parts(self) -> int:
        """The number of points of the grid inside a level, for `uniform`."""
        return max(2, math.ceil(_BINS * self._width / self.rhos[0]))

    @cached_property
    def _widths(self) -> Float[np.ndarray, " K+1"]:
        """The widths of the bins at each noise level, by the narrowest law there."""
        above = self.rhos[:-1] * self._up_stds[1:] / self.rhos[1:]  # least of p(y_{i-1} | y_i)
        return np.minimum(self._up_stds, np.append(above, self.prior_std)) / _BINS

    @cached_property
    def _up_stds(self) -> Float[np.ndarray, " K+1"]:
        """The standard deviations of ``q(y_0 | x)`` and of all ``q(y_i | y_{i-1})``."""
        return np.append(self.rhos[0], np.sqrt(self.rhos[1:] ** 2 - self.rhos[:-1] ** 2))

    def _point(self, x: Latents) -> Float[np.ndarray, " d"]:
        if not self.uniform:
            return self.centers[x]
        return self.centers[0] - self._width / 2 + (x + 0.5) * self._width / self._parts

    @cached_property
    def _popped(self) -> Int[np.ndarray, " K+1"]:
        """The words that the latents of each level are popped from, by three deviations more."""
        bits = self.length * np.log2(self._up_stds / self._widths * math.sqrt(2 * math.pi * math.e))
        bits[0] += self.uniform * self.length * math.log2(self._parts)
        return np.ceil((bits + 3 * math.sqrt(self.length)) / 32).astype(int) + 1

    @cached_property
    def _pad(self) -> Words:
        random = np.random.RandomState(2**32 - 1)  # of no block
        count = len(self.rhos) + self._popped.max()
        return random.randint(0, 2**32, count, dtype=np.uint32)

    def _words(self, block: int) -> Words:
        """Return the pseudo-random words at the bottom of a stack; `RandomState` never changes.

        They are more than the first image can need: 24 bits for each of four symbols.
        """
        random = np.random.RandomState(block)
        words = random.randint(0, 2**32, 3 * self.length + 16, dtype=np.uint32)
        return np.append(words, np.uint32(1))  # the last one must not be zero
