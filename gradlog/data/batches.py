"""Training batches, addressed by the step: nothing about an iterator has to be saved.

The examples of all steps form one endless stream: epoch after epoch, each in its own order, cut
into batches without regard for the borders between epochs. So no example is dropped, each is seen
exactly once an epoch, and a batch depends on (seed, step) alone: not on how many processes read
it, nor on whether the run was interrupted.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from gradlog.data.dataset import DataError, Source, permutation


@functools.lru_cache(maxsize=4)
def _epoch_order(length: int, seed: int, epoch: int) -> Int[np.ndarray, " length"]:
    return permutation(length, seed, epoch)


@dataclass(frozen=True)
class BatchStream:
    """`stream[step]` is the global batch of a step; `stream.slice` a host's rows of it.

    Attributes:
      source: the training examples.
      batch_size: of the global batch, over all hosts; it may exceed the number of examples.
      seed: from 0 on; decides the order of every epoch.

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
            raise DataError(f"seed = {self.seed} is negative; choose one from 0 on")

    def __getitem__(self, step: int) -> Shaped[np.ndarray, "batch_size *shape"]:
        return self.slice(step, 0, self.batch_size)

    def slice(self, step: int, start: int, stop: int) -> Shaped[np.ndarray, "n *shape"]:
        """Rows start..stop-1 of the global batch; only these are read."""
        return self.source[self.indices(step, start, stop)]

    def indices(self, step: int, start: int = 0, stop: int | None = None) -> Int[np.ndarray, " n"]:
        """Which training examples the rows are: for labels, or for any other array beside them.

        Raises:
          IndexError: a negative step, or rows outside the batch.
        """
        stop = self.batch_size if stop is None else stop
        if step < 0 or not 0 <= start <= stop <= self.batch_size:
            raise IndexError(f"step {step}, rows {start}:{stop} of {self.batch_size}")
        first = int(step) * self.batch_size
        return self._at(np.arange(first + start, first + stop))

    def _at(self, positions: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        epochs, offsets = np.divmod(positions, len(self.source))
        found = np.empty_like(positions)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            found[here] = _epoch_order(len(self.source), self.seed, int(epoch))[offsets[here]]
        return found
