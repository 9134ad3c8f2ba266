"""Configurations that no memory could hold, told before anything is allocated.

What is counted is the least that is needed: what passes may still be too large.
"""

import math
from typing import Any

import jax

from gradlog.data import has, machine_bytes
from gradlog.experiment.reader import ConfigError, Reader

# Parameters, their average, Adam's two moments, and the copy that is written as a checkpoint.
STATES = 5
# Of each datum of a batch: itself, its noise, its place between the two and the score there.
COPIES = 4
_FLOAT = 4  # bytes
BATCHES = (
    *("training.batch_size", "eval.batch_size", "sampling.batch_size", "sampling.num_samples"),
    "classifier.batch_size",
)


def check_memory(reader: Reader, params: Any, shape: tuple[int, ...]) -> None:
    """Finds that the parameters and the batches could be held at all.

    Args:
      reader: of the configuration.
      params: the parameters, or what ``jax.eval_shape`` gives for them.
      shape: of one datum.

    Raises:
      ConfigError: they could not; the message names the key.
    """
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    _check(STATES * _FLOAT * count, f"config.model has {count:,} parameters, whose training state")
    for key in BATCHES:
        batch = reader.peek(key) / jax.process_count()
        _check(COPIES * _FLOAT * batch * math.prod(shape), f"config.{key} = {reader.peek(key)}")


def _check(needed: float, what: str) -> None:
    if needed > machine_bytes():
        raise ConfigError(f"{what} takes more than {needed / 1e9:.3g} GB; {has()}")
