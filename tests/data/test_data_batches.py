import numpy as np
import pytest

from gradlog.data.batches import BatchStream
from gradlog.data.dataset import DataError

N = 23


@pytest.fixture
def source():
    return np.arange(N * 2).reshape(N, 2)


class CountingSource:
    """An array that remembers which rows were read."""

    def __init__(self, array):
        self.array, self.read = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, indices, /):
        self.read += list(indices)
        return self.array[indices]


def _stream_of_indices(batch_size, steps, seed=0):
    stream = BatchStream(np.zeros((N, 1)), batch_size, seed)
    return np.concatenate([stream.indices(step) for step in range(steps)])


@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
def test_every_epoch_is_a_permutation_and_no_example_is_dropped(batch_size):
    stream = _stream_of_indices(batch_size, steps=-(-5 * N // batch_size))
    epochs = stream[: 5 * N].reshape(5, N)
    for epoch in epochs:
        assert sorted(epoch) == list(range(N))
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_the_order_of_examples_does_not_depend_on_the_batch_size():
    np.testing.assert_array_equal(_stream_of_indices(4, 30), _stream_of_indices(60, 2))


def test_a_batch_holds_the_examples_of_its_indices(source):
    stream = BatchStream(source, 7, seed=1)
    for step in (0, 3, 11):
        np.testing.assert_array_equal(stream[step], source[stream.indices(step)])


def test_a_batch_depends_on_seed_and_step_alone(source):
    in_order = [BatchStream(source, 7, 2)[s] for s in range(12)]
    stream = BatchStream(source, 7, seed=2)
    for step in (11, 0, 5, 5, 3):
        np.testing.assert_array_equal(stream[step], in_order[step])
    assert not np.array_equal(in_order[0], BatchStream(source, 7, 3)[0])
    assert not np.array_equal(in_order[0], in_order[1])


def test_a_far_step_needs_no_earlier_ones(source):
    batch = BatchStream(source, N, 0)[10**12]
    assert sorted(batch[:, 0]) == sorted(source[:, 0])


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
@pytest.mark.parametrize("step", [0, 1, 4])
def test_the_slices_of_all_hosts_form_the_global_batch(source, hosts, step):
    stream = BatchStream(source, 15, seed=0)  # step 1 crosses the border between two epochs
    size = 15 // hosts
    parts = [stream.slice(step, h * size, (h + 1) * size) for h in range(hosts)]
    np.testing.assert_array_equal(np.concatenate(parts), stream[step][: size * hosts])


def test_a_host_reads_only_its_rows(source):
    counting = CountingSource(source)
    stream = BatchStream(counting, 15, seed=0)
    part = stream.slice(1, 5, 10)
    assert counting.read == stream.indices(1)[5:10].tolist()
    np.testing.assert_array_equal(part, source[counting.read])


def test_labels_follow_the_images(source):
    labels = 10 * np.arange(N)
    stream = BatchStream(source, 7, seed=0)
    np.testing.assert_array_equal(labels[stream.indices(4)], 5 * stream[4][:, 0])


def test_the_order_is_pinned():
    # The data of a resumed run: it must not change with NumPy or with this file.
    assert BatchStream(np.zeros((5, 1)), 8, seed=0).indices(0).tolist() == [1, 4, 2, 0, 3, 2, 3, 1]


def test_a_batch_is_a_copy(source):
    stream = BatchStream(source, 7, seed=0)
    before = stream[0].copy()
    stream[0][:] = -1
    stream.indices(0)[:] = 0
    np.testing.assert_array_equal(stream[0], before)


@pytest.mark.parametrize(
    ("batch_size", "seed", "message"), [(0, 0, "batch size = 0"), (2, -1, "seed = -1")]
)
def test_invalid_arguments_are_refused(source, batch_size, seed, message):
    with pytest.raises(DataError, match=message):
        BatchStream(source, batch_size, seed)


def test_rows_outside_the_batch_are_refused(source):
    with pytest.raises(DataError, match="empty"):
        BatchStream(source[:0], 2, 0)
    stream = BatchStream(source, 4, 0)
    for step, start, stop in ((-1, 0, 4), (0, -1, 4), (0, 3, 2), (0, 0, 5)):
        with pytest.raises(IndexError):
            stream.slice(step, start, stop)
