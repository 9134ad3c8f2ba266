"""The mapping of the per-device step over devices; no other module depends on the device count.

A mapping places the state on its devices, splits a batch over them, and averages losses and
gradients between the two halves of the step. Several hosts run the same code, each on its own rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gradlog.training.state import TrainState
from gradlog.training.step import LossFn, TrainStep

AXIS = "devices"
REPLICATED = PartitionSpec()
_SMALL = 1024  # leaves with fewer numbers are not divided
Metrics = dict[str, jax.Array]
# (state, key data, rows, their positions, number of the batch) -> (state, metrics)
DeviceStep = Callable[[TrainState, jax.Array, Any, Any, Any], tuple[TrainState, Metrics]]


def device_mesh() -> Mesh:
    """Return all devices of all hosts along one axis."""
    return Mesh(np.array(jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))


class Mapping(Protocol):
    """A mapping of a step over all devices."""

    def spec(self, leaf: Any) -> PartitionSpec:
        """Return the axes over which a leaf of the state is divided."""
        ...

    def split(self, rows: np.ndarray) -> Any:
        """Return the rows of this host in the form that the mapped step takes."""
        ...

    def map(self, step: TrainStep) -> DeviceStep:
        """Return the step of all devices together; it donates the memory of its input state."""
        ...


@dataclass(frozen=True)
class Pmap:
    """``jax.pmap`` over the local devices, with one block of rows for each."""

    def spec(self, leaf: Any) -> PartitionSpec:
        del leaf
        return REPLICATED

    def split(self, rows: np.ndarray) -> np.ndarray:
        """Return one block for each local device."""
        return rows.reshape(jax.local_device_count(), -1, *rows.shape[1:])

    def map(self, step: TrainStep) -> DeviceStep:
        def run(state, key_data, batch, positions, number):
            key = jax.random.wrap_key_data(key_data)
            local = step.loss_and_grads(key, state, batch, positions)
            loss, grads = jax.lax.pmean(local, AXIS)
            return step.update(state, loss, grads, number)

        return jax.pmap(
            run,
            axis_name=AXIS,
            in_axes=(None, None, 0, 0, None),  # pyright: ignore[reportArgumentType]
            out_axes=None,
            donate_argnums=(0,),
        )


@dataclass(frozen=True)
class ShardMap:
    """``jax.jit`` of ``jax.shard_map`` over a mesh of all devices.

    Each device computes its own losses and gradients. The update is of the whole state, of which
    each device computes the part that it holds.
    """

    def spec(self, leaf: Any) -> PartitionSpec:
        del leaf
        return REPLICATED

    def split(self, rows: np.ndarray) -> jax.Array:
        """Return this host's part of the global array."""
        sharding = NamedSharding(device_mesh(), PartitionSpec(AXIS))
        return jax.make_array_from_process_local_data(sharding, rows)

    def map(self, step: TrainStep) -> DeviceStep:
        def run(state, key_data, batch, positions, number):
            # The loss needs only the names of the trained groups from the optimizers' states.
            trained = state.replace(ema={}, opt_state=dict.fromkeys(state.opt_state))
            specs = jax.tree.map(self.spec, trained)
            grad_specs = {name: specs.params[name] for name in state.opt_state}
            mapped = jax.shard_map(
                lambda *rows: self._loss_and_grads(step, specs, *rows),
                mesh=device_mesh(),
                in_specs=(specs, REPLICATED, PartitionSpec(AXIS), PartitionSpec(AXIS)),
                out_specs=(REPLICATED, grad_specs),
                # The averages are explicit, as under pmap; checked types would insert their own.
                check_vma=False,
            )
            loss, grads = mapped(trained, key_data, batch, positions)
            state, metrics = step.update(state, loss, grads, number)
            return jax.lax.with_sharding_constraint(state, shardings(self, state)), metrics

        return jax.jit(run, donate_argnums=(0,))

    def _loss_and_grads(self, step: TrainStep, specs, state, key_data, batch, positions):
        """Return the loss of all devices' rows, and its gradient by the shards of the state."""
        key = jax.random.wrap_key_data(key_data)
        shard_loss = partial(self._shard_loss, specs.params)
        loss, grads = step.loss_and_grads(key, state, batch, positions, shard_loss)
        grad_specs = {name: specs.params[name] for name in grads}
        return jax.lax.pmean(loss, AXIS), jax.tree.map(_mean, grads, grad_specs)

    def _shard_loss(self, specs: Any, loss: LossFn) -> LossFn:
        """Turn a loss of full parameters into one of the shards that a device holds."""
        del specs
        return loss


@dataclass(frozen=True)
class Fsdp(ShardMap):
    """``ShardMap`` with the state divided over the devices: each of n devices holds 1/n of it.

    Each parameter is gathered for the loss, and again in the backward pass instead of being stored.
    Its gradient is reduced to shards. The averaged parameters and the optimizer state are never
    whole on any device.
    """

    def spec(self, leaf: Any) -> PartitionSpec:
        """Divide along the longest axis that the devices divide; replicate small leaves."""
        axes = [axis for axis, size in enumerate(leaf.shape) if size % jax.device_count() == 0]
        if jax.device_count() == 1 or not axes or np.prod(leaf.shape) < _SMALL:
            return REPLICATED
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return PartitionSpec(*(None,) * longest, AXIS)

    def _shard_loss(self, specs: Any, loss: LossFn) -> LossFn:
        if not any(AXIS in spec for spec in jax.tree.leaves(specs)):
            return loss
        return jax.checkpoint(
            lambda shards: loss(jax.tree.map(_gather, shards, specs)), policy=_save_all_but_gathered
        )


def _gather(part: jax.Array, spec: PartitionSpec) -> jax.Array:
    if AXIS not in spec:
        return part
    return jax.lax.all_gather(part, AXIS, axis=spec.index(AXIS), tiled=True)


def _save_all_but_gathered(primitive: Any, *_: Any, **__: Any) -> bool:
    """Return whether the backward pass stores a value: all but the gathered parameters."""
    return primitive is not jax.lax.all_gather_p


def _mean(grad: jax.Array, spec: PartitionSpec) -> jax.Array:
    """Average over the devices; the gradient of a gathered parameter is their sum already."""
    return grad / jax.device_count() if AXIS in spec else jax.lax.pmean(grad, AXIS)


MAPPINGS: dict[str, Callable[[], Mapping]] = {
    "pmap": Pmap,
    "shard_map": ShardMap,
    "fsdp": Fsdp,
}


def shardings(mapping: Mapping, tree: Any) -> Any:
    """Return the sharding of each leaf under a mapping."""
    mesh = device_mesh()
    return jax.tree.map(lambda leaf: NamedSharding(mesh, mapping.spec(leaf)), tree)


class ParallelStep:
    """``(state, rows of this host, number of the batch) -> (state, metrics)`` over all devices.

    Raises:
      ValueError: the global batch does not divide evenly over the devices.
    """

    def __init__(self, step: TrainStep, key: jax.Array, mapping: Mapping):
        if step.batch_size % jax.device_count():
            raise ValueError(
                f"batch_size = {step.batch_size} does not divide over "
                f"{jax.device_count()} devices; choose a multiple"
            )
        self._mapping = mapping
        self._step = mapping.map(step)
        self._key = self.place(jax.random.key_data(key))
        self._positions = mapping.split(self.rows(step.batch_size).astype(np.int32))

    @staticmethod
    def rows(batch_size: int) -> np.ndarray:
        """Return the positions in the global batch that this host provides."""
        share = batch_size // jax.process_count()
        return share * jax.process_index() + np.arange(share)

    def initialize(self, initial: Callable[[], TrainState]) -> TrainState:
        """Return the state before the first step, created directly in its shards."""
        parts = shardings(self._mapping, jax.eval_shape(initial))
        return jax.jit(initial, out_shardings=parts)()

    def place(self, tree: Any) -> Any:
        """Return a tree, the same on every host, on the devices as the mapped step takes it.

        Any other placement would compile the step a second time.
        """
        return jax.tree.map(_place, tree, shardings(self._mapping, tree))

    @staticmethod
    def fetch(tree: Any) -> Any:
        """Return the whole tree as NumPy arrays; with several hosts, all of them must call it."""
        return jax.tree.map(_fetch, tree)

    def __call__(self, state: TrainState, rows: Any, step: int) -> tuple[TrainState, Metrics]:
        split = jax.tree.map(self._mapping.split, rows)
        state, metrics = self._step(state, self._key, split, self._positions, np.int32(step))
        _wait_on_cpu(metrics)
        return state, metrics


def _place(leaf: Any, sharding: NamedSharding) -> jax.Array:
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda part: whole[part])


def _fetch(leaf: Any) -> np.ndarray:
    if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
        return np.asarray(leaf)
    if leaf.is_fully_replicated:
        return np.asarray(leaf.addressable_data(0))
    return multihost_utils.process_allgather(leaf, tiled=True)


def _wait_on_cpu(metrics: Metrics) -> None:
    """Wait for the metrics on virtual CPU devices: several programs in flight would deadlock."""
    if jax.default_backend() == "cpu" and jax.device_count() > 1:
        jax.block_until_ready(metrics)
