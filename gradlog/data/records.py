"""Read record files of tensorflow-datasets at random, without TensorFlow."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from PIL import EpsImagePlugin

from gradlog.data.classes import describe_classes, index_labels
from gradlog.data.dataset import DataError, Dataset, fingerprint_of_arrays, from_arrays
from gradlog.data.image_files import decode_image

# The only classes that features.json may name: tensorflow-datasets imports the module of a name.
_CORE = "tensorflow_datasets.core.features"
FEATURES = frozenset(
    f"{_CORE}.{name}"
    for name in (
        *("bounding_boxes.BBoxFeature", "class_label_feature.ClassLabel", "scalar.Scalar"),
        *("features_dict.FeaturesDict", "image_feature.Image", "labeled_image.LabeledImage"),
        *("sequence_feature.Sequence", "tensor_feature.Tensor", "text_feature.Text"),
    )
)
NUM_FINGERPRINTED = 256
PART_SIZE = 4096


def load_records(name: str, folder: Path, *, levels: int, num_classes: int) -> Dataset:
    """Load a data set that ``data.prepare`` wrote, with all images and labels in memory.

    Raises:
      DataError: records cannot be read.
    """
    builder = _open(folder)
    arrays = {}
    for split in ("train", "test"):
        records = _open_split(builder, folder, split)
        arrays[split], arrays[f"{split}_labels"] = _read_features(records, "image", "label")
    train_labels, test_labels = arrays.pop("train_labels"), arrays.pop("test_labels")
    names = [str(number) for number in range(num_classes)]
    classes = index_labels(name, train_labels, test_labels, names=names)
    account = describe_classes(classes)
    return from_arrays(name, **arrays, levels=levels, account=account, **classes._asdict())


def open_records(
    name: str, folder: Path, *, train_split: str, test_split: str, read_labels: bool
) -> Dataset:
    """Return a data set whose images stay in their record files.

    Args:
      name: name of the data set.
      folder: folder of one version of one data set.
      train_split: a split such as 'train', or a part of one such as 'train[:90%]'.
      test_split: likewise.
      read_labels: whether to read all labels now (about 20,000 a second).

    Raises:
      DataError: splits or features do not fit, or records cannot be read.
    """
    import tensorflow_datasets as tfds

    builder = _open(folder)
    image_key, label_key, num_classes, dtype = _find_features(folder, builder.info.features)
    splits = [train_split, test_split]
    decoders = None
    if type(builder.info.features[image_key]) is tfds.features.Image and dtype == np.uint8:
        # That of tensorflow-datasets cuts 16 bits to 8, and lets the contents choose the format.
        decoders = {image_key: _make_decoder()}
    opened = [_open_split(builder, folder, split, decoders=decoders) for split in splits]
    shape = _read(opened[0], np.array([0]))[0][image_key].shape
    train, test = (RecordSource(records, image_key, shape, dtype) for records in opened)
    about_classes: dict[str, Any] = {"num_classes": num_classes}
    account = ""
    if read_labels and not label_key:
        account = f"{name} has no class label, or several: no labels are read"
    elif read_labels:
        decoders = {image_key: tfds.decode.SkipDecoding()}
        opened = [_open_split(builder, folder, split, decoders=decoders) for split in splits]
        train_labels, test_labels = (_read_features(each, label_key)[0] for each in opened)
        names = builder.info.features[label_key].names
        classes = index_labels(name, train_labels, test_labels, names=names)
        about_classes, account = classes._asdict(), describe_classes(classes)
    return Dataset(
        name=name,
        train=train,
        test=test,
        shape=shape,
        levels=_count_levels(dtype),
        fingerprint=fingerprint_of_records(f"{folder.parent.name}/{folder.name}", train, test),
        account=account,
        **about_classes,
    )


@dataclass(frozen=True)
class RecordSource:
    """One split of record files, whose images are read and decoded when they are accessed."""

    records: Any
    image_key: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, indices: Int[np.ndarray, " n"], /) -> Shaped[np.ndarray, "n *shape"]:
        """Return images; raise a DataError if one cannot be read or has another shape."""
        images = np.empty((len(indices), *self.shape), self.dtype)
        for row, example in enumerate(_read(self.records, indices)):
            image = example[self.image_key]
            if image.shape != self.shape:
                raise DataError(
                    f"{self.records!r}: image {indices[row]} has shape {image.shape}, others "
                    f"{self.shape}; all must be of one size"
                )
            images[row] = image
        return images


def fingerprint_of_records(name: str, *sources: RecordSource) -> str:
    """Return a fingerprint of the name, the sizes and 256 evenly spaced images of each source.

    Reading all of ImageNet would take minutes. The decoded images are hashed and not the files,
    because two preparations of the same data may compress it differently.
    """
    parts = [np.frombuffer(name.encode(), np.uint8)]
    for source in sources:
        parts += [np.array([len(source)]), spaced_examples(source)]
    return fingerprint_of_arrays(_count_levels(sources[0].dtype), *parts)


def spaced_examples(source: Any) -> np.ndarray:
    """Return up to NUM_FINGERPRINTED evenly spaced examples of a source."""
    count = min(len(source), NUM_FINGERPRINTED)
    return source[np.linspace(0, len(source) - 1, count).astype(np.int64)]


def _count_levels(dtype: np.dtype) -> int:
    return int(np.iinfo(dtype).max) + 1


def _open(folder: Path) -> Any:
    import tensorflow_datasets as tfds

    check_features(folder / "features.json")
    EpsImagePlugin.gs_binary = False  # an image that is PostScript would be a program
    with _read_errors(str(folder)):
        return tfds.builder_from_directory(folder)


def check_features(file: Path) -> None:
    """Check that reading these features executes nothing of the user's or of a stranger's.

    Raises:
      DataError: the file cannot be read, or names a class that is not one of `FEATURES`.
    """
    try:
        parts = [json.loads(file.read_text("utf-8"))]
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read ({error}); prepare the data again") from error
    if not isinstance(parts[0], dict) or "type" in parts[0]:  # of a format older than array_record
        raise DataError(f"{file} is not in today's format; prepare the data again")
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            parts += part.values()
            named = [part[key] for key in ("pythonClassName", "python_class_name") if key in part]
            if unknown := [name for name in map(str, named) if name not in FEATURES]:
                raise DataError(
                    f"{file} names the class {unknown[0]!r}, which would be imported; only "
                    f"features of {_CORE} for images, labels, numbers and text are read"
                )
            if "jsonFeature" in part or "json_feature" in part:  # text that is parsed once more
                raise DataError(f"{file} holds a feature as JSON in JSON; prepare the data again")


def _open_split(builder: Any, folder: Path, split: str, *, decoders: Any = None) -> Any:
    with _read_errors(f"{folder}, split {split!r}"):
        return builder.as_data_source(split, decoders=decoders)


def _make_decoder() -> Any:
    """Return a decoder of images of 8 bits a channel, in the formats that are offered."""
    import tensorflow_datasets as tfds

    class Decoder(tfds.decode.Decoder):
        def decode_example(self, serialized_example: bytes) -> np.ndarray:
            return decode_image(serialized_example)

    return Decoder()


def _read(records: Any, indices: Int[np.ndarray, " n"]) -> list[dict[str, Any]]:
    with _read_errors(repr(records)):
        return records.__getitems__(np.asarray(indices).tolist())


def _read_features(records: Any, *keys: str) -> list[Shaped[np.ndarray, "n *shape"]]:
    """Read some features of all examples, in parts, to hold little else in memory."""
    columns: list[list[np.ndarray]] = [[] for _ in keys]
    for part in np.array_split(np.arange(len(records)), -(-len(records) // PART_SIZE)):
        examples = _read(records, part)
        with _read_errors(repr(records)):
            for key, column in zip(keys, columns, strict=True):
                column.append(np.stack([example[key] for example in examples]))
    return [np.concatenate(column) for column in columns]


def _find_features(folder: Path, features: Any) -> tuple[str, str, int | None, np.dtype]:
    """Find by type the one image, and the class label if there is exactly one (else '')."""
    import tensorflow_datasets as tfds

    def is_image(feature: Any) -> bool:
        shape: Any = feature.shape
        # By exact type, because scalars and videos are tensors too.
        is_tensor = type(feature) is tfds.features.Tensor and len(shape) == 3
        return is_tensor or type(feature) is tfds.features.Image

    images = [key for key, feature in features.items() if is_image(feature)]
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    if len(images) != 1:
        raise DataError(f"{folder} has {len(images)} image features in {list(features)}, not one")
    dtype = np.dtype(features[images[0]].np_dtype)
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise DataError(f"{folder}: images are {dtype}; only uint8 and uint16 are supported")
    if len(labels) != 1:
        return images[0], "", None, dtype
    return images[0], labels[0], features[labels[0]].num_classes, dtype


@contextlib.contextmanager
def _read_errors(what: str) -> Iterator[None]:
    """Raise a DataError for any error of tensorflow-datasets on missing or damaged files."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{what}: cannot be read ({reason})") from error
