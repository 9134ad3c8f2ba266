"""Checkpoints: bit for bit or refused; damage found; saved beside the program; retained."""

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
import tiny

from gradlog.storage import (
    KEEP_ALL,
    CheckpointError,
    Checkpoints,
    DamagedError,
    MissingError,
    Retention,
    checkpoints as module,
    manifest,
)
from gradlog.training.state import ParameterGroup, init_state

PARAMS = {
    "dense": {"kernel": np.array([[1e-45, np.inf], [-0.0, np.nan]], np.float32)},
    "scale": np.float32(0.1) * np.ones((), np.float32),
}


def _state(step, optimizer=None):
    """Return a state in the middle of a training; every leaf differs from its initial value."""
    optimizer = optimizer or optax.MultiSteps(optax.adamw(1e-3), 2).gradient_transformation()
    state = init_state({"network": PARAMS}, {"network": ParameterGroup(optimizer)})
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
    assert isinstance(found.opt_state["network"], optax.MultiStepsState)


def test_a_state_on_devices_is_saved_as_it_was_then(tmp_path):
    """The next step may overwrite the buffers of a state while the file is being written."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    state = {"x": jnp.arange(1000.0)}
    checkpoints.save(1, state)
    state = jax.jit(lambda s: jax.tree.map(lambda x: x * 0 - 1, s), donate_argnums=0)(state)
    checkpoints.finish()
    found = checkpoints.restore(1, state)
    np.testing.assert_array_equal(found["x"], np.arange(1000.0, dtype=np.float32))


@pytest.mark.parametrize(("keep", "kept"), [(1, [4]), (2, [3, 4]), (0, [1, 2, 3, 4])])
def test_only_the_newest_stay(tmp_path, keep, kept):
    checkpoints = Checkpoints(tmp_path / "checkpoints", Retention(keep))
    for step in (1, 2, 3, 4):
        checkpoints.save(step, {"x": np.full(3, step, np.float32)})
    checkpoints.finish()
    assert checkpoints.steps() == kept
    checkpoints.close()
    assert Checkpoints(tmp_path / "checkpoints").steps() == kept


def test_an_existing_step_is_not_written_again(saved):
    folder, state = saved
    checkpoints = Checkpoints(folder)
    checkpoints.save(7, jax.tree.map(np.zeros_like, state))
    checkpoints.finish()
    _leaves_equal(checkpoints.restore(7, state), state)


def test_a_missing_step_is_named_with_the_existing_ones(saved):
    folder, state = saved
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 8 .*there are \[7\]"):
        Checkpoints(folder).restore(8, state)


def test_a_new_folder_has_no_steps(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.steps() == []


OTHERS = {
    "another shape": lambda x: np.zeros((3, 2), x.dtype),
    "as many numbers in another shape": lambda x: np.zeros((4,), x.dtype),
    "another type": lambda x: np.zeros(x.shape, np.float16),
    "a wider type": lambda x: np.zeros(x.shape, np.float64),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_shapes_and_types_are_refused_and_never_cast(saved, other):
    folder, state = saved
    params = state.params["network"]
    kernel = OTHERS[other](params["dense"]["kernel"])
    like = state.replace(params={"network": {**params, "dense": {"kernel": kernel}}})
    expected = r"step 7 .* params\.network\.dense\.kernel is float32 \(2, 2\) there, float"
    with pytest.raises(CheckpointError, match=expected):
        Checkpoints(folder).restore(7, like)


def test_an_array_too_many_or_too_few_is_refused(saved):
    folder, state = saved
    params = state.params["network"]
    more = state.replace(params={"network": {**params, "bias": np.zeros(2, np.float32)}})
    with pytest.raises(CheckpointError, match="bias is nothing there, float32"):
        Checkpoints(folder).restore(7, more)
    fewer = state.replace(params={"network": {"dense": params["dense"]}})
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
    ("leaf", "kind"),
    [
        (jax.random.key(0), "key<fry>"),
        (np.array([None]), r"\|O"),
        ("a", "<U1"),
        (np.array([1, 2], ">i4"), ">i4"),
    ],
)
def test_other_leaves_are_refused_before_anything_is_written(tmp_path, leaf, kind):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with pytest.raises(CheckpointError, match=f"params.x is {kind}, no array of numbers"):
        checkpoints.save(1, {"params": {"x": leaf}})
    assert not (tmp_path / "checkpoints").exists()


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="one name"):
        Checkpoints(tmp_path).save(1, {"a.b": np.ones(1), "a": {"b": np.ones(1)}})


def test_notes_come_back_exactly(tmp_path):
    _save_each(tmp_path, {5: {"held_out_loss": np.float32(0.1), "pending": [(3, 0.1 + 0.2)]}})
    notes = Checkpoints(tmp_path).notes(5)
    assert notes == {"held_out_loss": float(np.float32(0.1)), "pending": [[3, 0.1 + 0.2]]}


def test_notes_may_hold_nan(tmp_path):
    _save_each(tmp_path, {5: {"pending": {10: float("nan"), 9: float("-inf")}}})
    assert Checkpoints(tmp_path).verify(5) == []
    found = Checkpoints(tmp_path).notes(5)["pending"]
    assert np.isnan(found["10"])
    assert found["9"] == -np.inf


def _save_each(folder, notes, **options):
    """Save checkpoints of these steps with their notes; each array holds its step."""
    checkpoints = Checkpoints(folder, **options)
    for step, note in notes.items():
        checkpoints.save(step, {"x": np.full(3, step, np.float32)}, note)
    checkpoints.close()
    return checkpoints


LIKE = {"x": np.zeros(3, np.float32)}


def _damage(folder):
    path = next(path for path in (folder / "state" / "ocdbt.process_0" / "d").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_retention_decides_what_stays(tmp_path):
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
    # The process that wrote it reads it again only before deleting it.
    assert checkpoints.steps() == [2, 3, 4]
    assert tiny.newest_intact(checkpoints) == 4


def test_a_checkpoint_without_manifest_is_neither_deleted_nor_counted(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}}, keep=Retention(2))
    (tmp_path / "2" / "manifest.json").unlink()
    checkpoints.save(3, LIKE)
    checkpoints.close()
    assert checkpoints.steps() == [1, 2, 3]


def test_the_latest_intact_one_is_found_below_damaged_ones(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}, 3: {}})
    _damage(tmp_path / "3")
    shutil.rmtree(tmp_path / "2" / "state")
    assert checkpoints.steps() == [1, 2, 3]
    assert tiny.newest_intact(checkpoints) == 1
    np.testing.assert_array_equal(checkpoints.restore(1, LIKE)["x"], 1)
    _damage(tmp_path / "1")
    assert tiny.newest_intact(checkpoints) is None


def test_a_damaged_one_is_set_aside_with_all_its_files(tmp_path):
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


def test_a_read_error_is_no_damage(tmp_path, monkeypatch):
    """A network file system fails for a moment: nothing is moved, and no older step is used."""
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}})

    def hiccup(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(manifest, "_describe_file", hiccup)
    for ask in (lambda: tiny.newest_intact(checkpoints), lambda: checkpoints.restore(2, LIKE)):
        with pytest.raises(CheckpointError, match=r"step 2 .* cannot be read now: Input") as error:
            ask()
        assert not isinstance(error.value, DamagedError)
    assert checkpoints.steps() == [1, 2]


def test_setting_aside_overwrites_nothing(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    taken = checkpoints.directory / "damaged" / "1-1"
    taken.mkdir(parents=True)
    (taken / "evidence").touch()
    assert checkpoints.set_aside(1).name == "1"
    (checkpoints.directory / "1").mkdir()
    assert checkpoints.set_aside(1).name == "1-2"
    assert (taken / "evidence").exists()


def test_the_folder_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(Path("here"))
    checkpoints.save(1, {"a": np.arange(3.0)})
    checkpoints.finish()
    assert checkpoints.verify(1) == []
    found = Checkpoints(Path("here")).restore(1, {"a": np.zeros(3)})
    np.testing.assert_array_equal(found["a"], np.arange(3.0))


def test_saving_over_a_damaged_step_sets_it_aside(tmp_path):
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


@pytest.mark.parametrize("table", ["places", "layout"])
def test_a_manifest_with_an_incomplete_table_is_damage(tmp_path, table):
    """Its own digest is right. Without a place, an array of zeros would be restored."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, LIKE | {"y": np.zeros(3, np.float32)})
    checkpoints.close()
    path = tmp_path / "1" / "manifest.json"
    contents = json.loads(path.read_bytes())["manifest"]
    del contents[table]["y"]
    path.write_bytes(manifest.render_manifest(contents))
    (complaint,) = Checkpoints(tmp_path).verify(1)
    assert "where y is stored" in complaint


def test_a_folder_under_another_steps_name_is_damage(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    (tmp_path / "1").rename(tmp_path / "2")
    with pytest.raises(DamagedError, match="it is the checkpoint of step 1"):
        checkpoints.restore(2, LIKE)


def test_a_manifest_of_a_later_version_is_refused_and_is_no_damage(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    path = tmp_path / "1" / "manifest.json"
    whole = json.loads(path.read_bytes())
    whole["manifest"]["format"] = 2
    path.write_bytes(manifest.render_manifest(whole["manifest"]))
    for use in (
        checkpoints.verify,
        checkpoints.notes,
        lambda step: checkpoints.restore(step, LIKE),
    ):
        with pytest.raises(CheckpointError, match=r"step 1 .* has format 2") as error:
            use(1)
        assert not isinstance(error.value, DamagedError)


def test_only_a_plain_number_is_a_step(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    for name in ("02", "3.0", "-4", "5 ", "six", "²", "damaged", ".saving-7-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert checkpoints.steps() == [1]


def test_leftovers_of_a_killed_process_go_at_the_next_save(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    for name in (".saving-2-abc", ".deleting-1-abc"):
        shutil.copytree(tmp_path / "1", tmp_path / name)
    reader = Checkpoints(tmp_path)
    assert (reader.steps(), tiny.newest_intact(reader)) == ([1], 1)
    assert len(list(tmp_path.iterdir())) == 3
    checkpoints.save(2, LIKE)
    checkpoints.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_a_leftover_that_is_a_link_or_a_file_goes_and_its_target_stays(tmp_path):
    folder, target = tmp_path / "checkpoints", tmp_path / "elsewhere"
    target.mkdir()
    (target / "thesis.tex").write_text("of the user")
    checkpoints = _save_each(folder, {1: {}})
    (folder / ".deleting-x").symlink_to(target)
    (folder / ".saving-x").write_text("a file")
    checkpoints.save(2, LIKE)
    checkpoints.close()
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert (target / "thesis.tex").read_text() == "of the user"


@pytest.mark.parametrize("name", [".", "2", "damaged"])
def test_nothing_is_written_through_a_link(tmp_path, name):
    folder, elsewhere = tmp_path / "checkpoints", tmp_path / "elsewhere"
    checkpoints = _save_each(folder, {1: {}})
    if name == ".":
        folder.rename(elsewhere)
    else:
        elsewhere.mkdir()
    if name == "damaged":
        _damage(folder / "1")
    (folder if name == "." else folder / name).symlink_to(elsewhere)
    before = _contents(elsewhere)
    checkpoints.save(1 if name == "damaged" else 2, LIKE)
    with pytest.raises(CheckpointError, match="is a link"):
        checkpoints.finish()
    checkpoints.close()
    assert _contents(elsewhere) == before


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_step_that_is_a_link_is_damage_and_is_never_deleted(tmp_path):
    checkpoints = _save_each(tmp_path / "checkpoints", {1: {}}, keep=Retention(1))
    (tmp_path / "checkpoints" / "1").rename(tmp_path / "1")
    (tmp_path / "checkpoints" / "1").symlink_to(tmp_path / "1")
    assert checkpoints.verify(1) == ["1 is a link"]
    checkpoints.save(2, LIKE)
    checkpoints.close()
    assert checkpoints.steps() == [1, 2]


def test_a_saved_step_that_is_lost_is_named(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}, 2: {}}, keep=Retention(1))
    assert checkpoints.find_loss() == ""
    shutil.rmtree(tmp_path / "2")
    assert str(tmp_path / "2") in checkpoints.find_loss()


def test_a_step_deleted_while_it_is_read_is_not_damaged(tmp_path, monkeypatch):
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
    """List the files that are hashed from now on."""
    entry, read = manifest._describe_file, []
    monkeypatch.setattr(
        manifest, "_describe_file", lambda path: (read.append(path), entry(path))[1]
    )
    return read


def test_a_missing_step_is_not_damaged(tmp_path):
    checkpoints = _save_each(tmp_path, {1: {}})
    with pytest.raises(MissingError, match=r"no checkpoint of step 2 .* there are \[1\]"):
        checkpoints.verify(2)


def test_a_step_deleted_while_it_is_verified_is_not_damaged(tmp_path, monkeypatch):
    checkpoints, entry = _save_each(tmp_path, {1: {}, 2: {}}), manifest._describe_file

    def deleted(path):
        shutil.rmtree(tmp_path / "2", ignore_errors=True)
        return entry(path)

    monkeypatch.setattr(manifest, "_describe_file", deleted)
    with pytest.raises(MissingError):
        checkpoints.verify(2)


def test_a_step_replaced_while_it_is_verified_is_read_again(tmp_path, monkeypatch):
    checkpoints, entry = _save_each(tmp_path / "kept", {1: {}}), manifest._describe_file
    shutil.copytree(tmp_path / "kept" / "1", tmp_path / "copy")

    def replaced(path):
        monkeypatch.setattr(manifest, "_describe_file", entry)
        (tmp_path / "kept" / "1").rename(tmp_path / "old")
        (tmp_path / "copy").rename(tmp_path / "kept" / "1")
        return entry(tmp_path / "old" / path.relative_to(tmp_path / "kept" / "1")) | {"sha256": ""}

    monkeypatch.setattr(manifest, "_describe_file", replaced)
    assert checkpoints.verify(1) == []


def test_a_verified_step_is_not_hashed_again(tmp_path, hashed):
    _save_each(tmp_path, {1: {}})
    checkpoints = Checkpoints(tmp_path)
    hashed.clear()
    assert tiny.newest_intact(checkpoints) == 1
    once = list(hashed)
    np.testing.assert_array_equal(checkpoints.restore(1, LIKE)["x"], 1)
    assert hashed == once != []
    _damage(tmp_path / "1")
    with pytest.raises(DamagedError, match="is not as it was written"):
        checkpoints.restore(1, LIKE)


def test_a_change_with_the_old_time_of_modification_is_found(tmp_path):
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


def test_only_the_step_to_delete_is_hashed(tmp_path, hashed):
    _save_each(tmp_path, {1: {}, 2: {}, 3: {}})
    hashed.clear()
    assert _save_each(tmp_path, {4: {}}, keep=Retention(3)).steps() == [2, 3, 4]
    steps = {path.relative_to(tmp_path).parts[0] for path in hashed}
    assert {step for step in steps if not step.startswith(".")} == {"1"}  # before it is deleted


def test_a_step_known_to_be_damaged_is_not_counted(tmp_path):
    keep = Retention(2)
    _save_each(tmp_path, {1: {}, 2: {}})
    _damage(tmp_path / "2")
    checkpoints = Checkpoints(tmp_path, keep)
    assert checkpoints.verify(2) != []
    checkpoints.save(3, LIKE)
    checkpoints.close()
    assert checkpoints.steps() == [1, 2, 3]


def test_what_orbax_stored_wrongly_does_not_count_as_written(tmp_path, monkeypatch):
    """The files are read back and compared with memory."""
    stored = module.write_arrays
    other = lambda folder, arrays: stored(folder, {n: a + 1 for n, a in arrays.items()})  # noqa: E731
    monkeypatch.setattr(module, "write_arrays", other)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, LIKE)
    with pytest.raises(CheckpointError, match=r"step 1 .*: x is not what it was in memory"):
        checkpoints.close()
    assert list(tmp_path.iterdir()) == []


def test_a_save_runs_beside_the_program(tmp_path, monkeypatch):
    """``save`` returns before the file exists, and the next save waits for it."""
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


# --- retention ------------------------------------------------------------------------------


def _notes(losses):
    return {step: {"held_out_loss": loss} for step, loss in losses.items()}


NONE = dict.fromkeys(range(1, 8), None)


@pytest.mark.parametrize(
    ("retention", "losses", "kept"),
    [
        (KEEP_ALL, NONE, set(range(1, 8))),
        (Retention(0, 2, 1), NONE, set(range(1, 8))),
        (Retention(2), NONE, {6, 7}),
        (Retention(9), NONE, set(range(1, 8))),
        (Retention(1, every=3), NONE, {3, 6, 7}),
        (Retention(1, every=7), NONE, {7}),
        (Retention(1, best=1), {1: 0.3, 2: 0.1, 3: 0.2}, {2, 3}),
        (Retention(1, best=2), {1: 0.3, 2: 0.1, 3: 0.2, 4: 0.4}, {2, 3, 4}),
        (Retention(1, best=1), {1: float("nan"), 2: None, 3: 0.2, 4: float("-inf")}, {3, 4}),
        (Retention(1, best=1), {1: 0.1, 2: 0.1, 3: 0.2}, {1, 3}),
        (Retention(1, best=5), NONE, {7}),
        (Retention(2, 2, 1), {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5}, {1, 2, 4, 5}),
        (Retention(3), {}, set()),
    ],
)
def test_retention_selects_the_newest_multiples_and_best(retention, losses, kept):
    assert retention.select(_notes(losses)) == kept


def test_a_checkpoint_without_a_loss_is_never_among_the_best():
    assert Retention(1, best=1).select({1: {}, 2: {"held_out_loss": "0.1"}, 3: {}}) == {3}
