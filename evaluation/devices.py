"""Batches over the local devices: padded to fit, mapped, and cut back."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

AXIS = "devices"


def local_mesh() -> Mesh:
    """The devices of this host along one axis."""
    return Mesh(np.array(jax.local_devices()), (AXIS,), axis_types=(AxisType.Auto,))


def place(tree: Any) -> Any:
    """Copies a tree to every local device."""
    return jax.device_put(tree, NamedSharding(local_mesh(), PartitionSpec()))


def map_batch(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``fn(shared, batch)`` jitted, each device working through its own rows of the batch.

    The devices do not wait for each other inside: an adaptive solver stops on each when its own
    rows are done. Matrix products are in full float32, whatever the device's default.
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
    """``fn(shared, batch)`` with matrix products in full float32, not compiled as a whole."""

    def precise(shared, batch):
        with jax.default_matmul_precision("float32"):
            return fn(shared, batch)

    return precise


def unpadded_batches(count: int, batch_size: int) -> Iterator[tuple[Int[np.ndarray, " rows"], int]]:
    """Indices 0 .. count - 1 in batches of which the last may be short: whole, in one place."""
    for start in range(0, count, batch_size):
        indices = np.arange(start, min(start + batch_size, count))
        yield indices, len(indices)


def padded_batches(count: int, batch_size: int) -> Iterator[tuple[Int[np.ndarray, " rows"], int]]:
    """Indices 0 .. count - 1, each once, in batches of one size that divides over the devices.

    Yields the indices of a batch and how many of them count: a short last batch is filled with
    copies of its last index.
    """
    devices = jax.local_device_count()
    size = -(-min(batch_size, count) // devices) * devices
    for start in range(0, count, size):
        indices = np.arange(start, min(start + size, count))
        yield np.pad(indices, (0, size - len(indices)), mode="edge"), len(indices)


def keys_by_index(stream: jax.Array, indices: Int[np.ndarray, " rows"]) -> jax.Array:
    """One key per example, a function of its index in the data set alone."""
    return jax.vmap(jax.random.fold_in, (None, 0))(stream, indices)
