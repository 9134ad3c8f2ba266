"""Training batches by step number, so that no iterator has to be saved.

The examples of all steps form one endless stream of epochs, each in its own order. Batches cut
this stream, and may cross the border between two epochs. So every example is seen exactly once
per epoch. A batch depends on (seed, step) alone, not on the number of processes that read it and
not on interruptions.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from gradlog.data.dataset import DataError, Source, permutation

_epoch_order = functools.lru_cache(maxsize=4)(permutation)  # of (length, seed, epoch)


@dataclass(frozen=True)
class BatchStream:
    """Training batches: `stream[step]` is the global batch of a step, `stream.slice` a part of it.

    Attributes:
      source: the training examples.
      batch_size: size of the global batch, over all hosts. It may exceed the number of examples.
      seed: determines the order of every epoch; 0 or more.

    Raises:
      DataError: an empty source, a batch size below one, or a negative seed.
    """

    source: Source
    batch_size: int
    seed: int

    def __post_init__(self):
        if len(self.source) == 0:
            raise DataError("the training set is empty; there is nothing to draw batches from")
        if self.batch_size < 1:
            raise DataError(f"batch size = {self.batch_size}; it must be at least 1")
        if self.seed < 0:
            raise DataError(f"seed = {self.seed} is negative; choose 0 or more")

    def __getitem__(self, step: int) -> Shaped[np.ndarray, "batch_size *shape"]:
        return self.slice(step, 0, self.batch_size)

    def slice(self, step: int, start: int, stop: int) -> Shaped[np.ndarray, "n *shape"]:
        """Return rows start..stop-1 of the global batch, and read no others."""
        return self.source[self.indices(step, start, stop)]

    def indices(self, step: int, start: int = 0, stop: int | None = None) -> Int[np.ndarray, " n"]:
        """Return the indices of these rows among the training examples.

        Raises:
          IndexError: a negative step, or rows outside the batch.
        """
        stop = self.batch_size if stop is None else stop
        if step < 0 or not 0 <= start <= stop <= self.batch_size:
            raise IndexError(f"step {step}, rows {start}:{stop} of {self.batch_size}")
        length, first = len(self.source), int(step) * self.batch_size
        positions = np.arange(first + start, first + stop)
        epochs, offsets = np.divmod(positions, length)
        indices = np.empty_like(positions)
        for epoch in np.unique(epochs):
            rows = epochs == epoch
            indices[rows] = _epoch_order(length, self.seed, int(epoch))[offsets[rows]]
        return indices
