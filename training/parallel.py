"""How the per-device step is mapped over devices: the only place that knows.

A mapping places the state on its devices, splits a batch over them, and averages losses and
gradients between the two halves of the step. Several hosts run the same code, each on its own rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from training.state import TrainState
from training.step import TrainStep

AXIS = "devices"
Metrics = dict[str, jax.Array]
DeviceStep = Callable[[TrainState, jax.Array, Any, Any], tuple[TrainState, Metrics]]


def _device_step(step: TrainStep) -> DeviceStep:
    """The per-device step with the average over devices between its halves."""

    def run(state, key_data, batch, positions):
        key = jax.random.wrap_key_data(key_data)
        local = step.loss_and_grads(key, state, batch, positions)
        loss, grads = jax.lax.pmean(local, AXIS)
        return step.update(state, loss, grads)

    return run


def device_mesh() -> Mesh:
    """All devices of all hosts along one axis."""
    return Mesh(np.array(jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))


@dataclass(frozen=True)
class Pmap:
    """``jax.pmap`` over the local devices, one row of rows for each."""

    def map(self, step: TrainStep) -> DeviceStep:
        return jax.pmap(
            _device_step(step),
            axis_name=AXIS,
            in_axes=(None, None, 0, 0),  # pyright: ignore[reportArgumentType]
            out_axes=None,
            donate_argnums=(0,),
        )

    def split(self, rows: np.ndarray) -> np.ndarray:
        """The rows of this host as pmap wants them: one block for each local device."""
        return rows.reshape(jax.local_device_count(), -1, *rows.shape[1:])


@dataclass(frozen=True)
class ShardMap:
    """``jax.jit`` of ``jax.shard_map`` over a mesh of all devices."""

    def map(self, step: TrainStep) -> DeviceStep:
        mapped = jax.shard_map(
            _device_step(step),
            mesh=device_mesh(),
            in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(AXIS)),
            out_specs=PartitionSpec(),
            # The averages are explicit, as under pmap; checked types would insert their own.
            check_vma=False,
        )
        return jax.jit(mapped, donate_argnums=(0,))

    def split(self, rows: np.ndarray) -> jax.Array:
        """The rows of this host as its part of the global array."""
        sharding = NamedSharding(device_mesh(), PartitionSpec(AXIS))
        return jax.make_array_from_process_local_data(sharding, rows)


MAPPINGS: dict[str, type[Pmap] | type[ShardMap]] = {"pmap": Pmap, "shard_map": ShardMap}


def replicate(tree: Any) -> Any:
    """The tree on every device, placed so that neither mapping compiles a second time."""
    return jax.device_put(tree, NamedSharding(device_mesh(), PartitionSpec()))


class ParallelStep:
    """``(state, rows of this host) -> (state, metrics)``, mapped over all devices.

    Raises:
      ValueError: if the global batch does not divide evenly over the devices.
    """

    def __init__(self, step: TrainStep, key: jax.Array, mapping: Pmap | ShardMap):
        if step.batch_size % jax.device_count():
            raise ValueError(
                f"config.training.batch_size = {step.batch_size} does not divide over "
                f"{jax.device_count()} devices; choose a multiple"
            )
        self._mapping = mapping
        self._step = mapping.map(step)
        self._key = replicate(jax.random.key_data(key))
        self._positions = mapping.split(self.rows(step.batch_size).astype(np.int32))
        self._previous: Metrics = {}

    @staticmethod
    def rows(batch_size: int) -> np.ndarray:
        """Positions in the global batch that this host provides."""
        share = batch_size // jax.process_count()
        return share * jax.process_index() + np.arange(share)

    def __call__(self, state: TrainState, rows: Any) -> tuple[TrainState, Metrics]:
        self._settle()
        state, metrics = self._step(
            state, self._key, jax.tree.map(self._mapping.split, rows), self._positions
        )
        self._previous = metrics
        return state, metrics

    def _settle(self) -> None:
        """Several steps in flight on virtual CPU devices wait for each other's threads for ever."""
        if jax.default_backend() == "cpu" and jax.local_device_count() > 1:
            jax.block_until_ready(self._previous)
