import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.storage.packing import packed, places_of, unpacked

RNG = np.random.default_rng(0)
ARRAYS = {
    "z": RNG.standard_normal((300, 300)).astype(np.float32),
    **{f"a{i}": RNG.standard_normal((i + 1, 3)).astype(np.float32) for i in range(5)},
    "count": np.array(3, np.int32),
    "empty": np.zeros((0, 2), np.float32),
    "b16": np.arange(4).astype(jnp.bfloat16),
}


def test_small_arrays_of_a_type_are_put_together_and_come_back():
    places = places_of(ARRAYS)
    stored = packed(ARRAYS, places)
    assert set(stored) == {"z", "packed float32 0", "packed int32 0", "packed bfloat16 0"}
    assert stored["packed float32 0"].shape == (45,)
    found = unpacked(stored, places, {name: array.shape for name, array in ARRAYS.items()})
    assert found.keys() == ARRAYS.keys() - {"empty"}
    for name, array in found.items():
        assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
        assert array.tobytes() == ARRAYS[name].tobytes()


def test_the_order_of_the_names_does_not_matter():
    backwards = dict(reversed(ARRAYS.items()))
    assert places_of(backwards) == places_of(ARRAYS)
    a, b = (packed(arrays, places_of(arrays)) for arrays in (ARRAYS, backwards))
    assert all(a[name].tobytes() == b[name].tobytes() for name in a.keys() | b.keys())


def test_packs_do_not_grow_without_end():
    arrays = {f"a{i:03}": np.zeros(2**15, np.float32) for i in range(300)}  # 128 KiB each
    sizes = {name: array.nbytes for name, array in packed(arrays, places_of(arrays)).items()}
    assert len(sizes) == 3
    assert max(sizes.values()) <= 2**24 + 2**18


@pytest.mark.parametrize("lost", ["z", "packed float32 0"])
def test_what_is_not_stored_does_not_come_back(lost):
    places = places_of(ARRAYS)
    stored = packed(ARRAYS, places)
    del stored[lost]
    with pytest.raises(KeyError):
        unpacked(stored, places, {name: array.shape for name, array in ARRAYS.items()})
