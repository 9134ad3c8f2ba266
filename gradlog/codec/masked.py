"""Masked models as a code: tokens along an order, in groups that one evaluation fills.

With one token in a group, the bits of an image are those of its order,
``sum_j -log2 p(x_{o_j} | x_{o_1}, ..., x_{o_{j-1}})``: one draw of the model's bound, and what the
estimator `likelihood.Orders` computes for one order. Tokens of a group do not see each other:
larger groups cost bits and save evaluations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gradlog.codec.ans import Categorical, Stack
from gradlog.codec.base import Block, Progress, Tokens

Rows = Int[np.ndarray, "rows d"]
Probs = Callable[[Rows, Int[np.ndarray, "rows group"]], Float[np.ndarray, "rows group levels"]]


@dataclass(frozen=True)
class MaskedTokens:
    """A code for tokens. All images of a block are evaluated together.

    Attributes:
      probs: ``(tokens, positions) -> p(x_l = v | visible tokens)`` at these positions.
      rows: the number of images in a block; the last block may have fewer.
      length: the number d of positions.
      levels: the number of tokens beside the mask, which is the next one.
      group: how many tokens of an image one evaluation fills.
    """

    probs: Probs
    rows: int
    length: int
    levels: int
    group: int = 1

    def encode(self, x: Tokens, progress: Progress) -> list[Block]:
        blocks = []
        for start in range(0, len(x), self.rows):
            images, stack = x[start : start + self.rows], Stack(counts=True)
            order = self._order(len(blocks))
            for at in reversed(self._starts):  # what is read first is pushed last
                places = order[: len(images), at : at + self.group]
                tokens = np.take_along_axis(images, places, axis=1)
                stack.push(tokens.reshape(-1), self._law(images, order, at))
            words, bits = stack.words(), (stack.mass_bits, stack.density_bits)
            blocks.append(Block(len(images), words, 0, 0, *bits))
            progress(start + len(images))
        return blocks

    def decode(self, blocks: Sequence[Block | None], progress: Progress) -> list[Tokens | None]:
        found, done = [], 0
        for number, block in enumerate(blocks):
            if block is None:
                found.append(None)
                continue
            images, stack = np.zeros((block.images, self.length), int), Stack(block.words)
            order = self._order(number)
            for at in self._starts:
                places = order[: len(images), at : at + self.group]
                tokens = stack.pop(self._law(images, order, at))
                np.put_along_axis(images, places, tokens.reshape(places.shape), axis=1)
            found.append(images)
            done += block.images
            progress(done)
        return found

    def probe(self) -> bytes:
        order, random = self._order(0), np.random.RandomState(0)
        images = random.randint(0, self.levels, (self.rows, self.length))
        return self._law(images, order, self.length // 2).probs.tobytes()

    @property
    def _starts(self) -> range:
        return range(0, self.length, self.group)

    def _order(self, block: int) -> Rows:
        """Return an order of the positions for each image; `RandomState` never changes."""
        random = np.random.RandomState(block)
        return np.stack([random.permutation(self.length) for _ in range(self.rows)])

    def _law(self, images: Tokens, order: Rows, at: int) -> Categorical:
        """Return the law of the group that begins at a place of the order, given those before."""
        visible = np.full(order.shape, self.levels, np.int32)
        visible[: len(images)] = images
        np.put_along_axis(visible, order[:, at:], self.levels, axis=1)
        places = order[:, at : at + self.group]
        fill = ((0, 0), (0, self.group - places.shape[1]))  # the program has one shape
        probs = self.probs(visible, np.pad(places, fill, mode="edge").astype(np.int32))
        return Categorical(probs[: len(images), : places.shape[1]].reshape(-1, self.levels))
