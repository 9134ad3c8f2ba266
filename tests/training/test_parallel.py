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
from training import MAPPINGS, ParallelStep, TrainStep, init_state, replicate

STEPS = 20
DEVICES = 8
ON_DEVICES = {
    "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={DEVICES}",
    "JAX_PLATFORMS": "cpu",
}
SCRIPT = """
import json, conftest, jax, test_parallel
assert jax.device_count() == test_parallel.DEVICES
runs = {name: test_parallel.run(name)[1] for name in test_parallel.MAPPINGS}
print(json.dumps(runs))
"""


def _start(mapping, **overrides):
    """A mapped step, its batches, and the state to begin with."""
    config = tiny.points(**overrides)
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
    return mapped, stream, replicate(init_state(params, experiment.optimizer))


def run(mapping, steps=STEPS):
    """The state after some steps, and every step's loss and gradient norm."""
    mapped, stream, state = _start(mapping)
    found = []
    for step in range(steps):
        state, metrics = mapped(state, stream[step])
        found.append((float(metrics["loss"]), float(metrics["grad_norm"])))
    return jax.device_get(state), found


@pytest.fixture(scope="module")
def one_device():
    return {name: run(name) for name in MAPPINGS}


@pytest.fixture(scope="module")
def many_devices():
    """The losses and gradient norms of a process with eight virtual devices."""
    script = f"import sys; sys.path.append('tests/training')\n{SCRIPT}"
    return json.loads(tiny.python("-c", script, environment=ON_DEVICES)[-1])


def test_both_mappings_give_the_same_parameters_on_one_device(one_device):
    tiny.assert_bitwise_equal(one_device["pmap"][0], one_device["shard_map"][0])
    assert one_device["pmap"][1] == one_device["shard_map"][1]


@pytest.mark.parametrize("name", MAPPINGS)
def test_eight_devices_give_the_losses_of_one(one_device, many_devices, name):
    alone, together = np.array(one_device[name][1]), np.array(many_devices[name])
    assert together.shape == (STEPS, 2)
    assert len(np.unique(together[:, 0])) == STEPS
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("name", MAPPINGS)
def test_the_step_is_compiled_once(name, caplog):
    mapped, stream, state = _start(name)
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        state, _ = mapped(state, stream[0])
        jax.block_until_ready(state)
        first = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
        caplog.clear()
        for step in (1, 2):
            state, _ = mapped(state, stream[step])
        jax.block_until_ready(state)
        later = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert first
    assert later == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_state_read_from_a_file_does_not_compile_the_step_again(name, caplog):
    mapped, stream, state = _start(name)
    state, _ = mapped(state, stream[0])
    restored = replicate(jax.tree.map(np.asarray, jax.device_get(state)))
    with jax.log_compiles(), caplog.at_level(logging.WARNING, logger="jax"):
        jax.block_until_ready(mapped(restored, stream[1]))
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
