"""Inception's features: equal to the reference implementations', from files that are only read."""

import io
import json
import pickle
import sys
import tarfile
import tracemalloc
import types
import zipfile
from pathlib import Path

import inception_weights
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import graph_pb2

from gradlog.evaluation.quality import QualityError
from gradlog.evaluation.quality.features import CONVENTIONS, InceptionFeatures, read_weights
from gradlog.evaluation.quality.features.inception import Inception, weights
from gradlog.evaluation.quality.features.inception.torch_file import read_torch_file

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "quality.npz")
IMAGES = inception_weights.images()
SHAPES = {
    name: tuple(shape)
    for name, shape in json.loads(str(GOLDEN["inception/shapes"])).items()
    if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
}
TORCH_AXES = (2, 3, 1, 0)


@pytest.fixture(scope="module")
def variables():
    arrays = {name: inception_weights.weight(name, shape) for name, shape in SHAPES.items()}
    return weights.assemble(arrays, weights.torch_name, TORCH_AXES)


def _assert_close(found, expected, share=2e-6):
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * np.abs(expected).max())


# --- the network ----------------------------------------------------------------------------


def test_every_array_of_the_reference_implementation_has_its_place_and_no_other():
    paths = weights.variable_shapes()
    assert {weights.torch_name(path[1:]) for path in paths} == set(SHAPES)
    for path, shape in paths.items():
        theirs = SHAPES[weights.torch_name(path[1:])]
        in_our_order = tuple(theirs[axis] for axis in TORCH_AXES) if len(theirs) == 4 else theirs
        assert shape == in_our_order, path


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    ("name", "images"), [("small", IMAGES[:1]), ("large", inception_weights.images(1, 350, 410))]
)
def test_images_are_resized_as_by_the_reference_implementations(convention, name, images):
    convert = CONVENTIONS[convention]
    found = convert(jnp.asarray(images, jnp.float32)) * convert.scale + convert.shift
    _assert_close(found[:, ::23, ::23], GOLDEN[f"resized/{convention}/{name}"])


def test_conventions_scale_black_and_white():
    ends = np.broadcast_to(np.float32([0, 255])[:, None, None, None], (2, 4, 4, 3))
    found = {name: convert(jnp.asarray(ends))[:, 0, 0, 0] for name, convert in CONVENTIONS.items()}
    np.testing.assert_array_equal(found["tensorflow"], [-1, 127 / 128])
    np.testing.assert_allclose(found["pytorch_fid"], [-1, 1], rtol=1e-6)


def test_all_depths_of_the_network_are_those_of_the_reference_implementation(variables):
    with jax.default_matmul_precision("float32"):
        images = CONVENTIONS["tensorflow"](jnp.asarray(IMAGES, jnp.float32))
        found = jax.jit(Inception().apply)(variables, images)
    assert set(found) == {64, 192, 768, 2048}
    for channels, features in found.items():
        _assert_close(features, GOLDEN[f"inception/tensorflow/{channels}"])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_features_are_those_of_the_reference_implementations(variables, convention):
    features = InceptionFeatures(variables, convention, levels=256, batch_size=3)
    found = features(IMAGES[[0, 1, 1, 0, 1]])  # in two batches, the second padded
    _assert_close(found, GOLDEN[f"inception/{convention}/2048"][[0, 1, 1, 0, 1]])


def test_levels_are_spread_and_one_channel_is_three(variables):
    gray = (IMAGES[:1, :, :, :1] // 16).astype(np.uint8)  # 16 levels, 0 to 15
    bytes_of = np.repeat(gray * 17, 3, axis=-1)
    found = InceptionFeatures(variables, "tensorflow", levels=16, batch_size=1)(gray)
    _assert_close(found, InceptionFeatures(variables, "tensorflow", 256, 1)(bytes_of))


def test_features_that_cannot_be_are_one_line(variables):
    with pytest.raises(QualityError, match=r"config\.quality\.convention = 'tf' is unknown; choo"):
        InceptionFeatures(variables, "tf", 256, 1)
    with pytest.raises(QualityError, match="needs images with levels, and these data are cont"):
        InceptionFeatures(variables, "tensorflow", None, 1)
    features = InceptionFeatures(variables, "tensorflow", 256, 1)
    with pytest.raises(QualityError, match=r"images of 1 or 3 channels, got shape \(8,\)"):
        features(np.zeros((4, 8), np.uint8))


def test_other_weights_and_other_conventions_are_other_features(variables):
    one, other = (InceptionFeatures(variables, name, 256, 1) for name in CONVENTIONS)
    assert one.settings["weights"] == other.settings["weights"]
    assert one.settings != other.settings
    changed = jax.tree.map(np.copy, variables)
    changed["params"]["Mixed_7c"]["branch_pool"]["bn"]["bias"] += 1e-6
    assert InceptionFeatures(changed, "tensorflow", 256, 1).settings != one.settings


# --- files ----------------------------------------------------------------------------------

# Of the published graph, named there by TensorFlow.
NAMES = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_4a_3x3": "conv_4",
    "Mixed_5b.branch5x5_2": "mixed/tower/conv_1",
    "Mixed_5d.branch3x3dbl_3": "mixed_2/tower_1/conv_2",
    "Mixed_6a.branch3x3": "mixed_3/conv",
    "Mixed_6a.branch3x3dbl_2": "mixed_3/tower/conv_1",
    "Mixed_6b.branch7x7_3": "mixed_4/tower/conv_2",
    "Mixed_6e.branch7x7dbl_5": "mixed_7/tower_1/conv_4",
    "Mixed_6c.branch_pool": "mixed_5/tower_2/conv",
    "Mixed_7a.branch3x3_2": "mixed_8/tower/conv_1",
    "Mixed_7a.branch7x7x3_4": "mixed_8/tower_1/conv_3",
    "Mixed_7b.branch1x1": "mixed_9/conv",
    "Mixed_7b.branch3x3_2b": "mixed_9/tower/mixed/conv_1",
    "Mixed_7c.branch3x3dbl_2": "mixed_10/tower_1/conv_1",
    "Mixed_7c.branch3x3dbl_3a": "mixed_10/tower_1/mixed/conv",
    "Mixed_7c.branch_pool": "mixed_10/tower_2/conv",
}


@pytest.mark.parametrize("name", NAMES)
def test_convolutions_are_called_in_the_graph_what_tensorflow_calls_them(name):
    path = tuple(name.split("."))
    assert weights.graph_name((*path, "conv", "kernel")) == f"{NAMES[name]}/conv2d_params"
    assert weights.graph_name((*path, "bn", "var")) == f"{NAMES[name]}/batchnorm/moving_variance"


def test_no_two_arrays_have_one_name_in_the_graph():
    paths = weights.variable_shapes()
    assert len({weights.graph_name(path[1:]) for path in paths}) == len(paths) == 5 * 94


def _graph(arrays, listed=()):
    graph = graph_pb2.GraphDef()
    graph.node.add(name="images", op="Placeholder")
    for name, array in arrays.items():
        node = graph.node.add(name=name, op="Const")
        tensor = node.attr["value"].tensor
        tensor.dtype = 1
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        if name in listed:
            tensor.float_val.extend(array.ravel().tolist())
        else:
            tensor.tensor_content = array.astype("<f4").tobytes()
    return graph.SerializeToString()


def _graph_arrays():
    """The recorded weights under TensorFlow's names, in its order of axes."""
    found = {}
    for path in weights.variable_shapes():
        name = weights.torch_name(path[1:])
        array = inception_weights.weight(name, SHAPES[name])
        in_order = array.transpose(TORCH_AXES) if array.ndim == 4 else array
        found[weights.graph_name(path[1:])] = in_order
    return found


def test_a_published_graph_gives_the_weights(variables, tmp_path):
    (tmp_path / "graph.pb").write_bytes(_graph(_graph_arrays(), ["conv/batchnorm/beta"]))
    jax.tree.map(np.testing.assert_array_equal, read_weights(f"{tmp_path / 'graph.pb'}"), variables)


@pytest.fixture
def few(monkeypatch):
    """A network of one convolution: small files."""
    path = ("params", "Conv2d_1a_3x3", "conv", "kernel")
    monkeypatch.setattr(weights, "variable_shapes", lambda: {path: (1, 2, 3, 4)})
    return np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


def _archive(content, name="classify_image_graph_def.pb"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"./{name}")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_the_archive_that_the_graph_is_published_in_will_do(few, tmp_path):
    file = tmp_path / "inception-2015-12-05.tgz"
    file.write_bytes(_archive(_graph({"conv/conv2d_params": few})))
    kernel = read_weights(f"{file}")["params"]["Conv2d_1a_3x3"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, few)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_tensors_that_torch_saved_are_read(kind):
    found = read_torch_file(GOLDEN[f"file/{kind}"].tobytes())
    expected = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "turned": np.arange(6, 18, dtype=np.float32).reshape(3, 4).T,
        "parameter": np.float32([0.5, -2.0]),
        "half": np.float16([1.5, 2.5]),
        "count": np.int64(7),
    }
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


class _Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _zipped(pickled, **files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in files.items():
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def test_a_file_that_would_execute_something_is_refused_and_does_not(tmp_path):
    pickled = pickle.dumps({"a": _Touches(tmp_path / "executed")}, protocol=2)
    for content in (_zipped(pickled), pickled):
        file = tmp_path / "weights.pth"
        file.write_bytes(content)
        with pytest.raises(QualityError, match="it holds more than weights") as caught:
            read_weights(f"{file}")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def _nested(times):
    """A dictionary whose key is a tuple of the same tuple twice, and so on: hashing takes 2^n."""
    pairs = b"".join(b"q%ch%c\x86" % (place, place) for place in range(times))
    return b"\x80\x02})" + pairs + b"K\x01s."


HOSTILE_PICKLES = {
    "a place in the memo that takes gigabytes": b"\x80\x02Nr\x00\x00\x00\x20.",
    "a key that takes years to hash": _nested(100),
    "a string longer than the file": b"\x80\x02X\xff\xff\xff\x7fa.",
    "bytes longer than the file": b"\x80\x04\x8e\x00\x00\x00\x00\x01\x00\x00\x00.",
    "a million opcodes": b"\x80\x02" + b"N0" * 500_000 + b"N.",
    "more taken than there is": b"\x80\x02N\x87.",
    "a dictionary as a key": b"\x80\x02}}K\x01s.",
    "a set": b"\x80\x04\x8f.",
    "a call of a name": b"\x80\x02ctorch\nFloatStorage\n)R.",
}


@pytest.mark.parametrize("kind", HOSTILE_PICKLES)
def test_a_pickle_takes_no_more_than_its_file_has(tmp_path, kind):
    pickled = HOSTILE_PICKLES[kind]
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    for content in (_zipped(pickled), magic + pickled, magic + magic + pickled):
        (tmp_path / "weights.pth").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(QualityError, match=r"weights\.pth"):
            read_weights(f"{tmp_path / 'weights.pth'}")
        assert tracemalloc.get_traced_memory()[1] < 2**25
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_more_than_the_graph_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_LARGEST", 2**20)
    (tmp_path / "weights.tgz").write_bytes(_archive(bytes(2**21)))
    with pytest.raises(QualityError, match=r"weights\.tgz"):
        read_weights(f"{tmp_path / 'weights.tgz'}")


def _saved(monkeypatch, offset, shape, strides, count=4):
    """A file of one tensor that torch would not have written."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    exec("def _rebuild_tensor_v2(*arguments): pass", vars(utils))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    storage = object()

    class Saver(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, "0", "cpu", count) if obj is storage else None

    class Tensor:
        def __reduce__(self):
            return utils._rebuild_tensor_v2, (storage, offset, shape, strides, False, {})

    Saver(buffer := io.BytesIO(), protocol=2).dump({"tensor": Tensor()})
    return _zipped(buffer.getvalue(), **{"data/0": np.arange(4, dtype="<f4").tobytes()})


def test_a_tensor_of_our_own_writing_is_read(monkeypatch):
    content = _saved(monkeypatch, 1, (3,), (1,))
    np.testing.assert_array_equal(read_torch_file(content)["tensor"], [1, 2, 3])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((0, (5,), (1,)), "a tensor reaches beyond its storage"),
        ((2, (2, 2), (1, 1)), "a tensor reaches beyond its storage"),
        ((-1, (2,), (1,)), "a tensor has an impossible shape or place"),
        ((0, (3, 3), (0, 0)), "a tensor is larger than its storage"),
        ((0, (2.0,), (1,)), "a tensor has an impossible shape or place"),
        ((3, (2,), (-1,)), "a tensor has an impossible shape"),
        ((0, (2,), (1, 1)), "a tensor has an impossible shape"),
        ((0, (2,), (1,), 9), "its numbers are not all there"),
    ],
)
def test_a_tensor_outside_its_numbers_is_an_error(monkeypatch, place, message):
    with pytest.raises(ValueError, match=message):
        read_torch_file(_saved(monkeypatch, *place))


LEGACY, ZIP = (GOLDEN[f"file/{kind}"].tobytes() for kind in ("legacy", "zip"))
DAMAGED = {
    "a list": (_zipped(pickle.dumps([1], protocol=2)), "it is not a dictionary of tensors"),
    "numbers": (_zipped(pickle.dumps({"a": 1}, protocol=2)), "it is not a dictionary of tensors"),
    "half a zip": (ZIP[: len(ZIP) // 2], "cannot be used"),
    "half a pickle": (LEGACY[:40], "cannot be used"),
    "legacy without its end": (LEGACY[:-8], "its numbers are not all there"),
    "another pickle": (pickle.dumps(5, protocol=2), "it is not a file of PyTorch"),
    "big endian": (_zipped(b"", byteorder=b"big"), "of the other byte order"),
    "empty": (b"", "conv/conv2d_params is missing"),
    "text": (b"<html>not found</html>", "it is not a frozen TensorFlow graph"),
    "half an archive": (_archive(bytes(9999))[:40], "it is not a frozen TensorFlow graph"),
    "another archive": (_archive(b"", "readme"), "there is no classify_image_graph_def.pb in it"),
    "other tensors": (ZIP, "Conv2d_1a_3x3.conv.weight is missing"),
    "misshapen": (
        _graph({"conv/conv2d_params": np.zeros((1, 2, 4, 4))}),
        r"conv/conv2d_params has shape \(1, 2, 4, 4\), expected \(1, 2, 3, 4\)",
    ),
    "not finite": (
        _graph({"conv/conv2d_params": np.full((1, 2, 3, 4), np.nan)}),
        "conv/conv2d_params holds numbers that are not finite",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_file_that_will_not_do_is_one_line(few, tmp_path, kind):
    content, message = DAMAGED[kind]
    file = tmp_path / "weights"
    file.write_bytes(content)
    with pytest.raises(QualityError, match=message) as caught:
        read_weights(f"{file}")
    said = str(caught.value)
    assert said.startswith(f"config.quality.inception: {file} cannot be used: ")
    assert "\n" not in said


def test_too_few_numbers_in_a_graph_are_an_error(few, tmp_path):
    graph = graph_pb2.GraphDef.FromString(_graph({"conv/conv2d_params": few}))
    graph.node[1].attr["value"].tensor.tensor_content = bytes(12)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(QualityError, match=r"has 3 numbers for the shape \(1, 2, 3, 4\)"):
        read_weights(f"{tmp_path / 'graph.pb'}")


@pytest.mark.parametrize(
    ("path", "message"),
    [("", "config.quality.inception is empty"), ("/none", "there is no file /none")],
)
def test_a_missing_file_says_where_the_weights_are(path, message):
    with pytest.raises(QualityError, match=message) as caught:
        read_weights(path)
    said = str(caught.value)
    assert said.startswith("config.quality.inception")
    assert "download.tensorflow.org" in said
    assert "pytorch-fid/releases" in said
