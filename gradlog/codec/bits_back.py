"""Gaussian diffusion as a code: bits-back coding over a chain of latents.

With ``y_i = x0 + rho_i z`` at noise levels ``rho_0 < ... < rho_K`` the model is ``p(y_K) prod_i
p(y_{i-1} | y_i) p(x | y_0)``, and the latents are drawn by popping bits from the stack, which the
decoder gives back. The net cost of an image is one draw of its variational bound with K steps
(Townsend et al. 2019, arXiv:1901.04866; Kingma et al. 2021, arXiv:2107.00630). A latent is drawn
from ``q(y_i | y_{i-1})`` right before ``y_{i-1}`` is coded, as in Bit-Swap (Kingma et al. 2019,
arXiv:1905.06845): so the first image borrows the bits of one or two latents, and not of all K.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gradlog.codec.ans import Categorical, Even, GridNormal, Law, Stack, Words
from gradlog.codec.base import Block, Progress, Tokens

Latents = Int[np.ndarray, " d"]  # places on the grid of a noise level
Points = Float[np.ndarray, "rows d"]
Denoise = Callable[[Float[np.ndarray, "rows d"], int], Points]

_BINS = 8  # bins of a grid in the standard deviation of the narrowest law on it
_REACH = 10.0  # standard deviations of noise that the grid covers beside the data


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
    """

    denoise: Denoise
    rhos: Float[np.ndarray, " K+1"]
    prior_std: float
    centers: Float[np.ndarray, " levels"]
    uniform: bool
    images: int
    rows: int
    length: int

    def encode(self, x: Tokens, progress: Progress) -> list[Block]:
        parts = [x[at : at + self.images] for at in range(0, len(x), self.images)]
        blocks, done = [], 0
        for start in range(0, len(parts), self.rows):
            chains = parts[start : start + self.rows]
            seeds = [self._words(start + row) for row in range(len(chains))]
            stacks = [Stack(words, counts=True) for words in seeds]
            for image in range(len(chains[0])):  # the last chain may be shorter
                rows = [row for row, chain in enumerate(chains) if image < len(chain)]
                self._encode(stacks, {row: chains[row][image] for row in rows})
                done += len(rows)
                progress(done)
            for chain, stack, seed in zip(chains, stacks, seeds, strict=True):
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
            for image in reversed(range(self.images)):  # what came last is on top
                rows = [row for row, block in sound.items() if image < block.images]
                for row, symbols in self._decode(stacks, rows).items() if rows else ():
                    found[start + row][image] = symbols  # pyright: ignore[reportOptionalSubscript]
                done += len(rows)
                progress(done)
        return found

    def probe(self) -> bytes:
        y = np.random.RandomState(0).standard_normal((self.rows, self.length))
        levels = sorted({0, self._last // 2, self._last})
        return b"".join(self._denoise({}, i, start=self.rhos[i] * y).tobytes() for i in levels)

    # --- one image of each chain --------------------------------------------------------------

    def _encode(self, stacks: Sequence[Stack], images: dict[int, Latents]) -> None:
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
            for row, law in self._down(i, y).items():
                stacks[row].push(below[row], law)
            below = y
        for row, y in below.items():
            stacks[row].push(y, self._prior)

    def _decode(self, stacks: dict[int, Stack], rows: Sequence[int]) -> dict[int, Latents]:
        """Undo ``_encode``, line by line from its end."""
        y = {row: stacks[row].pop(self._prior) for row in rows}
        for i in range(self._last, 0, -1):
            below = {row: stacks[row].pop(law) for row, law in self._down(i, y).items()}
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
        """Scramble the bits that the next latents are popped from, about eight for a symbol."""
        for row in rows:
            stacks[row].scramble(self._pad[i : i + self.length // 4 + 2])

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
        std = math.sqrt(self.rhos[i] ** 2 - self.rhos[i - 1] ** 2)
        return self._normal(i, below * self._widths[i - 1], std)

    def _down(self, i: int, y: dict[int, Latents]) -> dict[int, Law]:
        """Return ``p(y_{i-1} | y_i)``: the posterior of the process, with x0 as denoised."""
        kept = (self.rhos[i - 1] / self.rhos[i]) ** 2
        clean = self._denoise(y, i)
        means = {
            row: kept * self._widths[i] * points + (1 - kept) * clean[row]
            for row, points in y.items()
        }
        std = self.rhos[i - 1] * math.sqrt(1 - kept)
        return {row: self._normal(i - 1, mean, std) for row, mean in means.items()}

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
        added = np.sqrt(self.rhos[1:] ** 2 - self.rhos[:-1] ** 2)  # of q(y_i | y_{i-1})
        above = self.rhos[:-1] * added / self.rhos[1:]  # of p(y_{i-1} | y_i)
        up, down = np.append(self.rhos[0], added), np.append(above, self.prior_std)
        return np.minimum(up, down) / _BINS

    def _point(self, x: Latents) -> Float[np.ndarray, " d"]:
        if not self.uniform:
            return self.centers[x]
        return self.centers[0] - self._width / 2 + (x + 0.5) * self._width / self._parts

    @cached_property
    def _pad(self) -> Words:
        random = np.random.RandomState(2**32 - 1)  # of no block
        return random.randint(0, 2**32, len(self.rhos) + self.length, dtype=np.uint32)

    def _words(self, block: int) -> Words:
        """Return the pseudo-random words at the bottom of a stack; `RandomState` never changes.

        They are more than the first image can need: 24 bits for each of four symbols.
        """
        random = np.random.RandomState(block)
        words = random.randint(0, 2**32, 3 * self.length + 16, dtype=np.uint32)
        return np.append(words, np.uint32(1))  # the last one must not be zero
