"""The mapping of the step over devices: the same numbers whatever the mapping."""

import json
import logging
import os

import jax
import numpy as np
import pytest
import tiny

from build import build, load_dataset
from data import BatchStream
from training import MAPPINGS, ParallelStep, TrainStep, init_state

STEPS = 20
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
    """A mapped step, its batches, and the state to begin with: wide enough to be divided."""
    config = tiny.points(**{"model.hidden": 256})
    experiment = build(config, load_dataset(config))
    step = TrainStep(
        experiment.loss,
        experiment.dequantisation,
        experiment.optimizer,
        experiment.ema_decay,
        experiment.training.batch_size,
    )
    params = jax.jit(lambda key: experiment.model.init(key, experiment.dataset.shape))(
        experiment.streams["init"]
    )
    mapped = ParallelStep(step, experiment.streams["train"], MAPPINGS[mapping]())
    stream = BatchStream(experiment.dataset.train, step.batch_size, config.seed)
    return mapped, stream, mapped.place(init_state(params, experiment.optimizer))


def _run(mapped, stream, state, steps=range(STEPS)):
    """The state after some steps, and every step's loss and gradient norm."""
    found = []
    for step in steps:
        state, metrics = mapped(state, stream[step], step + 1)
        found.append((float(metrics["loss"]), float(metrics["grad_norm"])))
    return state, found


def on_many_devices():
    """What the tests below ask of a process with many devices, as JSON."""
    started = {name: _start(name) for name in MAPPINGS}
    first = jax.tree.map(np.copy, ParallelStep.fetch(started["pmap"][2]))
    found, states = {}, {}
    for name, (mapped, stream, state) in started.items():
        state, metrics = _run(mapped, stream, state)
        states[name] = mapped.fetch(state)
        apart = _apart(states[name], states["pmap"])
        found[name] = {"metrics": metrics, "apart": apart, "bytes": _bytes(state)}
    changed = _changing(started, first, ["fsdp", "pmap", "shard_map", "fsdp"])
    return found | {"changed": _apart(changed, states["pmap"]), "moved": _apart(first, changed)}


def _changing(started, state, names):
    """The state after all steps, each mapping doing its share, as from checkpoint to checkpoint."""
    each = STEPS // len(names)
    for number, name in enumerate(names):
        mapped, stream, _ = started[name]
        steps = range(number * each, (number + 1) * each)
        state = mapped.fetch(_run(mapped, stream, mapped.place(state), steps)[0])
    return state


def _apart(a, b):
    """The largest difference of two states, relative to the size of each leaf."""
    size = lambda leaf: max(float(np.abs(leaf).max()), 1e-3)  # noqa: E731
    apart = jax.tree.map(lambda x, y: float(np.abs(x - y).max()) / size(y), a, b)
    return max(jax.tree.leaves(apart))


def _bytes(state):
    """Of parameters, their average and the optimiser's state: on the first device, and in all."""
    leaves = jax.tree.leaves((state.params, state.ema_params, state.opt_state))
    on_first = sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves)
    return on_first, sum(leaf.nbytes for leaf in leaves)


@pytest.fixture(scope="module")
def one_device():
    found = {}
    for name in MAPPINGS:
        state, metrics = _run(*_start(name))
        found[name] = ParallelStep.fetch(state), metrics
    return found


@pytest.fixture(scope="module")
def many_devices():
    """``on_many_devices`` of a process with eight virtual devices."""
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
def test_every_mapping_trains_as_pmap_does_on_eight_devices(many_devices, name):
    """Parameters, average, optimiser; losses and gradient norms."""
    assert many_devices[name]["apart"] < 1e-5
    np.testing.assert_allclose(
        many_devices[name]["metrics"], many_devices["pmap"]["metrics"], rtol=1e-5
    )


def test_a_run_may_change_its_mapping(many_devices):
    assert many_devices["changed"] < 1e-5 < many_devices["moved"]


def test_a_device_holds_its_part_of_the_state_alone(many_devices):
    divided, whole = many_devices["fsdp"]["bytes"]
    assert divided < 1.2 * whole / DEVICES  # small leaves are on all
    assert many_devices["pmap"]["bytes"] == [whole, whole]


@pytest.mark.parametrize("name", MAPPINGS)
def test_the_step_is_compiled_once(name, caplog):
    mapped, stream, state = _start(name)
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        state, _ = mapped(state, stream[0], 1)
        jax.block_until_ready(state)
        first = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
        caplog.clear()
        for step in (1, 2):
            state, _ = mapped(state, stream[step], step + 1)
        jax.block_until_ready(state)
        later = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert first
    assert later == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_state_read_from_a_file_does_not_compile_the_step_again(name, caplog):
    mapped, stream, state = _start(name)
    state, _ = mapped(state, stream[0], 1)
    restored = mapped.place(mapped.fetch(state))
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        jax.block_until_ready(mapped(restored, stream[1], 2))
    assert [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()] == []


def test_a_batch_that_does_not_divide_over_the_devices_names_its_key(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 3)
    with pytest.raises(ValueError, match=r"config\.training\.batch_size = 16 .* 3 devices"):
        _start("pmap")


def test_hosts_share_the_rows_of_a_batch(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    rows = []
    for host in range(4):
        monkeypatch.setattr(jax, "process_index", lambda host=host: host)
        rows.append(ParallelStep.rows(12))
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(12))
    assert {len(share) for share in rows} == {3}
