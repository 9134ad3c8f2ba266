import dataclasses

import numpy as np
import pytest

from gradlog.data.dataset import (
    DataError,
    fingerprint_of_arrays,
    from_arrays,
    permutation,
    split_indices,
)


def _images(n=6, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 17, (n, 2, 3, 1)).astype(dtype)


def _fingerprint(**changes):
    default = {"train": _images(), "test": _images(4, 1), "levels": 17}
    return from_arrays("some", **(default | changes)).fingerprint


def test_from_arrays_keeps_its_arguments():
    train, test = _images(), _images(4, 1)
    made = from_arrays("some", train, test, levels=17)
    assert (made.name, made.shape, made.levels) == ("some", (2, 3, 1), 17)
    np.testing.assert_array_equal(made.train[np.arange(6)], train)
    np.testing.assert_array_equal(made.test[np.arange(4)], test)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.levels = 3  # type: ignore[misc]


def test_fingerprint_is_stable():
    # Written down once: a change would disown every number that carries it.
    assert fingerprint_of_arrays(17, np.arange(6, dtype=np.uint8).reshape(2, 3), None) == (
        "65a13e7aecfd97e2"
    )
    assert _fingerprint() == _fingerprint(train=_images().copy(order="F"))
    big_endian = _images(dtype=np.uint16).astype(">u2")
    assert _fingerprint(train=_images(dtype=np.uint16), test=_images(dtype=np.uint16)) == (
        _fingerprint(train=big_endian, test=big_endian)
    )


def test_every_change_changes_the_fingerprint():
    one_off = _images()
    one_off[3, 1, 2, 0] ^= 1
    labels = np.arange(6)
    found = [
        _fingerprint(),
        _fingerprint(train=one_off),
        _fingerprint(train=_images()[::-1]),
        _fingerprint(train=_images(4, 1), test=_images()),
        _fingerprint(levels=256),
        _fingerprint(levels=None),
        _fingerprint(train=_images().reshape(6, 3, 2, 1), test=_images(4, 1).reshape(4, 3, 2, 1)),
        _fingerprint(train=_images(dtype=np.uint16), test=_images(4, 1, np.uint16)),
        _fingerprint(train_labels=labels),
        _fingerprint(test_labels=labels),
        _fingerprint(train_labels=labels[::-1]),
    ]
    assert len(set(found)) == len(found)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in found)


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="the test set is empty"):
        from_arrays("some", _images(), _images(0), levels=17)
    with pytest.raises(DataError, match="the training set is empty"):
        from_arrays("some", _images(0), _images(), levels=17)
    with pytest.raises(DataError, match=r"uint8 \(2, 3, 1\).*uint16 \(2, 3, 1\)"):
        from_arrays("some", _images(), _images(dtype=np.uint16), levels=17)
    with pytest.raises(DataError, match=r"\(2, 3, 1\).*\(3, 2, 1\)"):
        from_arrays("some", _images(), _images().reshape(6, 3, 2, 1), levels=17)


def test_permutation_is_pinned():
    # Fixed splits and resumed runs rest on these values.
    assert permutation(8, 0).tolist() == [0, 3, 7, 5, 1, 2, 6, 4]
    assert permutation(8, 3, 1).tolist() == [1, 2, 0, 6, 7, 5, 4, 3]


def test_permutation_depends_on_its_whole_address():
    found = [permutation(50, *a).tolist() for a in ((0,), (1,), (0, 0), (0, 1), (0, 0, 0), (1, 0))]
    assert all(sorted(one) == list(range(50)) for one in found)
    assert len({tuple(one) for one in found}) == len(found)


def test_permutation_is_uniform():
    places = np.array([permutation(4, seed)[0] for seed in range(400)])
    assert np.bincount(places, minlength=4).min() > 70


def test_split_is_a_partition_of_the_stated_size():
    train, test = split_indices(103, test_fraction=0.1, seed=4)
    assert (len(train), len(test)) == (93, 10)
    assert sorted([*train, *test]) == list(range(103))
    again = split_indices(103, test_fraction=0.1, seed=4)
    np.testing.assert_array_equal(test, again[1])
    assert test.tolist() != split_indices(103, test_fraction=0.1, seed=5)[1].tolist()
    assert test.tolist() != list(range(93, 103))


@pytest.mark.parametrize(("length", "fraction", "sizes"), [(2, 0.01, (1, 1)), (3, 0.99, (1, 2))])
def test_split_leaves_no_set_empty(length, fraction, sizes):
    train, test = split_indices(length, test_fraction=fraction, seed=0)
    assert (len(train), len(test)) == sizes


def test_split_errors():
    with pytest.raises(DataError, match=r"1 example\(s\) cannot be split"):
        split_indices(1, test_fraction=0.5, seed=0)
    for fraction in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(DataError, match="test_fraction"):
            split_indices(10, test_fraction=fraction, seed=0)
    with pytest.raises(DataError, match="seed = -1"):
        split_indices(10, test_fraction=0.5, seed=-1)
