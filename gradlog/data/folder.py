"""A folder of image files."""

import functools
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from gradlog.data.array_files import check_fits
from gradlog.data.classes import describe_classes, index_labels
from gradlog.data.dataset import (
    DataError,
    Dataset,
    describe_overlap,
    encode_names,
    fingerprint_of_arrays,
    from_arrays,
    split_indices,
)
from gradlog.data.image_files import ENDINGS, MODES, map_files, read_image, survey_images
from gradlog.data.records import spaced_examples
from gradlog.data.sets import check_one_set, choose_sets, role_of
from gradlog.data.walk import find_files

ARCHIVES = {".npy", ".npz", ".zip", ".tar", ".gz", ".tgz", ".h5", ".parquet"}
LARGEST = 8192  # side of an image; Pillow refuses files of more than 179 million pixels
EXAMINED = 200_000  # images at most whose headers are read, in a minute
IN_MEMORY = 4 << 30  # bytes: CelebA at 64 x 64 fits, LSUN at 256 x 256 is read as it is used


def load_folder(
    *,
    path: str = "",
    image_size: int = 0,
    channels: int = 0,
    test_fraction: float = 0.1,
    seed: int = 0,
    read_labels: bool = False,
) -> Dataset:
    """Load 8-bit images (H, W, channels) with 256 levels, ordered by file name.

    Images of up to IN_MEMORY bytes in total are held in memory. Others are decoded when they are
    accessed. All subfolders are searched; `walk.find_files` says what is left out. If there are
    subfolders train/ and test/, or train/ and val/, they are the two sets; `data.sets` has all
    names that are known. Otherwise the images are split at random.

    With an `image_size`, squares are cut from the center and resized by averaging; without it the
    images must have one size. `channels` of 1 or 3 converts them, and transparency is dropped;
    without it all must be gray or all RGB. Classes are the subfolders (of train/ and of test/, if
    there are these), which keep their names.

    Raises:
      DataError: no folder, no images, an unreadable file, images that do not match, or one that
        lies in no subfolder and so has no class.
    """
    if channels not in (0, *MODES) or not 0 <= image_size <= LARGEST:
        raise DataError(
            f"config.data.channels = {channels} must be 0, 1 or 3, and config.data.image_size = "
            f"{image_size} must lie in 0 .. {LARGEST}"
        )
    folder = Path(os.path.expanduser(path))
    if not path or not folder.is_dir():
        raise DataError(f"config.data.path = {path!r} is not a folder; set it to one of images")
    found = find_images(folder)
    files = found.sets
    labels = _read_classes(folder, found) if read_labels else []
    if len(files) == 1:
        parts = split_indices(len(files[0]), test_fraction=test_fraction, seed=seed)
        files = [[files[0][row] for row in rows] for rows in parts]
        labels = [array[rows] for array in labels for rows in parts]
    indexed = index_labels(folder.name, *labels) if read_labels else None
    classes = indexed._asdict() if indexed else {}
    account = found.account([len(part) for part in files], image_size, channels)
    account = "; ".join(filter(None, (account, describe_classes(indexed))))
    read = functools.partial(read_image, image_size=image_size, channels=channels)
    train, test = (ImageFiles(part, read, like=files[0][0]) for part in files)
    num_bytes = (len(train) + len(test)) * math.prod(train.shape)
    if num_bytes <= IN_MEMORY:
        check_fits(num_bytes, str(folder))
        everything = [images[np.arange(len(images))] for images in (train, test)]
        account = "; ".join(filter(None, (account, describe_overlap(*everything))))
        return from_arrays(folder.name, *everything, levels=256, account=account, **classes)
    # Decoding all images would take too long: all names and 256 images of each set identify them.
    parts = []
    for images in (train, test):
        names = "\n".join(file.name for file in images.files)
        parts += [np.frombuffer(os.fsencode(names), np.uint8), spaced_examples(images)]
    if read_labels:
        parts += [classes["train_labels"], classes["test_labels"]]
        parts += encode_names(classes["classes"])
    fingerprint = fingerprint_of_arrays(256, *parts)
    sets = train, test, train.shape, 256
    return Dataset(folder.name, *sets, fingerprint, account=account, **classes)


@dataclass(frozen=True)
class ImageSets:
    """The image files of a folder.

    Attributes:
      sets: the files of the training and of the test set, or of one set, by name.
      how: how the sets were found, as a phrase.
      num_files: how many files there are, those that are left out included.
      left_out: how many things of each kind are left out.
      reached_again: files and folders that links reach once more, with the path that counts.
    """

    sets: list[list[Path]]
    how: str
    num_files: int
    left_out: Counter[str]
    reached_again: list[tuple[Path, Path]]

    def account(self, sizes: Sequence[int], image_size: int, channels: int) -> str:
        """Say in one line what is read, what is left out, and what reading changes.

        Args:
          sizes: of the training and of the test set.
          image_size: as for `load_folder`.
          channels: likewise.
        """
        folders = {file.parent for files in self.sets for file in files}
        read = (
            f"{sum(sizes):,} images from {self.num_files:,} files in {len(folders):,} "
            f"folder{'s' * (len(folders) > 1)}: "
            f"{sizes[0]:,} for training and {sizes[1]:,} for testing, {self.how}"
        )
        return "; ".join([read, *self.losses(image_size, channels)])

    def losses(self, image_size: int, channels: int) -> list[str]:
        """Say what is left out, and what reading changes; see ``account``."""
        changes = Counter()
        step = -(-sum(map(len, self.sets)) // EXAMINED)  # 1 for all but very many images
        for files in self.sets:
            survey = survey_images(files[::step])
            changes.update(survey.changes)
            for (height, width, there), count in survey.shapes.items():
                if channels and there != channels:
                    changes[f"made {'RGB' if channels == 3 else 'gray'}"] += count
                if image_size and min(height, width) < image_size:
                    changes[f"enlarged to {image_size} x {image_size}"] += count
                elif image_size and (height, width) != (image_size, image_size):
                    changes[f"cut and reduced to {image_size} x {image_size}"] += count
        parts = []
        for what, counts in (("left out", self.left_out), ("read with a change", changes)):
            if counts:
                listed = ", ".join(f"{kind} ({count:,})" for kind, count in sorted(counts.items()))
                some = f" (of every {step}th image)" * (counts is changes and step > 1)
                parts.append(f"{what}{some}: {listed}")
        return parts


def find_images(folder: Path) -> ImageSets:
    """Return the image files of the two sets if subfolders say what they are, else of one set.

    Raises:
      DataError: there are no images, or names of subfolders do not say clearly what is in them.
    """
    found = find_files(folder, ENDINGS)
    left_out = found.count_left_out()
    files_of: dict[str, list[Path]] = {}  # by the subfolder, '' for those in none
    for file in found.files:
        files_of.setdefault(_first_folder(file, folder), []).append(file)
    again = [path / "x" if path.is_dir() else path for path, _ in found.reached_again]
    names = {*files_of, *(_first_folder(path, folder) for path in again)}
    names |= {path.name for path in found.folders if path.parent == folder and role_of(path.name)}
    _check_missing_sets(folder, {role for name in names if (role := role_of(name))})
    chosen = choose_sets(str(folder), sorted(names))
    if chosen is None:
        sets, how = {folder: found.files}, "split at random"
        _check_one_set(folder, found.files)
    else:
        _check_parts_differ(found.reached_again, lambda path: path.relative_to(folder).parts[0])
        sets = {folder / name: files_of.get(name, []) for name in (chosen.train, chosen.test)}
        how = f"as in {chosen.train!r} and {chosen.test!r}"
        for name in chosen.left_out:
            left_out[f"images of {name!r}"] += len(files_of.get(name, []))
    for place, files in sets.items():
        if not files:
            raise DataError(f"{place} holds no images ({', '.join(sorted(ENDINGS))})")
        inner = {name for file in files for name in file.relative_to(place).parts[:-1]}
        check_one_set(str(place), sorted(inner))
    return ImageSets(list(sets.values()), how, found.num_files, +left_out, found.reached_again)


def _check_missing_sets(folder: Path, roles: set[str]) -> None:
    """Raise a DataError if beside a set another one is a link that leads nowhere, or an archive."""
    with os.scandir(folder) as entries:
        others = [Path(entry) for entry in entries if not entry.is_dir()]
    for path in sorted(others):
        is_set = path.suffix.lower() in ARCHIVES or not path.exists()
        if roles and is_set and role_of(path.stem) not in (None, *roles):
            raise DataError(
                f"{path} has the name of a set beside {sorted(roles)}, but is no folder of images; "
                "make it one, or remove it"
            )


def _check_parts_differ(
    reached_again: Sequence[tuple[Path, Path]], part_of: Callable[[Path], str]
) -> None:
    """Raise a DataError if a link brings a file or a folder of one part into another part."""
    both = [pair for pair in reached_again if part_of(pair[0]) != part_of(pair[1])]
    if both:
        link, path = both[0]
        raise DataError(
            f"{link} and {path} are the same by a link, and would be in both {part_of(link)!r} "
            f"and {part_of(path)!r} ({len(both)} such links); remove one of them"
        )


def _read_classes(folder: Path, found: ImageSets) -> list[np.ndarray]:
    """Return for each set the class of each image: its subfolder of the folder, or of train/ ..."""
    labels, depth = [], len(found.sets) - 1
    _check_parts_differ(found.reached_again, lambda path: path.relative_to(folder).parts[depth])
    for part in found.sets:
        place = folder.joinpath(*part[0].relative_to(folder).parts[:depth])
        loose = [file for file in part if file.parent == place]
        if loose:
            raise DataError(
                f"config.data.read_labels = True: {len(loose)} images lie in {place} itself, such "
                f"as {loose[0].name}, and so in no class; move them into subfolders, one for each "
                "class"
            )
        labels.append(np.array([file.relative_to(place).parts[0] for file in part]))
    if len(set(np.concatenate(labels).tolist())) == 1:
        raise DataError(
            f"config.data.read_labels = True: all images of {folder} lie in the one subfolder "
            f"{labels[0][0]}; set config.data.path to the folder whose subfolders are the classes"
        )
    return labels


def check_holds_no_images(place: Path, path: str) -> None:
    """Check that no image of the folder `path` lies in a place that a new run will write to.

    Raises:
      DataError: one does. Pictures of the run would become data there, or the data be left out.
    """
    inside = place.resolve()
    if not path or not inside.is_dir():
        return
    for file in find_files(Path(os.path.expanduser(path)), ENDINGS).files:
        if inside in file.resolve().parents:
            raise DataError(
                f"{place} cannot become the workdir: it holds {file}, which is data of {path}; "
                "choose a workdir that holds no data"
            )


def _check_one_set(folder: Path, files: list[Path]) -> None:
    """Raise a DataError if folders further down, or names of files, are of two sets."""
    check_one_set(str(folder), [file.stem for file in files])
    names_in: dict[Path, set[str]] = {}
    for place in {file.parent for file in files}:
        names_in.setdefault(place, set()).add("")
        while place != folder:
            names_in.setdefault(place.parent, set()).add(place.name)
            place = place.parent
    for place, names in sorted(names_in.items()):
        if choose_sets(str(place), sorted(names)):
            raise DataError(
                f"{place} holds a training and a test set, which would be mixed: name {place} "
                f"instead of {folder}"
            )


def _first_folder(file: Path, folder: Path) -> str:
    """Return the name of the subfolder that a file lies in, '' if it lies in the folder itself."""
    parts = file.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


class ImageFiles:
    """Images that are decoded when they are accessed, several at once.

    Raises, when an image is accessed:
      DataError: it cannot be read, or has another shape than the image `like`.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], np.ndarray], like: Path):
        self.files = files
        self.shape = read(like).shape
        self._read = read
        self._like = like

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W C"]:
        files = [self.files[index] for index in np.asarray(indices).tolist()]
        num_bytes = len(files) * math.prod(self.shape)
        check_fits(num_bytes, f"{len(files)} images as large as {self._like}")
        images = np.empty((len(files), *self.shape), np.uint8)
        for row, image in enumerate(map_files(self._read, files)):
            if image.shape != self.shape:
                raise DataError(
                    f"{files[row]} has shape {image.shape} (height, width, channels) and "
                    f"{self._like} has {self.shape}; set config.data.image_size and "
                    "config.data.channels to make all images alike"
                )
            images[row] = image
        return images
