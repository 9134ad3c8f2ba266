"""The contract of a codec."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int

from gradlog.codec.ans import Words

Progress = Callable[[int], object]  # called with the number of finished images
Tokens = Int[np.ndarray, "n d"]


@dataclass(frozen=True)
class Block:
    """Some images that share a stack of bits.

    Attributes:
      images: their number.
      words: the stack, without its lowest words.
      base: the number of lowest words, which the encoder never touched. Both sides know them:
        they are the first of a fixed sequence of pseudo-random words.
      initial: the number of further words of that sequence that the encoder used. They are the
        initial bits, and part of ``words``.
      mass_bits, density_bits: see `Stack`; 0 for a block that was read.
    """

    images: int
    words: Words
    base: int = 0
    initial: int = 0
    mass_bits: float = 0.0
    density_bits: float = 0.0


class Codec(Protocol):
    """Turns images, as rows of d whole numbers, into blocks, and blocks into images.

    Both directions evaluate the same program on the same arrays in the same shapes.
    """

    def encode(self, x: Tokens, progress: Progress) -> list[Block]:
        """Return the blocks of images in their order.

        Raises:
          NotFiniteError: the model gives numbers that are not finite.
        """
        ...

    def decode(self, blocks: Sequence[Block | None], progress: Progress) -> list[Tokens | None]:
        """Return the images of each block; None for a block that is lost.

        Raises:
          NotFiniteError: as in ``encode``.
        """
        ...

    def probe(self) -> bytes:
        """Return outputs of the program at fixed inputs: equal machines give equal bytes."""
        ...
