"""Reading official checkpoints: all of it, or one line that names what is wrong."""

import os

import jax
import msgpack
import numpy as np
import pytest
from flax.serialization import msgpack_restore, msgpack_serialize
from flax.traverse_util import unflatten_dict

from gradlog.storage import CheckpointError, find_mismatches, fit_arrays, read_official
from tests.models.official import GOLDEN

FILE = GOLDEN / "checkpoint_1"
GROUPS = {"params_ema": "ema_params", "target": "params", "adam_m": "mean", "adam_v": "mean_square"}


@pytest.fixture(scope="module")
def official():
    return read_official(FILE)


def test_every_stored_array_is_found(official):
    """Against what flax 0.3.3 itself says of the file."""
    with np.load(GOLDEN / "checkpoint_1_expected.npz") as expected:
        leaves = [key for key in expected if key.partition("/")[0] in GROUPS]
        assert len(leaves) > 50
        for key in leaves:
            group, _, path = key.partition("/")
            np.testing.assert_array_equal(getattr(official, GROUPS[group])[path], expected[key])
        assert official.step == expected["step"] == 600
        assert official.updates == expected["opt_step"]
        assert official.learning_rate == expected["lr"]
        assert official.ema_decay == expected["ema_rate"]


def test_groups_have_the_same_parameters(official):
    names = {frozenset(getattr(official, group)) for group in GROUPS.values()}
    assert [len(group) for group in names] == [154]


def like(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.float32), tree)


FOUND = {"Conv_0/kernel": np.ones((3, 3, 1, 4), np.float32), "norm/scale": np.ones((1, 1, 1, 4))}


def test_axes_of_length_one_are_no_difference():
    wanted = {"Conv_0": {"kernel": np.ones((3, 3, 1, 4))}, "norm": {"scale": np.ones(4)}}
    tree = fit_arrays(FOUND, like(wanted), "the parameters")
    assert jax.tree.map(np.shape, tree) == jax.tree.map(np.shape, wanted)
    assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"Conv_0/kernel": (3, 3, 1, 4)}, "norm/scale is not in the model"),
        (
            {"Conv_0/kernel": (3, 3, 1, 4), "norm/scale": (4,), "norm/bias": (4,)},
            "norm/bias is missing",
        ),
        (
            {"Conv_0/kernel": (3, 3, 1, 8), "norm/scale": (4,)},
            "Conv_0/kernel is (3, 3, 1, 4) in the file, (3, 3, 1, 8) in the model",
        ),
    ],
)
def test_what_does_not_fit_is_named(wanted, complaint):
    tree = like(unflatten_dict({key: np.zeros(shape) for key, shape in wanted.items()}, sep="/"))
    assert find_mismatches(FOUND, tree) == [complaint]
    with pytest.raises(CheckpointError, match="do not fit the model") as error:
        fit_arrays(FOUND, tree, "the parameters")
    assert complaint in str(error.value)


def test_numbers_that_are_none_are_named():
    whole = {"a": np.zeros(3, np.int32)}
    assert find_mismatches(whole, like({"a": np.zeros(3)})) == [
        "a is int32 (3,) in the file, (3,) in the model"
    ]


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        (b"", "is not a flax checkpoint"),
        (b"\x80\x04no pickle is read", "is not a flax checkpoint"),
        (FILE.read_bytes()[:100_000], "is not a flax checkpoint"),
        (msgpack_serialize({"step": 3}), "is no training state of score_sde"),
        (msgpack_serialize([1, 2]), "is no training state of score_sde"),
        (msgpack_serialize({"step": {}, "optimizer": 3}), "is no training state of score_sde"),
    ],
)
def test_another_file_is_one_line(tmp_path, contents, complaint):
    path = tmp_path / "checkpoint_3"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=complaint) as error:
        read_official(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"--source=.*: No such file"):
        read_official(tmp_path / "nothing")


def test_a_damaged_array_does_not_pass(tmp_path, official):
    """A parameter that is text, as a damaged file may have it."""
    params = dict(official.ema_params) | {"Conv_0/bias": "text"}
    wanted = like(unflatten_dict(official.ema_params, sep="/"))
    assert any("Conv_0/bias is" in complaint for complaint in find_mismatches(params, wanted))


def _changed(tmp_path, place, value):
    """The golden checkpoint with another value in one place, as a file."""
    tree = msgpack_restore(FILE.read_bytes())
    *outer, last = place.split("/")
    branch = tree
    for key in outer:
        branch = branch[key]
    branch[last] = value
    path = tmp_path / "changed"
    path.write_bytes(msgpack_serialize(tree))
    return path


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *(("step", step) for step in (-1, 2**31, float("nan"), float("inf"), None, "text")),
        ("lr", None),
        ("params_ema", {"a": "text"}),
        ("params_ema", {"a": None}),
        ("params_ema", {"a": {"b": 1.0}}),
        ("params_ema", np.ones(3)),
        ("optimizer/target", []),
        ("optimizer/state/param_states", None),
        ("optimizer/state/step", {}),
    ],
)
def test_a_state_of_something_else_is_one_line(tmp_path, place, value):
    path = _changed(tmp_path, place, value)
    with pytest.raises(CheckpointError, match="is no training state of score_sde or score_flow"):
        read_official(path)


@pytest.mark.parametrize("depth", [100, 900, 1000, 100_000])
def test_dictionaries_without_end_are_one_line(tmp_path, depth):
    (tmp_path / "deep").write_bytes(b"\x81\xa1a" * depth + b"\xc0")
    with pytest.raises(CheckpointError) as error:
        read_official(tmp_path / "deep")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "content",
    [
        *(b"\xc9\xff\xff\xff\xff\x01", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb([[10**15], "float32", b"abcd"]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb([[1], "object", b"abcdefgh"]))),
        msgpack.packb(msgpack.ExtType(99, b"unknown")),
    ],
)
def test_claims_that_the_file_does_not_hold_are_one_line(tmp_path, content):
    (tmp_path / "claims").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_official(tmp_path / "claims")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_named(value):
    found = {"a": np.array([1.0, value]), "b": np.ones(2)}
    with pytest.raises(CheckpointError, match="a of the file holds numbers that are not finite"):
        fit_arrays(found, like({"a": np.ones(2), "b": np.ones(2)}), "the parameters")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="is no file"):
        read_official(tmp_path / "pipe")
