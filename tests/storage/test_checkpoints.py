import errno
import json
import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradlog.storage import (
    CheckpointError,
    Checkpoints,
    DamagedError,
    MissingError,
    Retention,
    manifest,
)
from gradlog.storage import checkpoints as module
from gradlog.training import init_state

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
    checkpoints = Checkpoints(tmp_path / "checkpoints", Retention(keep))
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


@pytest.mark.parametrize("lost", ["*", "d/*", "_METADATA"])
def test_a_half_deleted_checkpoint_is_one_line(saved, lost):
    folder, state = saved
    files = [path for path in (folder / "7" / "state").glob(lost) if path.is_file()]
    assert files
    for path in files:
        path.unlink()
    with pytest.raises(DamagedError, match=r"step 7 .* is damaged: state/.* is missing") as caught:
        Checkpoints(folder).restore(7, state)
    assert "\n" not in str(caught.value)


LEAVES = {
    "bfloat16": jnp.array([1.0, 3e-39, np.inf], jnp.bfloat16),
    "half": np.array([1e-7, -0.0], np.float16),
    "scalar of NumPy": np.float32(0.1),
    "array of no dimension": np.array(7, np.int8),
    "Python's number": 3,
    "no element": np.zeros((0, 3), np.float64),
    "no element in bfloat16": jnp.zeros((2, 0), jnp.bfloat16),
    "truth": np.array([True, False]),
    "key data": jax.random.key_data(jax.random.key(3)),
    "not contiguous": np.arange(12, dtype=np.float32).reshape(3, 4).T[::2],
    "complex": np.array([1j, np.nan], np.complex64),
}


def test_every_type_of_array_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, LEAVES)
    checkpoints.close()
    assert checkpoints.verify(1) == []
    found = Checkpoints(tmp_path).restore(1, LEAVES)
    _leaves_equal(found, jax.tree.map(np.asarray, LEAVES))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize(
    ("leaf", "told"),
    [
        (jax.random.key(0), "key<fry>"),
        (np.array([None]), r"\|O"),
        ("a", "<U1"),
        (np.array([1, 2], ">i4"), ">i4"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_before_anything_is_written(tmp_path, leaf, told):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with pytest.raises(CheckpointError, match=f"params.x is {told}, no array of numbers"):
        checkpoints.save(1, {"params": {"x": leaf}})
    assert not (tmp_path / "checkpoints").exists()


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="one name"):
        Checkpoints(tmp_path).save(1, {"a.b": np.ones(1), "a": {"b": np.ones(1)}})


def test_notes_come_back_exactly(tmp_path):
    _save_each(tmp_path, {5: {"held_out_loss": np.float32(0.1), "pending": [(3, 0.1 + 0.2)]}})
    notes = Checkpoints(tmp_path).notes(5)
    assert notes == {"held_out_loss": float(np.float32(0.1)), "pending": [[3, 0.1 + 0.2]]}


def test_notes_may_hold_what_is_not_finite(tmp_path):
    _save_each(tmp_path, {5: {"pending": {10: float("nan"), 9: float("-inf")}}})
    assert Checkpoints(tmp_path).verify(5) == []
    found = Checkpoints(tmp_path).notes(5)["pending"]
    assert np.isnan(found["10"])
    assert found["9"] == -np.inf


def _save_each(folder, notes, **options):
    """Checkpoints of these steps with their notes; the array is the step."""
    checkpoints = Checkpoints(folder, **options)
    for step, note in notes.items():
        checkpoints.save(step, {"x": np.full(3, step, np.float32)}, note)
    checkpoints.close()
    return checkpoints


LIKE = {"x": np.zeros(3, np.float32)}


def _damage(folder):
    path = next(path for path in (folder / "state" / "ocdbt.process_0" / "d").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_what_retention_says_is_kept(tmp_path):
    losses = {1: 0.5, 2: 0.1, 3: 0.2, 4: None, 5: float("nan"), 6: 0.3}
    notes = {step: {"held_out_loss": loss} for step, loss in losses.items()}
    found = _save_each(tmp_path, notes, keep=Retention(last=1, every=3, best=1))
    assert found.steps() == [2, 3, 6]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["2", "3", "6"]


@pytest.mark.parametrize("known", [True, False], ids=["same process", "another process"])
def test_a_damaged_checkpoint_is_neither_deleted_nor_counted(tmp_path, known):
    keep = Retention(2)
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}}, keep=keep)
    _damage(tmp_path / "2")
    checkpoints = checkpoints if known else Checkpoints(tmp_path, keep)
    for step in (3, 4):
        checkpoints.save(step, LIKE)
    checkpoints.close()
    # Whoever wrote it has no reason to read it again before it is to go.
    assert checkpoints.steps() == [2, 3, 4]
    assert checkpoints.newest_sound() == 4


def test_one_that_lost_its_manifest_is_neither_deleted_nor_counted(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}}, keep=Retention(2))
    (tmp_path / "2" / "manifest.json").unlink()
    checkpoints.save(3, LIKE)
    checkpoints.close()
    assert checkpoints.steps() == [1, 2, 3]


def test_the_newest_sound_one_is_found_below_damaged_ones(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}, 3: {}})
    _damage(tmp_path / "3")
    shutil.rmtree(tmp_path / "2" / "state")
    assert checkpoints.latest() == 3
    assert checkpoints.newest_sound() == 1
    np.testing.assert_array_equal(checkpoints.restore(1, LIKE)["x"], 1)
    _damage(tmp_path / "1")
    assert checkpoints.newest_sound() is None


def test_a_damaged_one_is_set_aside_with_all_that_is_in_it(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}})
    contents = (tmp_path / "2" / "manifest.json").read_bytes()
    first = checkpoints.set_aside(2)
    assert first == tmp_path / "damaged" / "2"
    assert (first / "manifest.json").read_bytes() == contents
    _save_each(tmp_path, {2: {}})
    assert checkpoints.set_aside(2) == tmp_path / "damaged" / "2-1"
    assert checkpoints.steps() == [1]
    with pytest.raises(CheckpointError, match="no checkpoint of step 2"):
        checkpoints.set_aside(2)


def test_what_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch):
    """A network file system that hiccups: nothing may be moved, and no older one be taken."""
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}})

    def hiccup(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(manifest, "_file_entry", hiccup)
    for ask in (checkpoints.newest_sound, lambda: checkpoints.restore(2, LIKE)):
        with pytest.raises(CheckpointError, match=r"step 2 .* cannot be read now: Input") as error:
            ask()
        assert not isinstance(error.value, DamagedError)
    assert checkpoints.steps() == [1, 2]


def test_those_set_aside_keep_their_places_where_an_earlier_one_was_deleted(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    taken = checkpoints.directory / "damaged" / "1-1"
    taken.mkdir(parents=True)
    (taken / "evidence").touch()
    assert checkpoints.set_aside(1).name == "1"
    (checkpoints.directory / "1").mkdir()
    assert checkpoints.set_aside(1).name == "1-2"
    assert (taken / "evidence").exists()


def test_the_folder_may_be_named_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(Path("here"))
    checkpoints.save(1, {"a": np.arange(3.0)})
    checkpoints.finish()
    assert checkpoints.verify(1) == []
    found = Checkpoints(Path("here")).restore(1, {"a": np.zeros(3)})
    np.testing.assert_array_equal(found["a"], np.arange(3.0))


def test_a_damaged_one_in_the_place_of_a_step_is_set_aside_and_written_again(tmp_path):
    _save_each(tmp_path, {1: {}})
    _damage(tmp_path / "1")
    checkpoints = _save_each(tmp_path, {1: {}})
    assert checkpoints.verify(1) == []
    assert (tmp_path / "damaged" / "1").is_dir()


def test_a_checkpoint_of_another_run_is_damage(tmp_path):
    _save_each(tmp_path, {1: {}}, run="a")
    with pytest.raises(DamagedError, match="it is of another run, a"):
        Checkpoints(tmp_path, run="b").restore(1, LIKE)
    np.testing.assert_array_equal(Checkpoints(tmp_path).restore(1, LIKE)["x"], 1)


def test_a_folder_under_another_steps_name_is_damage(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    (tmp_path / "1").rename(tmp_path / "2")
    with pytest.raises(DamagedError, match="it is the checkpoint of step 1"):
        checkpoints.restore(2, LIKE)


def test_a_manifest_of_another_format_is_told(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    path = tmp_path / "1" / "manifest.json"
    whole = json.loads(path.read_bytes())
    whole["manifest"]["format"] = 2
    path.write_bytes(manifest.render(whole["manifest"]))
    assert checkpoints.verify(1) == [
        "its manifest.json has format 2, not 1: another version wrote it"
    ]


def test_only_a_number_as_it_is_written_is_a_step(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    for name in ("02", "3.0", "-4", "5 ", "six", "²", "damaged", ".saving-7-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert checkpoints.steps() == [1]


def test_what_a_killed_process_left_goes_when_the_next_one_saves_and_not_before(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    for name in (".saving-2-abc", ".deleting-1-abc"):
        shutil.copytree(tmp_path / "1", tmp_path / name)
    reader = Checkpoints(tmp_path)
    assert (reader.steps(), reader.newest_sound()) == ([1], 1)
    assert len(list(tmp_path.iterdir())) == 3
    checkpoints.save(2, LIKE)
    checkpoints.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_a_step_that_was_deleted_while_it_was_read_is_not_called_damaged(tmp_path, monkeypatch):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}})

    def deleted(*_):
        shutil.rmtree(tmp_path / "1")
        raise OSError("its files are gone")

    monkeypatch.setattr(module, "read_arrays", deleted)
    with pytest.raises(
        CheckpointError, match=r"no checkpoint of step 1 .* there are \[2\]"
    ) as error:
        checkpoints.restore(1, LIKE)
    assert not isinstance(error.value, DamagedError)


@pytest.fixture
def hashed(monkeypatch):
    """The files that are read to be hashed, from now on."""
    entry, read = manifest._file_entry, []
    monkeypatch.setattr(manifest, "_file_entry", lambda path: (read.append(path), entry(path))[1])
    return read


def test_a_step_that_is_not_there_is_not_damaged(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    with pytest.raises(MissingError, match=r"no checkpoint of step 2 .* there are \[1\]"):
        checkpoints.verify(2)


def test_what_is_deleted_while_it_is_verified_is_not_damaged(tmp_path, monkeypatch):
    checkpoints, entry = _save_each(tmp_path, {1: {}, 2: {}}), manifest._file_entry

    def deleted(path):
        shutil.rmtree(tmp_path / "2", ignore_errors=True)
        return entry(path)

    monkeypatch.setattr(manifest, "_file_entry", deleted)
    with pytest.raises(MissingError):
        checkpoints.verify(2)
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    assert checkpoints.newest_sound() == 1


def test_what_is_replaced_while_it_is_verified_is_read_again(tmp_path, monkeypatch):
    checkpoints, entry = _save_each(tmp_path / "kept", {1: {}}), manifest._file_entry
    shutil.copytree(tmp_path / "kept" / "1", tmp_path / "copy")

    def replaced(path):
        monkeypatch.setattr(manifest, "_file_entry", entry)
        (tmp_path / "kept" / "1").rename(tmp_path / "old")
        (tmp_path / "copy").rename(tmp_path / "kept" / "1")
        return entry(tmp_path / "old" / path.relative_to(tmp_path / "kept" / "1")) | {"sha256": ""}

    monkeypatch.setattr(manifest, "_file_entry", replaced)
    assert checkpoints.verify(1) == []


def test_what_was_verified_is_not_hashed_again_to_be_restored(tmp_path, hashed):
    _save_each(tmp_path, {1: {}})
    checkpoints = Checkpoints(tmp_path)
    hashed.clear()
    assert checkpoints.newest_sound() == 1
    once = list(hashed)
    np.testing.assert_array_equal(checkpoints.restore(1, LIKE)["x"], 1)
    assert hashed == once != []
    _damage(tmp_path / "1")
    with pytest.raises(DamagedError, match="is not as it was written"):
        checkpoints.restore(1, LIKE)


def test_what_changed_without_a_trace_is_not_restored_either(tmp_path):
    state = {"x": np.random.default_rng(0).normal(size=2000)}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state)
    checkpoints.close()
    assert checkpoints.verify(1) == []
    files = (path for path in (tmp_path / "1").rglob("*") if path.is_file())
    path = max(files, key=lambda path: path.stat().st_size)
    time = path.stat().st_mtime_ns
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)
    os.utime(path, ns=(time, time))
    with pytest.raises(DamagedError, match=r"step 1 .* is damaged: "):
        checkpoints.restore(1, state)


def test_those_that_are_kept_are_not_hashed_by_another_process(tmp_path, hashed):
    _save_each(tmp_path, {1: {}, 2: {}, 3: {}})
    hashed.clear()
    assert _save_each(tmp_path, {4: {}}, keep=Retention(3)).steps() == [2, 3, 4]
    steps = {path.relative_to(tmp_path).parts[0] for path in hashed}
    assert {step for step in steps if not step.startswith(".")} == {"1"}  # before it is deleted


def test_what_is_known_to_be_damaged_is_not_counted(tmp_path):
    keep = Retention(2)
    _save_each(tmp_path, {1: {}, 2: {}})
    _damage(tmp_path / "2")
    checkpoints = Checkpoints(tmp_path, keep)
    assert checkpoints.verify(2) != []
    checkpoints.save(3, LIKE)
    checkpoints.close()
    assert checkpoints.steps() == [1, 2, 3]


def test_arrays_that_orbax_stores_as_others_are_not_taken_for_written(tmp_path, monkeypatch):
    """What was read back is compared with the memory that it was written from."""
    stored = module.write_arrays
    other = lambda folder, arrays: stored(folder, {n: a + 1 for n, a in arrays.items()})  # noqa: E731
    monkeypatch.setattr(module, "write_arrays", other)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, LIKE)
    with pytest.raises(CheckpointError, match=r"step 1 .*: x is not what it was in memory"):
        checkpoints.close()
    assert list(tmp_path.iterdir()) == []


def test_one_is_written_beside_the_program(tmp_path, monkeypatch):
    """``save`` is back before the file is there, and the next one waits for it."""
    import threading

    go_on, stored, order = threading.Event(), module.write_arrays, []

    def slow(folder, arrays):
        order.append(int(next(iter(arrays.values()))[0]))
        assert go_on.wait(timeout=60)
        stored(folder, arrays)

    monkeypatch.setattr(module, "write_arrays", slow)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": np.ones(1)})
    assert checkpoints.steps() == []
    threading.Timer(0.2, go_on.set).start()
    checkpoints.save(2, {"x": np.full(1, 2.0)})
    assert checkpoints.steps()[0] == 1
    checkpoints.close()
    assert (checkpoints.steps(), order) == ([1, 2], [1, 2])
