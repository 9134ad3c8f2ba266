import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from storage import CheckpointError, Checkpoints
from training import init_state

PARAMS = {
    "dense": {"kernel": np.array([[1e-45, np.inf], [-0.0, np.nan]], np.float32)},
    "scale": np.float32(0.1) * np.ones((), np.float32),
}


def _state(step, optimizer=None):
    """A state in the middle of a training, every leaf different from its initial value."""
    optimizer = optimizer or optax.MultiSteps(optax.adamw(1e-3), 2).gradient_transformation()
    state = init_state(PARAMS, optimizer)
    leaves, tree = jax.tree.flatten(jax.device_get(state))
    moved = [
        leaf if np.isnan(leaf).any() else (leaf + i).astype(leaf.dtype)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(tree, moved).replace(step=np.asarray(step, np.int32))


@pytest.fixture
def saved(tmp_path):
    """A folder with a checkpoint of step 7, and the state in it."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(7, _state(7))
    checkpoints.finish()
    checkpoints.close()
    return tmp_path / "checkpoints", _state(7)


def _leaves_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def test_a_state_comes_back_bit_for_bit_with_its_optimizer_and_its_step(saved):
    folder, state = saved
    like = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, state))
    found = Checkpoints(folder).restore(7, like)
    _leaves_equal(found, state)
    assert int(found.step) == 7
    assert isinstance(found.opt_state, optax.MultiStepsState)


def test_a_state_on_devices_is_saved_as_it_was_then(tmp_path):
    """The buffers of a state are given to the next step while the file is still being written."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    state = {"x": jnp.arange(1000.0)}
    checkpoints.save(1, state)
    state = jax.jit(lambda s: jax.tree.map(lambda x: x * 0 - 1, s), donate_argnums=0)(state)
    checkpoints.finish()
    found = checkpoints.restore(1, state)
    np.testing.assert_array_equal(found["x"], np.arange(1000.0, dtype=np.float32))


@pytest.mark.parametrize(("keep", "kept"), [(1, [4]), (2, [3, 4]), (0, [1, 2, 3, 4])])
def test_the_newest_are_kept(tmp_path, keep, kept):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=keep)
    for step in (1, 2, 3, 4):
        checkpoints.save(step, {"x": np.full(3, step, np.float32)})
    checkpoints.finish()
    assert checkpoints.steps() == kept
    assert checkpoints.latest() == 4
    checkpoints.close()
    assert Checkpoints(tmp_path / "checkpoints").steps() == kept


def test_a_step_that_is_there_is_left_as_it_is(saved):
    folder, state = saved
    checkpoints = Checkpoints(folder)
    checkpoints.save(7, jax.tree.map(np.zeros_like, state))
    checkpoints.finish()
    _leaves_equal(checkpoints.restore(7, state), state)


def test_a_missing_step_is_named_with_those_there_are(saved):
    folder, state = saved
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 8 .*there are \[7\]"):
        Checkpoints(folder).restore(8, state)


def test_a_new_folder_has_no_steps(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.steps() == []
    assert checkpoints.latest() is None


OTHERS = {
    "another shape": lambda x: np.zeros((3, 2), x.dtype),
    "as many numbers in another shape": lambda x: np.zeros((4,), x.dtype),
    "another type": lambda x: np.zeros(x.shape, np.float16),
    "a wider type": lambda x: np.zeros(x.shape, np.float64),
}


@pytest.mark.parametrize("other", OTHERS)
def test_arrays_of_other_shapes_and_types_are_refused_never_cast(saved, other):
    folder, state = saved
    kernel = OTHERS[other](state.params["dense"]["kernel"])
    like = state.replace(params={**state.params, "dense": {"kernel": kernel}})
    expected = r"step 7 .* params\.dense\.kernel is float32 \(2, 2\) there, float"
    with pytest.raises(CheckpointError, match=expected):
        Checkpoints(folder).restore(7, like)


def test_an_array_too_many_or_too_few_is_refused(saved):
    folder, state = saved
    more = state.replace(params={**state.params, "bias": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match="bias is nothing there, float32"):
        Checkpoints(folder).restore(7, more)
    fewer = state.replace(params={"dense": state.params["dense"]})
    with pytest.raises(CheckpointError, match=r"scale is float32 \(\) there, nothing here"):
        Checkpoints(folder).restore(7, fewer)


def test_another_optimizer_is_refused(saved):
    folder, _ = saved
    with pytest.raises(CheckpointError, match=r"step 7 .* opt_state"):
        Checkpoints(folder).restore(7, _state(7, optax.sgd(0.1, momentum=0.9)))


# Orbax leaves the reader of a broken file behind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("lost", ["*", "d/*", "_METADATA"])
def test_a_half_deleted_checkpoint_is_one_line(saved, lost):
    folder, state = saved
    files = [path for path in (folder / "7" / "default").glob(lost) if path.is_file()]
    assert files
    for path in files:
        path.unlink()
    checkpoints = Checkpoints(folder)
    with pytest.raises(CheckpointError, match="checkpoint of step 7") as caught:
        checkpoints.restore(7, state)
    checkpoints.close()
    assert "\n" not in str(caught.value)
