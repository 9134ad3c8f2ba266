import io
import json
import re
import shutil
import sys
import time
import types
import urllib.error

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gradlog.data import tfds_images
from gradlog.data.dataset import DataError
from gradlog.data.tfds_images import load_tfds


def _image(index, shape):
    return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


def _png(array):
    stream = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(stream, "PNG")
    return stream.getvalue()


class PngImages(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Stock-like data: features.Image from encoded bytes, 20 + 6 examples, shuffled by tfds."""

    VERSION = tfds.core.Version("1.2.0")

    def __init__(self, *, shape, features, sizes=lambda index: None, **kwargs):
        self._shape, self._features, self._sizes = shape, features, sizes
        super().__init__(file_format="array_record", **kwargs)

    def _info(self):
        features = tfds.features.FeaturesDict(self._features)
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 20), "test": self._generate_examples(20, 26)}

    def _generate_examples(self, start, stop):
        for i in range(start, stop):
            array = _image(i, self._sizes(i) or self._shape)
            given = {"label": i % 4, "other": i % 3, "picture": _png(array), "second": _png(array)}
            yield i, {key: given[key] for key in self._features}


def _write(root, shape=(5, 4, 3), sizes=lambda index: None, **features):
    features = features or {
        "picture": tfds.features.Image(shape=shape, encoding_format="png"),
        "label": tfds.features.ClassLabel(num_classes=4),
    }
    builder = PngImages(data_dir=str(root), shape=shape, features=features, sizes=sizes)
    builder.download_and_prepare()
    return root / "png_images" / "1.2.0"


@pytest.fixture(autouse=True)
def _no_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "default"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    tfds.disable_progress_bar()


def _load(root, name="png_images", **arguments):
    return load_tfds(tfds_name=name, data_dir=str(root), **arguments)


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 1)])
def test_images_and_labels_are_found_by_type(tmp_path, shape):
    _write(tmp_path, shape)
    found = _load(tmp_path, read_labels=True)
    assert (found.name, found.shape, found.levels) == ("png_images", shape, 256)
    assert (len(found.train), len(found.test), found.num_classes) == (20, 6, 4)
    for source, labels, start, stop in (
        (found.train, found.train_labels, 0, 20),
        (found.test, found.test_labels, 20, 26),
    ):
        images = source[np.arange(len(source))]
        assert images.dtype == np.uint8
        originals = {_image(i, shape).tobytes(): i for i in range(start, stop)}
        numbers = [originals[image.tobytes()] for image in images]
        assert sorted(numbers) == list(range(start, stop))
        np.testing.assert_array_equal(labels, np.array(numbers) % 4)
        np.testing.assert_array_equal(source[np.array([3, 1, 3])], images[[3, 1, 3]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"P6 4 5 65535\n" + bytes(120), "more than 8 bits"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 5\n%%EndComments\n", "usual kind"),
    ],
)
def test_images_are_decoded_as_those_of_a_folder(tmp_path, monkeypatch, content, said):
    monkeypatch.setattr(sys.modules[__name__], "_png", lambda array: content)
    _write(tmp_path)
    with pytest.raises(DataError, match=said):
        _load(tmp_path)


def test_labels_are_read_only_with_read_labels(tmp_path):
    _write(tmp_path)
    found = _load(tmp_path)
    assert found.train_labels is None
    assert found.num_classes == 4
    assert found.fingerprint == _load(tmp_path, read_labels=True).fingerprint


def test_parts_of_splits_are_read(tmp_path):
    _write(tmp_path)
    whole = _load(tmp_path)
    part = _load(tmp_path, train_split="train[:70%]", test_split="train[70%:]")
    assert (len(part.train), len(part.test)) == (14, 6)
    both = np.concatenate([part.train[np.arange(14)], part.test[np.arange(6)]])
    np.testing.assert_array_equal(both, whole.train[np.arange(20)])
    assert part.fingerprint != whole.fingerprint
    for wrong in ("validation", "train[", "train[100:]", "train[:0]", "train[:1%]"):
        with pytest.raises(DataError, match="split"):
            _load(tmp_path, test_split=wrong)


def test_the_fingerprint_depends_on_the_contents(tmp_path):
    _write(tmp_path / "a")
    _write(tmp_path / "b")
    _write(tmp_path / "c", (4, 5, 3))
    found = [_load(tmp_path / name).fingerprint for name in "abc"]
    assert found[0] == found[1] != found[2]


def test_one_changed_image_changes_the_fingerprint(tmp_path, monkeypatch):
    _write(tmp_path / "a")
    plain = _image
    monkeypatch.setitem(globals(), "_image", lambda i, shape: plain(i + 100 * (i == 7), shape))
    _write(tmp_path / "b")
    assert _load(tmp_path / "a").fingerprint != _load(tmp_path / "b").fingerprint


def test_an_unspecified_shape_is_taken_from_the_images(tmp_path):
    features = {"picture": tfds.features.Image(encoding_format="png")}
    _write(tmp_path / "same", **features)
    found = _load(tmp_path / "same")
    assert (found.shape, found.num_classes) == ((5, 4, 3), None)
    _write(tmp_path / "mixed", sizes=lambda i: (6, 4, 3) if i == 11 else None, **features)
    with pytest.raises(DataError, match=r"\(6, 4, 3\).*all must be of one size"):
        _load(tmp_path / "mixed")


def test_two_image_features_or_none_are_refused(tmp_path):
    image = tfds.features.Image(shape=(5, 4, 3), encoding_format="png")
    label = tfds.features.ClassLabel(num_classes=4)
    _write(tmp_path / "two", picture=image, second=image)
    with pytest.raises(DataError, match="2 image features"):
        _load(tmp_path / "two")
    _write(tmp_path / "none", label=label)
    with pytest.raises(DataError, match="0 image features"):
        _load(tmp_path / "none")


def test_two_label_features_count_as_no_labels(tmp_path):
    image = tfds.features.Image(shape=(5, 4, 3), encoding_format="png")
    label = tfds.features.ClassLabel(num_classes=4)
    _write(tmp_path, picture=image, label=label, other=label)
    found = _load(tmp_path, read_labels=True)
    assert (found.num_classes, found.train_labels) == (None, None)


EVIL = "evil_features.Evil"
HOSTILE = {
    "the whole": lambda found: found | {"pythonClassName": EVIL},
    "a part": lambda found: _with_label(found, {"pythonClassName": EVIL, "text": {}}),
    "the other spelling": lambda found: _with_label(found, {"python_class_name": EVIL, "text": {}}),
    "inside of a sequence": lambda found: _with_label(
        found,
        {
            "pythonClassName": "tensorflow_datasets.core.features.sequence_feature.Sequence",
            "sequence": {"feature": {"pythonClassName": EVIL, "text": {}}},
        },
    ),
    "JSON in JSON": lambda found: {
        "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
        "jsonFeature": {"json": json.dumps({"label": {"type": EVIL, "content": {}}})},
    },
    "the old format": lambda found: {"type": EVIL, "content": {}},
    "no name": lambda found: found | {"pythonClassName": [EVIL]},
}


def _with_label(found, feature):
    features = found["featuresDict"]["features"] | {"label": feature}
    return found | {"featuresDict": {"features": features}}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_class_that_the_data_name_is_not_imported(tmp_path, monkeypatch, kind):
    (tmp_path / "evil_features.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = _write(tmp_path) / "features.json"
    file.write_text(json.dumps(HOSTILE[kind](json.loads(file.read_text()))))
    with pytest.raises(DataError, match=re.escape(str(file))):
        _load(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_the_newest_version_unless_one_is_named(tmp_path):
    folder = _write(tmp_path)
    newer = folder.with_name("1.10.0")
    folder.rename(newer)
    info = json.loads((newer / "dataset_info.json").read_text())
    (newer / "dataset_info.json").write_text(json.dumps(info | {"version": "1.10.0"}))
    old = _write(tmp_path)
    # What a killed process leaves behind is no version, though it looks like a newer one.
    shutil.copytree(old, old.with_name("incomplete.99A_9.9.9"))
    assert tfds_images._find([tmp_path], "png_images", "*") == newer
    assert tfds_images._find([tmp_path], "png_images", "1.2.0") == old
    assert len(_load(tmp_path, "png_images:1.2.0").train) == 20
    with pytest.raises(DataError, match=r"png_images:3\.0\.0 is not prepared"):
        _load(tmp_path, "png_images:3.0.0")


def test_the_default_folder_of_tensorflow_datasets_is_searched(tmp_path):
    _write(tmp_path / "default")
    assert len(_load(tmp_path / "elsewhere").train) == 20


@pytest.mark.parametrize("name", ["mnist", "cifar10", "imagenet_resized/32x32", "no_such_data"])
def test_missing_data_are_reported_at_once(tmp_path, name):
    begin = time.monotonic()
    with pytest.raises(DataError) as caught:
        _load(tmp_path, name)
    assert time.monotonic() - begin < 2.0
    message = str(caught.value)
    assert f"{name} is not prepared under {tmp_path}" in message
    assert "file_format='array_record'" in message
    assert "\n" not in message


def test_other_formats_are_refused(tmp_path):
    folder = _write(tmp_path)
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    with pytest.raises(DataError, match="is in tfrecord format"):
        _load(tmp_path)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset_info\.json cannot be read"):
        _load(tmp_path)


def test_damaged_records_are_refused(tmp_path):
    folder = _write(tmp_path)
    shard = next(folder.glob("*train*"))
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read") as caught:
        _load(tmp_path)
    assert "\n" not in str(caught.value)
    shard.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        _load(tmp_path)


@pytest.mark.parametrize("name", ["", "../etc", "a b", "mnist:latest", "a/b/c"])
def test_invalid_names_are_refused(name):
    with pytest.raises(DataError, match=r"config\.data\.tfds_name"):
        load_tfds(tfds_name=name)


@pytest.fixture
def with_tensorflow(monkeypatch):
    """As if TensorFlow were installed: all that is asked is whether it could be imported."""
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.setattr(tfds_images.importlib.util, "find_spec", lambda name: name)


def test_tensorflow_prepares_missing_data(tmp_path, with_tensorflow, monkeypatch):
    class Builder:
        url_infos = None

        def download_and_prepare(self):
            _write(tmp_path)

    asked = []

    def builder(name, **arguments):
        asked.append((name, arguments))
        return Builder()

    monkeypatch.setattr(tfds, "builder", builder)
    assert len(_load(tmp_path).train) == 20
    assert asked == [("png_images", {"file_format": "array_record", "data_dir": str(tmp_path)})]


class DownloadingBuilder:
    """Of a stock data set; to download must not even be tried where there is no network."""

    url_infos = types.MappingProxyType({"https://host/a": None, "https://host/b": None})
    may_download = False

    def download_and_prepare(self):
        assert self.may_download, "would retry for minutes"


def test_tensorflow_without_a_network_fails_at_once(tmp_path, with_tensorflow, monkeypatch):
    tried = []

    def refuse(request, timeout):
        assert timeout <= 5
        tried.append((request.get_method(), request.full_url))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(tfds, "builder", lambda name, **arguments: DownloadingBuilder())
    monkeypatch.setattr(tfds_images.urllib.request, "urlopen", refuse)
    with pytest.raises(DataError, match=r"preparing it failed: .*no route to host"):
        _load(tmp_path)
    assert len(tried) == 1
    assert tried[0][0] == "HEAD"


def test_a_host_that_answers_is_enough(tmp_path, with_tensorflow, monkeypatch):
    def forbid(request, timeout):
        raise urllib.error.HTTPError(request.full_url, 403, "no HEAD here", None, None)

    monkeypatch.setattr(DownloadingBuilder, "may_download", True)
    monkeypatch.setattr(tfds, "builder", lambda name, **arguments: DownloadingBuilder())
    monkeypatch.setattr(tfds_images.urllib.request, "urlopen", forbid)
    with pytest.raises(DataError, match="was prepared, but is not under"):
        _load(tmp_path)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("text", ["{", "[]", '{"fileFormat": "array_record", "splits": [1]}'])
def test_damaged_descriptions_are_refused(tmp_path, name, text):
    (_write(tmp_path) / name).write_text(text)
    with pytest.raises(DataError) as caught:
        _load(tmp_path)
    assert "\n" not in str(caught.value)
