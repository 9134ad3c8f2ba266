"""Names of the arrays of a state, and packs of small ones."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.storage.state_arrays import (
    assign_places,
    match_names,
    pack,
    read_arrays,
    unpack,
    write_arrays,
)

RNG = np.random.default_rng(0)
ARRAYS = {
    "z": RNG.standard_normal((300, 300)).astype(np.float32),
    **{f"a{i}": RNG.standard_normal((i + 1, 3)).astype(np.float32) for i in range(5)},
    "count": np.array(3, np.int32),
    "empty": np.zeros((0, 2), np.float32),
    "b16": np.arange(4).astype(jnp.bfloat16),
}


def test_small_arrays_of_a_type_share_a_pack_and_come_back():
    places = assign_places(ARRAYS)
    stored = pack(ARRAYS, places)
    assert set(stored) == {"z", "packed float32 0", "packed int32 0", "packed bfloat16 0"}
    assert stored["packed float32 0"].shape == (45,)
    found = unpack(stored, places, {name: array.shape for name, array in ARRAYS.items()})
    assert found.keys() == ARRAYS.keys() - {"empty"}
    for name, array in found.items():
        assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
        assert array.tobytes() == ARRAYS[name].tobytes()


def test_the_order_of_the_names_does_not_matter():
    backwards = dict(reversed(ARRAYS.items()))
    assert assign_places(backwards) == assign_places(ARRAYS)
    a, b = (pack(arrays, assign_places(arrays)) for arrays in (ARRAYS, backwards))
    assert all(a[name].tobytes() == b[name].tobytes() for name in a.keys() | b.keys())


def test_packs_have_a_largest_size():
    arrays = {f"a{i:03}": np.zeros(2**15, np.float32) for i in range(300)}  # 128 KiB each
    sizes = {name: array.nbytes for name, array in pack(arrays, assign_places(arrays)).items()}
    assert len(sizes) == 3
    assert max(sizes.values()) <= 2**24 + 2**18


@pytest.mark.parametrize("lost", ["z", "packed float32 0"])
def test_an_array_that_is_not_stored_is_an_error(lost):
    places = assign_places(ARRAYS)
    stored = pack(ARRAYS, places)
    del stored[lost]
    with pytest.raises(KeyError):
        unpack(stored, places, {name: array.shape for name, array in ARRAYS.items()})


NEW = ["step", "skipped", "params.network.Dense_0.bias", "ema.network.Dense_0.bias"]
NEW += ["opt_state.network.0.mu.Dense_0.bias", "opt_state.network.0.count"]
OLD = ["step", "skipped", "params.Dense_0.bias", "ema_params.Dense_0.bias"]
OLD += ["opt_state.0.mu.Dense_0.bias", "opt_state.0.count"]


def test_names_of_version_0_1_get_the_group_of_the_state():
    assert match_names(OLD, NEW) == dict(zip(OLD, NEW, strict=True))
    named = [name.replace(".network", ".classifier") for name in NEW]
    assert match_names(OLD, named) == dict(zip(OLD, named, strict=True))


def test_with_several_groups_the_old_parameters_are_the_network():
    several = [*NEW, "params.process.beta_max", "ema.process.beta_max"]
    assert match_names(OLD, several) == dict(zip(OLD, NEW, strict=True))


@pytest.mark.parametrize("names", [NEW, OLD, ["x"], []])
def test_names_that_match_are_not_changed(names):
    assert match_names(names, names) == {name: name for name in names}


def test_a_state_without_averages_keeps_its_names():
    assert match_names(["params.bias"], NEW) == {"params.bias": "params.bias"}


def test_reading_and_writing_change_no_hook_of_the_process(tmp_path):
    before = threading.excepthook, list(logging.getLogger("absl").filters)
    (tmp_path / "a").mkdir()
    write_arrays(tmp_path / "a", {"x": np.arange(3)})
    with ThreadPoolExecutor(4) as pool:  # calls that overlap
        found = list(pool.map(lambda _: read_arrays(tmp_path / "a", ["x"]), range(8)))
    assert all((each["x"] == np.arange(3)).all() for each in found)
    with pytest.raises(Exception, match="nothing"):
        read_arrays(tmp_path / "nothing", ["x"])
    assert (threading.excepthook, logging.getLogger("absl").filters) == before
