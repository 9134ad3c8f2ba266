"""Data sets: examples, and the facts about them that a likelihood depends on.

A new data set is a function that returns a `Dataset`, and one line here. Its arguments are
keywords of type str, int, float or bool. ``config.data`` holds `name` and the arguments of all
these functions together, so an argument has the same meaning and the same default in each of
them: those of ``configs/default.py``. '' and 0 (or -1, where 0 has a meaning) stand for "not
given". A loader raises a `DataError` if data are missing, damaged or not as the arguments say.
"""

from gradlog.data.array_files import (
    Arrays as Arrays,
    check_fits as check_fits,
    describe_memory as describe_memory,
    machine_bytes as machine_bytes,
    open_arrays as open_arrays,
    read_array as read_array,
)
from gradlog.data.batches import BatchStream as BatchStream
from gradlog.data.cifar10 import load_cifar10
from gradlog.data.classes import find_classes as find_classes, names_of_classes as names_of_classes
from gradlog.data.dataset import (
    UNKNOWN as UNKNOWN,
    DataError as DataError,
    Dataset as Dataset,
    Source as Source,
    from_arrays as from_arrays,
)
from gradlog.data.dataset_spec import (
    DatasetSpec as DatasetSpec,
    LazyDataset as LazyDataset,
    known_spec as known_spec,
)
from gradlog.data.digits import load_digits
from gradlog.data.examples import read_examples as read_examples
from gradlog.data.files import load_files
from gradlog.data.folder import check_holds_no_images as check_holds_no_images, load_folder
from gradlog.data.imagenet32 import load_imagenet32
from gradlog.data.inspection import Inspection as Inspection, inspect_data as inspect_data
from gradlog.data.labeled import (
    Labeled as Labeled,
    LabeledSource as LabeledSource,
    class_frequencies as class_frequencies,
    explain_missing_labels as explain_missing_labels,
    labeled_test as labeled_test,
    labeled_train as labeled_train,
    split_label as split_label,
)
from gradlog.data.photos import load_photos
from gradlog.data.text import load_text
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
    "text": load_text,
    "mixture": load_mixture,
    "moons": load_moons,
    "checkerboard": load_checkerboard,
    "circle": load_circle,
}
