"""Record files of tensorflow-datasets, read at random without TensorFlow."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from gradlog.data.dataset import DataError, Dataset, fingerprint_of_arrays

NUM_FINGERPRINTED = 256
PART_SIZE = 4096


@dataclass(frozen=True)
class RecordSource:
    """One split of record files: images are read and decoded when they are asked for.

    Attributes:
      records: a tensorflow-datasets data source.
      image_key: the feature that holds the image.
      shape: of every image, (H, W, C).
      dtype: of every image.
    """

    records: Any
    image_key: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, indices: Int[np.ndarray, " n"], /) -> Shaped[np.ndarray, "n *shape"]:
        """Raises DataError if a record cannot be read or has another shape."""
        found = np.empty((len(indices), *self.shape), self.dtype)
        for row, example in enumerate(read(self.records, indices)):
            image = example[self.image_key]
            if image.shape != self.shape:
                raise DataError(
                    f"{self.records!r}: image {indices[row]} has shape {image.shape}, others "
                    f"{self.shape}; all must be of one size"
                )
            found[row] = image
        return found


def read(records: Any, indices: Int[np.ndarray, " n"]) -> list[dict[str, Any]]:
    """The decoded examples at the indices.

    Raises:
      DataError: a record cannot be read.
    """
    with _told(repr(records)):
        return records.__getitems__(np.asarray(indices).tolist())


def open_split(folder: Path, split: str, *, decoders: Any = None) -> Any:
    """A tensorflow-datasets data source: `len`, and random access to examples as dicts.

    Args:
      folder: of one version of one data set.
      split: a name such as 'train', or a part of one such as 'train[:90%]'.
      decoders: as tensorflow-datasets takes them; None decodes every feature.

    Raises:
      DataError: there is no such split, it is empty, or it cannot be opened.
    """
    import tensorflow_datasets as tfds

    with _told(f"{folder}, split {split!r}"):
        builder: Any = tfds.builder_from_directory(folder)
        return builder.as_data_source(split, decoders=decoders)


def read_all(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, H, W, C) and labels (n,) of one split of an `ImageRecords` folder, in memory."""
    images, labels = read_features(open_split(folder, split), "image", "label")
    return images, labels


def read_features(records: Any, *keys: str) -> list[Shaped[np.ndarray, "n *shape"]]:
    """Some features of all examples; read in parts, to hold little else in memory."""
    columns: list[list[np.ndarray]] = [[] for _ in keys]
    for part in np.array_split(np.arange(len(records)), -(-len(records) // PART_SIZE)):
        examples = read(records, part)
        with _told(repr(records)):
            for key, column in zip(keys, columns, strict=True):
                column.append(np.stack([example[key] for example in examples]))
    return [np.concatenate(column) for column in columns]


def from_records(
    name: str, folder: Path, *, train_split: str, test_split: str, read_labels: bool
) -> Dataset:
    """A dataset whose images stay in their record files.

    Args:
      name: of the dataset.
      folder: of one version of one data set.
      train_split: see `open_split`.
      test_split: see `open_split`.
      read_labels: whether to read all labels now (about 20,000 a second).

    Raises:
      DataError: splits or features do not fit, or records cannot be read.
    """
    image_key, label_key, num_classes, dtype = _find_features(folder)
    opened = [open_split(folder, split) for split in (train_split, test_split)]
    shape = read(opened[0], np.array([0]))[0][image_key].shape
    train, test = (RecordSource(records, image_key, shape, dtype) for records in opened)
    levels = int(np.iinfo(dtype).max) + 1
    labels = [None, None]
    if read_labels and label_key:
        labels = [
            _labels(folder, split, label_key, image_key) for split in (train_split, test_split)
        ]
    return Dataset(
        name=name,
        train=train,
        test=test,
        shape=shape,
        levels=levels,
        fingerprint=fingerprint_of_records(f"{folder.parent.name}/{folder.name}", train, test),
        num_classes=num_classes,
        train_labels=labels[0],
        test_labels=labels[1],
    )


def fingerprint_of_records(name: str, *sources: RecordSource) -> str:
    """Of large record files: their name, their sizes and 256 evenly spaced images of each.

    Reading all of ImageNet to name it would take minutes. The decoded images, not the files, are
    hashed, because two preparations of the same data may compress it differently.
    """
    parts = [np.frombuffer(name.encode(), np.uint8)]
    for source in sources:
        count = min(len(source), NUM_FINGERPRINTED)
        spaced = np.linspace(0, len(source) - 1, count).astype(np.int64)
        parts += [np.array([len(source)]), source[spaced]]
    return fingerprint_of_arrays(int(np.iinfo(sources[0].dtype).max) + 1, *parts)


def _find_features(folder: Path) -> tuple[str, str, int | None, np.dtype]:
    """Keys of the one image and of the one class label ('' if there is not one), by type."""
    import tensorflow_datasets as tfds

    with _told(str(folder)):
        features: Any = tfds.builder_from_directory(folder).info.features
    images = [key for key, feature in features.items() if _is_image(feature)]
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    if len(images) != 1:
        raise DataError(f"{folder} has {len(images)} image features in {list(features)}, not one")
    dtype = np.dtype(features[images[0]].np_dtype)
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise DataError(f"{folder}: images are {dtype}; only uint8 and uint16 are known")
    if len(labels) != 1:
        return images[0], "", None, dtype
    return images[0], labels[0], features[labels[0]].num_classes, dtype


def _is_image(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    shape: Any = feature.shape
    # By exact type, because scalars and videos are tensors too.
    is_tensor = type(feature) is tfds.features.Tensor and len(shape) == 3
    return is_tensor or type(feature) is tfds.features.Image


def _labels(folder: Path, split: str, label_key: str, image_key: str) -> Int[np.ndarray, " n"]:
    import tensorflow_datasets as tfds

    decoders = {image_key: tfds.decode.SkipDecoding()}
    (labels,) = read_features(open_split(folder, split, decoders=decoders), label_key)
    return labels.astype(np.int64)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Raises DataError for whatever tensorflow-datasets raises on files that are not as it left."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{what}: cannot be read ({reason})") from error
