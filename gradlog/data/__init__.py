"""Datasets: examples, and what a likelihood must know of them.

A new dataset is a function with keyword arguments of type str, int, float or bool that returns a
`Dataset`, and a line here. `config.data` is `name` and the arguments of all these functions
together, so an argument keeps its meaning and its default from one function to the next; '' and 0
(-1 where 0 has a meaning) stand for "not given".
"""

from gradlog.data.arrays import Arrays, open_arrays
from gradlog.data.batches import BatchStream
from gradlog.data.cifar10 import load_cifar10
from gradlog.data.dataset import UNKNOWN, DataError, Dataset, Source
from gradlog.data.digits import load_digits
from gradlog.data.files import load_files
from gradlog.data.folder import load_folder
from gradlog.data.imagenet32 import load_imagenet32
from gradlog.data.labeled import (
    Labeled,
    LabeledSource,
    class_frequencies,
    labeled_test,
    labeled_train,
    split_label,
)
from gradlog.data.late import late
from gradlog.data.look import Look, look_at
from gradlog.data.memory import check_fits, has, machine_bytes
from gradlog.data.photos import load_photos
from gradlog.data.stand_in import stand_in
from gradlog.data.tfds_images import load_tfds
from gradlog.data.toys import load_checkerboard, load_circle, load_mixture, load_moons

DATASETS = {
    "digits": load_digits,
    "photos": load_photos,
    "tfds": load_tfds,
    "cifar10": load_cifar10,
    "imagenet32": load_imagenet32,
    "files": load_files,
    "folder": load_folder,
    "mixture": load_mixture,
    "moons": load_moons,
    "checkerboard": load_checkerboard,
    "circle": load_circle,
}

__all__ = [
    "DATASETS",
    "UNKNOWN",
    "Arrays",
    "BatchStream",
    "DataError",
    "Dataset",
    "Labeled",
    "LabeledSource",
    "Look",
    "Source",
    "check_fits",
    "class_frequencies",
    "has",
    "labeled_test",
    "labeled_train",
    "late",
    "look_at",
    "machine_bytes",
    "open_arrays",
    "split_label",
    "stand_in",
]
