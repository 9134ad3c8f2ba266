"""tensorflow-datasets builders for the data sets it cannot prepare without TensorFlow.

Written as array_record, the one format it reads and writes without TensorFlow. Importing this
file imports tensorflow-datasets (half a second), so `data.records` does it only when needed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

Examples = Iterator[tuple[np.ndarray, int]]


class ImageRecords(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """uint8 images of one shape with a class label, in the order they are given.

    Args (of the constructor):
      splits: for each split a function that yields (image, label) pairs.
    """

    SHAPE: ClassVar[tuple[int, int, int]]
    NUM_CLASSES: ClassVar[int]

    def __init__(self, *, splits: Mapping[str, Callable[[], Examples]], **kwargs: Any):
        self._split_functions = splits
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # features.Image would need TensorFlow to encode an array; a tensor of bytes does not.
        image = tfds.features.Tensor(shape=self.SHAPE, dtype=np.uint8, encoding="bytes")
        label = tfds.features.ClassLabel(num_classes=self.NUM_CLASSES)
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager
        return {name: self._keyed(make()) for name, make in self._split_functions.items()}

    def _generate_examples(self) -> Iterator:
        raise NotImplementedError("the splits are given to the constructor")

    def _keyed(self, examples: Examples) -> Iterator:
        for key, (image, label) in enumerate(examples):
            yield key, {"image": image, "label": int(label)}


class Digits(ImageRecords):
    """scikit-learn's 8 x 8 digits."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (8, 8, 1)
    NUM_CLASSES = 10


class Cifar10Binary(ImageRecords):
    """CIFAR-10 from its binary archive, in the archive's order."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (32, 32, 3)
    NUM_CLASSES = 10


class Imagenet32New(ImageRecords):
    """ImageNet32, the "new" version, from its npz files, in their order."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (32, 32, 3)
    NUM_CLASSES = 1000
