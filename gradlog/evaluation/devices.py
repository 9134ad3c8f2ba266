"""Batches over hosts and devices: padded to one size, mapped, cut back and joined."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from gradlog import distributed as hosts

Indices = Int[np.ndarray, " rows"]
Batch = tuple[Indices, int]  # indices of examples, and how many of them count
Progress = Callable[[int], object]  # called with the number of finished examples
AXIS = "devices"


def local_mesh() -> Mesh:
    """Return the devices of this host along one axis."""
    return Mesh(np.array(jax.local_devices()), (AXIS,), axis_types=(AxisType.Auto,))


def place(tree: Any) -> Any:
    """Copy a tree to every local device."""
    return jax.device_put(tree, NamedSharding(local_mesh(), PartitionSpec()))


def map_batch(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return ``fn(shared, batch)`` jitted, with the rows of the batch split over the devices.

    The devices do not wait for each other: an adaptive solver stops on each device when its own
    rows are done. Matrix products are in full float32, whatever the default of the device.
    """
    mapped = jax.shard_map(
        run_on_host(fn),
        mesh=local_mesh(),
        in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
        out_specs=PartitionSpec(AXIS),
        check_vma=False,
    )
    return jax.jit(mapped)


def run_on_host(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return ``fn(shared, batch)`` with matrix products in full float32, not compiled."""

    def precise(shared, batch):
        with jax.default_matmul_precision("float32"):
            return fn(shared, batch)

    return precise


def unpadded_batches(count: int, batch_size: int) -> Iterator[Batch]:
    """Yield the indices 0 .. count - 1 in batches of which the last may be short."""
    for start in range(0, count, batch_size):
        indices = np.arange(start, min(start + batch_size, count))
        yield indices, len(indices)


def padded_batches(count: int, batch_size: int) -> Iterator[Batch]:
    """Yield the indices 0 .. count - 1 in batches of one size that divides over the devices.

    A short last batch is filled with copies of its last index, which do not count.
    """
    devices = jax.local_device_count()
    size = -(-min(batch_size, count) // devices) * devices
    for start in range(0, count, size):
        indices = np.arange(start, min(start + size, count))
        yield np.pad(indices, (0, size - len(indices)), mode="edge"), len(indices)


def over_batches(
    batches: Iterable[Batch],
    compute: Callable[[Indices, int], dict[str, Any]],
    progress: Progress = lambda done: None,
) -> dict[str, Any]:
    """Return the arrays of all batches, joined in their order, on every host.

    Each host computes every n-th batch on its own devices. So no host waits for another one, and a
    batch is the same whichever host computes it.

    Args:
      batches: all of them, the same on every host.
      compute: returns the arrays of a batch, for the rows that count, in dictionaries.
      progress: is called after each batch with the number of rows up to its end.
    """
    batches = list(batches)
    numbered = enumerate(zip(batches, accumulate(used for _, used in batches), strict=True))
    mine = {}
    for number, ((indices, used), done) in hosts.take_share(list(numbered)):
        mine[str(number)] = compute(indices, used)
        progress(done)
    everything = {}
    for part in hosts.gather(mine):
        everything |= part
    in_order = [everything[str(number)] for number in range(len(batches))]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *in_order)


class BatchProgram:
    """``fn(shared, rows)`` of any number of examples, in batches over hosts and devices.

    It is compiled at its first call, and for each further shape of a batch.
    """

    def __init__(self, fn: Callable[[Any, Any], Any], batch_size: int):
        self._program, self._batch_size = map_batch(fn), batch_size

    def __call__(
        self,
        shared: Any,
        rows: Callable[[Indices], Any],
        count: int,
        progress: Progress = lambda done: None,
    ) -> dict[str, Any]:
        """Return the arrays of examples 0 .. count - 1, joined, on every host.

        Args:
          shared: what every example needs, such as the parameters.
          rows: returns the arguments of the examples of these indices.
          count: the number of examples.
          progress: is called with the number of finished examples.
        """
        shared = place(shared)

        def compute(indices: Indices, used: int) -> dict[str, Any]:
            return fetch_rows(self._program(shared, rows(indices)), used)

        return over_batches(padded_batches(count, self._batch_size), compute, progress)


def fetch_rows(tree: Any, used: int) -> Any:
    """Return the rows that count as NumPy arrays."""
    return jax.tree.map(lambda leaf: leaf[:used], jax.device_get(tree))


def keys_by_index(stream: jax.Array, indices: Indices) -> jax.Array:
    """Return one key per example, a function of its index in the data set alone."""
    return jax.vmap(jax.random.fold_in, (None, 0))(stream, indices)


def key_data_by_index(stream: jax.Array, indices: Indices) -> np.ndarray:
    """Return the raw numbers of `keys_by_index`, which can be split over devices."""
    return np.asarray(jax.random.key_data(keys_by_index(stream, indices)))
