"""A workdir of version 0.1 stays readable, bit for bit: see tests/golden/workdir_0.1."""

import hashlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from flax.traverse_util import unflatten_dict

from gradlog.aliases import modern_settings, old_settings
from gradlog.storage import LOGGED, CheckpointError, Checkpoints, digest_lines, read_metrics

OLD = Path(__file__).parents[1] / "golden" / "workdir_0.1" / "run"
FIELDS = {"params": "params.network", "ema_params": "ema.network", "opt_state": "opt_state.network"}


def _new_name(old: str) -> str:
    field, *rest = old.split(".", 1)
    return ".".join([FIELDS.get(field, field), *rest])


def _layout(step: int) -> dict[str, dict]:
    """Shape, dtype and SHA-256 of each array in memory, by today's name."""
    text = (OLD / "checkpoints" / str(step) / "manifest.json").read_text()
    return {
        _new_name(name): entry for name, entry in json.loads(text)["manifest"]["layout"].items()
    }


def _tree(leaves: dict):
    """Return a state of plain dictionaries."""
    return unflatten_dict({tuple(name.split(".")): leaf for name, leaf in leaves.items()})


@pytest.fixture
def like():
    leaves = {
        name: jax.ShapeDtypeStruct(tuple(entry["shape"]), entry["dtype"])
        for name, entry in _layout(8).items()
    }
    return _tree(leaves)


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    shutil.copytree(OLD / "checkpoints", tmp_path / "checkpoints")
    return Checkpoints(tmp_path / "checkpoints")


@pytest.mark.parametrize("step", [4, 8])
def test_an_old_checkpoint_is_restored_bit_for_bit_under_new_names(checkpoints, like, step):
    assert checkpoints.verify(step) == []
    state = checkpoints.restore(step, like)
    assert set(state) == {"step", "params", "ema", "opt_state", "skipped"}
    assert all(set(state[group]) == {"network"} for group in ("params", "ema", "opt_state"))
    found = {
        ".".join(str(key.key) for key in path): hashlib.sha256(leaf.tobytes()).hexdigest()
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }
    assert found == {name: entry["sha256"] for name, entry in _layout(step).items()}
    assert state["step"] == step


def test_an_old_checkpoint_has_its_old_names_too(checkpoints, like):
    old = {
        "ema_params": like["ema"]["network"],
        "params": like["params"]["network"],
        "opt_state": like["opt_state"]["network"],
        "step": like["step"],
        "skipped": like["skipped"],
    }
    state, as_before = checkpoints.restore(8, like), checkpoints.restore(8, old)
    jax.tree.map(np.testing.assert_array_equal, state["ema"]["network"], as_before["ema_params"])


def test_a_model_that_does_not_fit_is_named_by_its_new_names(checkpoints, like):
    del like["ema"]["network"]["Dense_0"]
    with pytest.raises(CheckpointError, match=r"ema\.network\.Dense_0\.bias is float32"):
        checkpoints.restore(8, like)


def test_a_restored_state_is_saved_under_new_names_beside_the_old_ones(checkpoints, like):
    state = checkpoints.restore(8, like)
    checkpoints.save(12, state)
    checkpoints.close()
    assert checkpoints.steps() == [4, 8, 12]
    assert [checkpoints.verify(step) for step in checkpoints.steps()] == [[], [], []]
    manifest = json.loads((checkpoints.directory / "12" / "manifest.json").read_text())
    assert manifest["manifest"]["layout"] == _layout(8)
    jax.tree.map(np.testing.assert_array_equal, checkpoints.restore(12, like), state)


def test_a_flipped_bit_in_an_old_checkpoint_is_found(checkpoints):
    files = (path for path in (checkpoints.directory / "8" / "state").rglob("*") if path.is_file())
    path = max(files, key=lambda path: path.stat().st_size)
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)
    assert checkpoints.verify(8) != []
    assert tiny.newest_intact(checkpoints) == 4


def test_old_metrics_have_the_digest_of_their_checkpoint(checkpoints):
    records = read_metrics(OLD / "metrics.jsonl", pytest.fail)
    for step in (4, 8):
        logged = [record for record in records if record["step"] <= step]
        assert checkpoints.notes(step)[LOGGED] == digest_lines(logged)


def test_settings_of_today_have_the_spelling_that_old_digests_are_made_of():
    old = {"objective.dequantisation": "centres", "sampling.task": "colourise", "sde.name": "vp"}
    new = {"objective.dequantization": "centers", "sampling.task": "colorize", "sde.name": "vp"}
    assert modern_settings(old) == new
    assert old_settings(new) == old
