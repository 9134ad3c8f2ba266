"""Any folder or file of a user's own: the data set holds what is there, or it is refused.

Another reader looks at the same files. Number, pixels and labels must agree.
"""

import io
import itertools
import zipfile
from collections import Counter

import numpy as np
import pytest
from own_reader import files_below, read_image, with_channels
from PIL import Image

from gradlog.data import DataError, inspect_data
from gradlog.data.files import load_files
from gradlog.data.folder import load_folder

FAST, MANY = 200, 3000
SIDE = 5
# Folders by the set that their names mean to a human: 'train', 'test', 'left out', or 'one'.
LAYOUTS = (
    *({"": "one"}, {"cat": "one", "dog": "one"}, {"a/b": "one", "a/c": "one", "": "one"}),
    *({"train": "one"}, {"2019": "one", "2020": "one"}, {"devices": "one", "vals": "one"}),
    *({"train": "train", "test": "test"}, {"train": "train", "val": "test"}),
    *({"Train": "train", "Validation": "test"}, {"TRAIN/cat": "train", "TEST/cat": "test"}),
    *(
        {"train": "train", "test": "test", "val": "left out"},
        {"train2017": "train", "val2017": "test"},
    ),
    *({"training": "train", "dev": "test"}, {"train_images": "train", "test_images": "test"}),
    *({"trainA": "train", "testA": "test"}, {"data/train": "train", "data/test": "test"}),
    *({"cat/train": "train", "cat/test": "test", "dog/train": "train", "dog/test": "test"},),
)
PAIRS = (
    *(("train", "test"), ("train", "val"), ("x_train", "x_test"), ("X_train", "X_valid")),
    *(("Train", "Test"), ("train_images", "test_images"), ("training", "dev"), ("trainA", "testA")),
    ("trainset", "testset"),
)
NAMES = ("images", "x", "Images", "data", "anything", "train")
MODES = ("L", "L", "L", "RGB", "RGB", "RGB", "RGBA", "LA", "P", "1", "16", "ppm", "pgm")
DTYPES = ("uint8", "uint8", "int64", "uint16", ">u2", "int8", "bool", "float32", "float64", ">f4")


def _picture(random, numbers, mode):
    """The ending and the contents of a picture of one of the kinds that both readers know."""
    size = (SIDE, SIDE) if random.random() < 0.97 else (SIDE + 2, SIDE)
    pixels = lambda *channels: numbers.integers(0, 256, (*size, *channels), dtype=np.uint8)  # noqa: E731
    if mode in ("ppm", "pgm"):
        most = random.choice((255, 255, 255, 255, 15, 1023, 65535))
        shape = (*size, 3) if mode == "ppm" else size
        samples = numbers.integers(0, most + 1, shape).astype(np.uint8 if most < 256 else ">u2")
        head = f"P{'6' if mode == 'ppm' else '5'}\n{size[1]} {size[0]}\n{most}\n".encode()
        return f".{mode}", head + samples.tobytes()
    image = {
        "L": lambda: Image.fromarray(pixels()),
        "RGB": lambda: Image.fromarray(pixels(3)),
        "RGBA": lambda: Image.fromarray(pixels(4)),
        "LA": lambda: Image.fromarray(pixels(2), "LA"),
        "P": lambda: Image.fromarray(pixels(3)).quantize(random.choice((2, 4, 16, 256))),
        "1": lambda: Image.fromarray(pixels() > 99),
        "16": lambda: Image.fromarray(pixels().astype(np.uint16) * 257),
    }[mode]()
    more = {}
    if mode == "RGB" and random.random() < 0.1:
        more = {"save_all": True, "append_images": [Image.fromarray(pixels(3))]}
    stream = io.BytesIO()
    image.save(stream, "PNG", **more)
    return random.choice((".png", ".png", ".PNG")), stream.getvalue()


def _fill(random, root):
    """Fill a folder; return the folders of its pictures by the set that they mean."""
    numbers = np.random.default_rng(random.randrange(2**32))
    layout = random.choice(LAYOUTS)
    modes = MODES if random.random() < 0.3 else (random.choice(MODES),)
    for place in layout:
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(random.randint(1, 4)):
            ending, content = _picture(random, numbers, random.choice(modes))
            (root / place / f"{number}{ending}").write_bytes(content)
    places = list(layout)
    for _ in range(random.choice((0, 0, 1, 2))):
        place = root / random.choice(places)
        match random.randint(0, 6):
            case 0:
                (place / ".hidden.png").write_bytes(b"nothing")
            case 1:
                (place / "notes.txt").write_text("text")
            case 2:
                (place / "run" / "previews").mkdir(parents=True, exist_ok=True)
                (place / "run" / "provenance.json").write_text("{}")
                Image.new("L", (9, 9)).save(place / "run" / "previews" / "1.png")
            case 3:
                elsewhere = root.parent / f"{root.name}-elsewhere"
                elsewhere.mkdir(exist_ok=True)
                ending, content = _picture(random, numbers, random.choice(modes))
                (elsewhere / f"1{ending}").write_bytes(content)
                if not (place / "linked").exists():
                    (place / "linked").symlink_to(elsewhere)
            case 4:
                (place / "nowhere.png").unlink(missing_ok=True)
                (place / "nowhere.png").symlink_to("gone")
            case 5:
                if not (place / "up").exists():
                    (place / "up").symlink_to(random.choice((root, place)))
            case 6:
                (place / "PICTURE.HEIC").write_bytes(b"nothing")
    return layout


def _counted(images):
    return Counter((image.shape, np.ascontiguousarray(image).tobytes()) for image in images)


def _check_folder(random, root):
    """Return whether the folder was read; it holds what the other reader finds."""
    layout = _fill(random, root)
    channels, from_shape = random.choice((0, 0, 1, 3, 3)), random.random() < 0.3
    try:
        if from_shape:
            channels = inspect_data(str(root)).shape[-1]
        found = load_folder(path=str(root), channels=channels)
    except DataError:
        return False
    wanted, num_left_out = {"train": Counter(), "test": Counter(), "one": Counter()}, 0
    for file in files_below(root):
        place = file.relative_to(root)
        meant = next(
            meaning
            for name, meaning in sorted(layout.items(), reverse=True)  # '' is last
            if place.is_relative_to(name)
        )
        if meant == "left out":
            num_left_out += 1
        else:
            wanted[meant] += _counted([with_channels(read_image(file), channels)])
    if wanted["one"]:
        assert _counted(found.train) + _counted(found.test) == wanted["one"]
    else:
        assert _counted(found.train) == wanted["train"]
        assert _counted(found.test) == wanted["test"]
    total = sum(images.total() for images in wanted.values())
    assert found.account.startswith(f"{total:,} images from ")
    if num_left_out:
        assert f"images of 'val' ({num_left_out})" in found.account
    return True


def _array(random, numbers, count):
    """Images or points as a human means them, (N, H, W, C) or (N, d), and as they are stored."""
    dtype = np.dtype(random.choice(DTYPES))
    shape = random.choice(((9,), (7, 6), (7, 6, 1), (6, 6, 3), (7, 5, 3), (3, 8, 3), (6, 7, 4)))
    array = numbers.normal(size=(count, *shape))
    if dtype.kind != "f":
        array = np.floor(np.abs(array) * 1000) % random.choice((2, 17, 120, 120))
    if dtype.kind in "iu" and random.random() < 0.1:
        array.flat[0] = -1 if dtype.kind == "i" else 250
    array = array.astype(dtype)
    stored, axes = array, "NHWC"
    if array.ndim == 4 and random.random() < 0.3:
        stored, axes = np.moveaxis(array, -1, 1), "NCHW"
    if random.random() < 0.2:
        stored = np.asfortranarray(stored)
    return array[..., None] if array.ndim == 3 else array, stored, axes


def _labels(random, numbers, count):
    labels = numbers.integers(random.choice((0, 0, 0, 1)), 4, count)
    labels = labels.astype(random.choice(("int64", "uint8", ">i4", "float64", "int64")))
    return labels[:, None] if random.random() < 0.2 else labels


def _save(random, path, arrays):
    if len(arrays) == 1 and random.random() < 0.3:
        with path.open("wb") as file:
            np.save(file, next(iter(arrays.values())))
        return
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, array in random.sample(list(arrays.items()), len(arrays)):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, random.choice(((1, 0), (2, 0))))


def _check_labels(images, labels, stored, stored_labels):
    """Labels may be numbered anew: each class keeps its images, and no two become one."""
    numbered = {}
    of_image = {
        image.astype(np.float32).tobytes(): int(n)
        for image, n in zip(stored, stored_labels, strict=True)
    }
    for image, label in zip(images, labels, strict=True):
        numbered.setdefault(float(label), set()).add(of_image[image.astype(np.float32).tobytes()])
    assert all(len(numbers) == 1 for numbers in numbered.values())
    assert len(set.union(*numbered.values())) == len(numbered)


def _check_arrays(random, root):
    """Return whether the file was read; it holds what NumPy finds."""
    numbers = np.random.default_rng(random.randrange(2**32))
    count = random.randint(2, 12)
    images, stored, axes = _array(random, numbers, count)
    wants_labels, with_labels = random.random() < 0.4, random.random() < 0.6
    labels, cut = _labels(random, numbers, count), max(count // 3, 1)
    pair = random.choice(PAIRS) if random.random() < 0.5 else None
    if pair:
        arrays = {pair[0]: stored[:-cut], pair[1]: stored[-cut:]}
        if with_labels:
            arrays |= {"y_train": labels[:-cut], "y_test": labels[-cut:]}
    else:
        arrays = {random.choice(NAMES): stored}
        if with_labels:
            arrays[random.choice(("labels", "y", "target", "Label"))] = labels
    if random.random() < 0.2:
        arrays[random.choice(("mean", "masks", "holdout"))] = stored[: random.choice((1, count))]
    _save(random, root / "data", arrays)
    said = axes if random.random() < 0.5 and images.ndim == 4 else ""
    levels = (
        random.choice((-1, -1, 0)) if stored.dtype.kind == "f" else random.choice((256, 120, 17, 0))
    )
    try:
        if random.random() < 0.3:
            found_levels = inspect_data(str(root / "data")).levels
            levels = found_levels or -1
        found = load_files(
            path=str(root / "data"), levels=levels, axes=said, read_labels=wants_labels
        )
    except DataError:
        return False
    wanted = images.astype(np.float32)
    held = np.concatenate([found.train, found.test])
    assert held.shape == wanted.shape
    if pair:
        np.testing.assert_array_equal(held, wanted)
        assert len(found.test) == cut
    else:
        assert _counted(held.astype(np.float32)) == _counted(wanted)
    if wants_labels:
        held_labels = np.concatenate([found.train_labels, found.test_labels])
        if len(np.unique(wanted.reshape(count, -1), axis=0)) == count:
            _check_labels(wanted, labels.ravel(), held, held_labels)
    unread = len(arrays) - (2 if pair else 1) - (with_labels and wants_labels) * (2 if pair else 1)
    assert (f"left out: {unread} array(s)" in found.account) == (unread > 0)
    return True


def _check(tmp_path, examples, count, check, least):
    numbers, was_read = itertools.count(), []

    def run(random):
        root = tmp_path / str(next(numbers))
        root.mkdir()
        was_read.append(check(random, root))

    examples(lambda random: random, count, run)
    assert sum(was_read) > least * len(was_read)  # not all are refused


@pytest.mark.parametrize("check", [_check_folder, _check_arrays])
def test_a_few_data_sets_hold_what_is_in_their_files(tmp_path, examples, check):
    _check(tmp_path, examples, FAST, check, 0.25)


@pytest.mark.slow
@pytest.mark.parametrize("check", [_check_folder, _check_arrays])
def test_many_data_sets_hold_what_is_in_their_files(tmp_path, examples, check):
    _check(tmp_path, examples, MANY, check, 0.25)
