"""Reading another code's checkpoints: whole, or one line that names what is wrong."""

import jax
import numpy as np
import pytest
from flax.serialization import msgpack_serialize
from flax.traverse_util import unflatten_dict

from storage import CheckpointError, fitted, misfits, read_official
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
    tree = fitted(FOUND, like(wanted), "the parameters")
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
    assert misfits(FOUND, tree) == [complaint]
    with pytest.raises(CheckpointError, match="do not fit the model") as error:
        fitted(FOUND, tree, "the parameters")
    assert complaint in str(error.value)


def test_numbers_that_are_none_are_named():
    whole = {"a": np.zeros(3, np.int32)}
    assert misfits(whole, like({"a": np.zeros(3)})) == [
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
    assert any("Conv_0/bias is" in complaint for complaint in misfits(params, wanted))
