"""Tests that the mapping of the step over devices does not change the numbers."""

import json
import logging
import os

import jax
import numpy as np
import pytest
import tiny

from gradlog.data import BatchStream
from gradlog.evaluation.score_training import initial_state, parallel_step
from gradlog.experiment.build import build, load_dataset
from gradlog.training import MAPPINGS, ParallelStep, ScoreModelTraining, TrainStep, init_state

STEPS = 8
DEVICES = 8
ON_DEVICES = {
    "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={DEVICES}",
    "JAX_PLATFORMS": "cpu",
}
SCRIPT = """
import conftest, json, jax, test_parallel
assert jax.device_count() == test_parallel.DEVICES
print(json.dumps(test_parallel.on_many_devices()))
"""


def _start(mapping):
    """Return a mapped step, its batches, and a first state that is wide enough to be divided.

    Adam divides a gradient that is zero up to rounding by itself, which magnifies the order of a
    sum. A larger eps avoids this.
    """
    config = tiny.points(**{"model.hidden": 256, "optimizer.adam_eps": 1e-5})
    experiment = build(config, load_dataset(config))
    trainable = ScoreModelTraining(experiment.model, experiment.objective, experiment.dataset.shape)
    step = TrainStep(trainable, experiment.groups, experiment.training.batch_size)
    params = jax.jit(trainable.init)(experiment.streams["init"])
    mapped = ParallelStep(step, experiment.streams["train"], MAPPINGS[mapping]())
    stream = BatchStream(experiment.dataset.train, step.batch_size, config.seed)
    return mapped, stream, mapped.place(init_state(params, experiment.groups))


def _run(mapped, stream, state, steps=range(STEPS)):
    """Return the state after some steps, and every step's loss and gradient norm."""
    found = []
    for step in steps:
        state, metrics = mapped(state, stream[step], step + 1)
        found.append((float(metrics["loss"]), float(metrics["grad_norm"])))
    return state, found


def on_many_devices():
    """Return the results of a process with many devices for the tests below, as JSON."""
    started = {name: _start(name) for name in MAPPINGS}
    first = jax.tree.map(np.copy, ParallelStep.fetch(started["pmap"][2]))
    found, states = {}, {}
    for name, (mapped, stream, state) in started.items():
        state, metrics = _run(mapped, stream, state)
        states[name] = mapped.fetch(state)
        apart = _apart(states[name], states["pmap"])
        found[name] = {"metrics": metrics, "apart": apart, "bytes": _bytes(state)}
        found[name] |= {"gathers": _gathers(mapped, stream, state), "matrices": _matrices(state)}
        found[name]["stood_still"] = _stands_still(mapped, stream, state)
    changed = _changing(started, first, ["fsdp", "pmap", "shard_map", "fsdp"])
    return found | {"changed": _apart(changed, states["pmap"]), "moved": _apart(first, changed)}


def _changing(started, state, names):
    """Return the state after all steps, with each mapping for a part, as between checkpoints."""
    each = STEPS // len(names)
    for number, name in enumerate(names):
        mapped, stream, _ = started[name]
        steps = range(number * each, (number + 1) * each)
        state = mapped.fetch(_run(mapped, stream, mapped.place(state), steps)[0])
    return state


def _apart(a, b):
    """Return the largest difference of two states, relative to the size of each leaf."""
    size = lambda leaf: max(float(np.abs(leaf).max()), 1e-3)  # noqa: E731
    apart = jax.tree.map(lambda x, y: float(np.abs(x - y).max()) / size(y), a, b)
    return max(jax.tree.leaves(apart))


def _gathers(mapped, stream, state):
    """Return how often the program of a step gathers a parameter, before compilation."""
    step = jax.make_jaxpr(lambda state: mapped(state, stream[STEPS], STEPS + 1))
    return str(step(state)).count("= all_gather[")


def _matrices(state):
    """Return the number of matrices that a device holds in part, for the backward pass."""
    leaves = jax.tree.leaves(state.params)
    return sum(leaf.ndim > 1 and not leaf.is_fully_replicated for leaf in leaves)


def _stands_still(mapped, stream, state):
    """Return whether a NaN datum on one device leaves the state unchanged on all."""
    before = jax.tree.map(np.copy, mapped.fetch(state))
    rows = np.array(stream[STEPS], np.float32)
    rows[0] = np.nan
    after = mapped.fetch(mapped(state, rows, STEPS + 1)[0])
    return all(map(np.array_equal, jax.tree.leaves(before), jax.tree.leaves(after)))


def _bytes(state):
    """Return bytes of parameters, average and optimizer state: on the first device, and in all."""
    leaves = jax.tree.leaves((state.params, state.ema, state.opt_state))
    on_first = sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves)
    return on_first, sum(leaf.nbytes for leaf in leaves)


class _Compiled(logging.Handler):
    """What JAX says that it compiles."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        if "Compiling" in record.getMessage():
            self.said.append(record.getMessage())

    def take(self):
        """Return what was said since the last time."""
        said, self.said = self.said, []
        return said


@pytest.fixture(scope="module")
def one_device():
    """Return by mapping the state, the metrics, and what was compiled in each part of the run."""
    found, compiled = {}, _Compiled()
    logging.getLogger("jax").addHandler(compiled)
    try:
        for name in MAPPINGS:
            mapped, stream, state = _start(name)
            with jax.log_compiles():
                compiled.take()
                state, first = _run(mapped, stream, state, range(1))
                said = {"first": compiled.take()}
                state, later = _run(mapped, stream, state, range(1, STEPS))
                said["later"] = compiled.take()
                end = jax.tree.map(np.copy, mapped.fetch(state))
                restored = mapped.place(end)
                compiled.take()
                jax.block_until_ready(mapped(restored, stream[STEPS], STEPS + 1))
                said["restored"] = compiled.take()
            found[name] = end, first + later, said
    finally:
        logging.getLogger("jax").removeHandler(compiled)
    return found


@pytest.fixture(scope="module")
def many_devices():
    """Return `on_many_devices` from a process with eight virtual devices."""
    script = f"import sys; sys.path.append('tests/training')\n{SCRIPT}"
    return json.loads(tiny.python("-c", script, environment=ON_DEVICES)[-1])


@pytest.mark.parametrize("name", sorted(set(MAPPINGS) - {"pmap"}))
def test_every_mapping_gives_the_same_parameters_on_one_device(one_device, name):
    tiny.assert_bitwise_equal(one_device["pmap"][0], one_device[name][0])
    assert one_device["pmap"][1] == one_device[name][1]


@pytest.mark.parametrize("name", MAPPINGS)
def test_eight_devices_give_the_losses_of_one(one_device, many_devices, name):
    alone, together = np.array(one_device[name][1]), np.array(many_devices[name]["metrics"])
    assert together.shape == (STEPS, 2)
    assert len(np.unique(together[:, 0])) == STEPS
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(set(MAPPINGS) - {"pmap"}))
def test_every_mapping_agrees_with_pmap_on_eight_devices(many_devices, name):
    """In parameters, average and optimizer state; in losses and gradient norms."""
    assert many_devices[name]["apart"] < 1e-5
    np.testing.assert_allclose(
        many_devices[name]["metrics"], many_devices["pmap"]["metrics"], rtol=1e-5
    )


def test_run_can_change_its_mapping(many_devices):
    assert many_devices["changed"] < 1e-5 < many_devices["moved"]


def test_device_holds_only_its_part_of_the_state(many_devices):
    divided, whole = many_devices["fsdp"]["bytes"]
    assert divided < 1.2 * whole / DEVICES  # small leaves are on all
    assert many_devices["pmap"]["bytes"] == [whole, whole]


@pytest.mark.parametrize("name", MAPPINGS)
def test_nan_datum_stops_all_devices(many_devices, name):
    assert many_devices[name]["stood_still"]


def test_parameters_are_gathered_again_in_the_backward_pass(many_devices):
    """Read from the program before compilation: XLA on CPU merges both gathers into one."""
    gathers, matrices = many_devices["fsdp"]["gathers"], many_devices["fsdp"]["matrices"]
    assert gathers == 2 * matrices - 1 > 1  # the first layer hands no gradient on
    assert many_devices["shard_map"]["gathers"] == 0


@pytest.mark.parametrize("name", MAPPINGS)
def test_initial_state_is_created_in_its_shards(name):
    config = tiny.points(**{"training.parallel": name})
    experiment = build(config, load_dataset(config))
    step_fn = parallel_step(experiment)
    made = step_fn.initialize(lambda: initial_state(experiment))
    placed = step_fn.place(initial_state(experiment))
    tiny.assert_bitwise_equal(step_fn.fetch(made), step_fn.fetch(placed))
    assert jax.tree.map(lambda a: a.sharding, made) == jax.tree.map(lambda a: a.sharding, placed)


@pytest.mark.parametrize("name", MAPPINGS)
def test_step_is_compiled_once(one_device, name):
    said = one_device[name][2]
    assert said["first"]
    assert said["later"] == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_restored_state_does_not_compile_the_step_again(one_device, name):
    assert one_device[name][2]["restored"] == []


def test_batch_that_does_not_divide_over_the_devices_raises(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 3)
    with pytest.raises(ValueError, match=r"batch_size = 16 .* 3 devices"):
        _start("pmap")


def test_hosts_share_the_rows_of_a_batch(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    rows = []
    for host in range(4):
        monkeypatch.setattr(jax, "process_index", lambda host=host: host)
        rows.append(ParallelStep.rows(12))
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(12))
    assert {len(share) for share in rows} == {3}
