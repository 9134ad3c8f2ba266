import os
import shutil
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from gradlog.data import folder, image_files
from gradlog.data.dataset import DataError, split_indices
from gradlog.data.folder import ImageFiles, check_holds_no_images, load_folder
from gradlog.storage import Workdir


def _picture(seed, height=6, width=8, mode="RGB"):
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def ten(tmp_path):
    """Ten pictures; the order of their names is the order of their seeds."""
    for seed in range(10):
        _save(tmp_path / f"{'ab'[seed // 5]}" / f"{seed}.png", _picture(seed))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def _fails(message, **arguments):
    with pytest.raises(DataError, match=message) as caught:
        load_folder(**arguments)
    assert "\n" not in str(caught.value)


def test_a_folder_is_split_at_random(ten):
    found = load_folder(path=str(ten), test_fraction=0.3, seed=2)
    train, test = split_indices(10, test_fraction=0.3, seed=2)
    pictures = np.stack([_picture(seed) for seed in range(10)])
    np.testing.assert_array_equal(found.train, pictures[train])
    np.testing.assert_array_equal(found.test, pictures[test])
    assert (found.name, found.shape, found.levels) == (ten.name, (6, 8, 3), 256)
    assert found.train.dtype == np.uint8
    assert len(load_folder(path=str(ten)).test) == 1


def test_train_and_test_subfolders(tmp_path):
    for seed in range(4):
        _save(tmp_path / "train" / "deep" / f"{seed}.PNG", _picture(seed))
    _save(tmp_path / "test" / "9.png", _picture(9))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "all.json").write_text("{}")
    found = load_folder(path=str(tmp_path), seed=7)
    np.testing.assert_array_equal(found.train, np.stack([_picture(seed) for seed in range(4)]))
    np.testing.assert_array_equal(found.test, _picture(9)[None])
    assert found.fingerprint == load_folder(path=str(tmp_path), seed=8).fingerprint


def test_subfolders_are_classes(ten):
    found = load_folder(path=str(ten), read_labels=True)
    train, test = split_indices(10, test_fraction=0.1, seed=0)
    np.testing.assert_array_equal(found.train_labels, train // 5)
    np.testing.assert_array_equal(found.test_labels, test // 5)
    assert found.num_classes == 2
    assert found.classes == dict(zip("ab", np.bincount(train // 5).tolist(), strict=True))
    assert "a (" in found.account
    plain = load_folder(path=str(ten))
    assert (plain.classes, plain.train_labels) == (None, None)
    assert plain.fingerprint != found.fingerprint


def test_subfolders_of_train_and_test_are_classes(tmp_path, monkeypatch):
    for name, seed in {"train/a/1": 1, "train/b/deep/2": 2, "test/b/3": 3}.items():
        _save(tmp_path / f"{name}.png", _picture(seed))
    found = load_folder(path=str(tmp_path), read_labels=True)
    assert found.classes == {"a": 1, "b": 1}
    assert (found.train_labels.tolist(), found.test_labels.tolist()) == ([0, 1], [1])
    monkeypatch.setattr(folder, "IN_MEMORY", 0)
    later = load_folder(path=str(tmp_path), read_labels=True)
    assert (later.classes, later.test_labels.tolist()) == (found.classes, [1])
    assert later.fingerprint != load_folder(path=str(tmp_path)).fingerprint


def test_images_without_a_class_and_a_single_class_are_refused(ten):
    _save(ten / "loose.png", _picture(1))
    _fails(r"1 images .*loose\.png", path=str(ten), read_labels=True)
    shutil.rmtree(ten / "a")
    (ten / "loose.png").unlink()
    _fails("one subfolder b", path=str(ten), read_labels=True)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        *(("train", "val"), ("Train", "TEST"), ("training", "valid"), ("train2017", "val2017")),
        *(("TRAIN", "Validation"), ("train_images", "test-images"), ("TrainSet", "DevSet")),
        *(("trainset", "testset"), ("TRAINDATA", "valimages")),
    ],
)
def test_other_names_of_the_two_sets_are_known(tmp_path, train, test):
    for seed in range(3):
        _save(tmp_path / train / f"{seed}.png", _picture(seed))
    _save(tmp_path / test / "9.png", _picture(9))
    found = load_folder(path=str(tmp_path))
    np.testing.assert_array_equal(found.train, np.stack([_picture(seed) for seed in range(3)]))
    np.testing.assert_array_equal(found.test, _picture(9)[None])


def test_a_third_set_is_left_out_and_counted(tmp_path):
    for place, seed in (("train", 0), ("val", 1), ("val", 2), ("test", 3)):
        _save(tmp_path / place / f"{seed}.png", _picture(seed))
    found = load_folder(path=str(tmp_path))
    np.testing.assert_array_equal(found.test, _picture(3)[None])
    assert "images of 'val' (2)" in found.account


@pytest.mark.parametrize(
    "places",
    [
        ("train", "test", "other"),
        ("train", "extra"),
        ("train", "."),
        ("train", "Train"),
        ("test", "val"),
        ("trainA", "testA"),
        ("data/train", "data/val"),
        ("data/train", "data/more"),
        ("cat/train", "dog/test"),
        ("train/train", "train/val", "test"),
        ("trainval", "test"),
    ],
)
def test_unclear_layouts_are_refused(tmp_path, places):
    for seed, place in enumerate(places):
        _save(tmp_path / place / f"{seed}.png", _picture(seed))
    _fails(str(tmp_path), path=str(tmp_path))


def test_names_of_files_that_are_of_two_sets_are_refused(tmp_path):
    for seed, name in enumerate(("cat_train_1", "cat_test_1")):
        _save(tmp_path / f"{name}.png", _picture(seed))
    _fails("cat_test_1", path=str(tmp_path))


def test_a_set_without_images_is_refused(tmp_path):
    _save(tmp_path / "train" / "1.png", _picture(1))
    (tmp_path / "val").mkdir()
    _fails("val holds no images", path=str(tmp_path))


def test_a_set_that_is_a_broken_link_or_an_archive_is_not_left_out(tmp_path):
    _save(tmp_path / "train" / "1.png", _picture(1))
    _save(tmp_path / "train" / "2.png", _picture(2))
    (tmp_path / "train.txt").write_text("1.png 0")
    load_folder(path=str(tmp_path))
    (tmp_path / "test").symlink_to(tmp_path / "nowhere")
    _fails("/test", path=str(tmp_path))
    (tmp_path / "test").unlink()
    np.save(tmp_path / "val.npy", np.zeros(3))
    _fails(r"val\.npy", path=str(tmp_path))


def test_images_of_both_sets_are_counted(tmp_path):
    for place, seed in (("train", 1), ("train", 2), ("test", 2), ("test", 3)):
        _save(tmp_path / place / f"{seed}.png", _picture(seed))
    assert "1 of 2 test examples" in load_folder(path=str(tmp_path)).account


def test_one_set_alone_is_split(tmp_path):
    for seed in range(4):
        _save(tmp_path / "train" / "cat" / f"{seed}.png", _picture(seed))
    assert len(load_folder(path=str(tmp_path)).train) == 3


def test_what_is_read_and_left_out_is_counted(ten):
    (ten / "a" / "._1.png").write_bytes(b"of macOS")
    _save(ten / ".thumbnails" / "1.png", _picture(11, 2, 2))
    (ten / "a" / "1.heic").write_bytes(b"")
    (ten / "LICENSE").write_text("free")
    (ten / "gone.png").symlink_to(ten / "nowhere.png")
    frames = [Image.fromarray(_picture(seed)) for seed in range(3)]
    frames[0].save(ten / "b" / "moving.png", save_all=True, append_images=frames[1:])
    found = load_folder(path=str(ten))
    for said in (
        *("11 images", "15 files", "2 folders", "10 for training", "1 for testing"),
        *(".heic files (1)", ".txt files (1)", "broken links (1)", "other endings or none (1)"),
        *("hidden files (1)", "hidden folders (1)", "by the first frame or page alone (1)"),
    ):
        assert said in found.account


def test_names_of_files_are_not_printed_as_they_are(ten):
    for number in range(20):
        (ten / f"x.{'abcdefghijklmnopqrst'[number]}").write_text("")
    (ten / "x.\x1b[31m\udcff").write_text("")
    account = load_folder(path=str(ten)).account
    assert account.isprintable()
    assert "files with other endings or none (17)" in account


@pytest.mark.parametrize("kind", ["gif", "webp", "tiff", "png"])
def test_images_of_several_frames_are_counted(tmp_path, kind):
    for number in range(2):
        frames = [Image.fromarray(_picture(seed)) for seed in range(3)]
        frames[0].save(tmp_path / f"{number}.{kind}", save_all=True, append_images=frames[1:])
    account = load_folder(path=str(tmp_path), channels=3).account
    assert "by the first frame or page alone (2)" in account


def test_changes_of_images_are_counted(tmp_path):
    Image.fromarray(_picture(0, mode="RGBA")).save(tmp_path / "a.png")
    Image.fromarray(_picture(1, mode="L")).save(tmp_path / "b.png", transparency=3)
    Image.fromarray(_picture(2, mode="RGBA"), "CMYK").save(tmp_path / "c.jpg")
    Image.fromarray(_picture(3, mode="L") > 99).save(tmp_path / "d.png")
    (tmp_path / "e.pgm").write_bytes(b"P5 8 6 15\n" + bytes(48))
    account = load_folder(path=str(tmp_path), channels=3, image_size=7).account
    for said in (
        *("without transparency (2)", "converted from CMYK (1)", "made RGB (3)"),
        *("spread from fewer levels over 0 .. 255 (2)", "enlarged to 7 x 7 (5)"),
    ):
        assert said in account


def test_links_to_folders_are_followed_once(tmp_path):
    for seed in range(3):
        _save(tmp_path / "elsewhere" / f"{seed}.png", _picture(seed))
        _save(tmp_path / "data" / "dog" / f"{seed + 3}.png", _picture(seed + 3))
    for name in ("cat", "kitty"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    found = load_folder(path=str(tmp_path / "data"))
    both = np.concatenate([found.train, found.test])
    wanted = [_picture(seed).tobytes() for seed in range(6)]
    assert sorted(image.tobytes() for image in both) == sorted(wanted)
    assert "a link reaches again (1)" in found.account


def test_a_link_to_an_image_of_the_folder_is_no_second_image(ten):
    before = load_folder(path=str(ten))
    (ten / "b" / "again.png").symlink_to(ten / "a" / "3.png")
    found = load_folder(path=str(ten))
    assert found.fingerprint == before.fingerprint
    assert "a link reaches again (1)" in found.account


def test_a_file_counts_where_it_really_lies(ten):
    """A link of an earlier name, in an earlier class, takes no image from another class."""
    (ten / "a" / "00.png").symlink_to(next((ten / "b").iterdir()))
    (ten / "0").symlink_to(ten / "b")
    found = load_folder(path=str(ten))
    assert "a link reaches again (2)" in found.account
    assert len(found.train) + len(found.test) == 10
    _fails("same by a link", path=str(ten), read_labels=True)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_that_share_images_between_sets_are_refused(tmp_path, kind):
    _save(tmp_path / "pool" / "shared" / "1.png", _picture(1))
    for seed, place in enumerate(("train", "test")):
        _save(tmp_path / "data" / place / f"own{seed}.png", _picture(seed + 2))
        link, shared = ("1.png", "shared/1.png") if kind == "file" else ("link", "shared")
        (tmp_path / "data" / place / link).symlink_to(tmp_path / "pool" / shared)
    _fails("same by a link", path=str(tmp_path / "data"))


def test_hidden_folders_and_folders_of_runs_are_no_sets(tmp_path):
    for seed, place in enumerate(("train", "test", ".val", "eval")):
        _save(tmp_path / place / f"{seed}.png", _picture(seed))
    for mark in ("provenance.json", "config.json"):
        (tmp_path / "eval" / mark).write_text("{}")
    found = load_folder(path=str(tmp_path))
    assert (len(found.train), len(found.test)) == (1, 1)


@pytest.mark.parametrize("target", [".", "a", ".."])
def test_a_link_to_a_folder_that_holds_it_is_refused(ten, target):
    (ten / "a" / "loop").symlink_to(ten / target)
    _fails("a/loop is a link", path=str(ten))


def test_links_that_lead_in_a_circle_are_followed_once(ten):
    (ten / "a" / "over").symlink_to(ten / "b")
    (ten / "b" / "back").symlink_to(ten / "a")
    found = load_folder(path=str(ten))
    assert len(found.train) + len(found.test) == 10
    assert "a link reaches again (2)" in found.account


def test_a_folder_that_cannot_be_read_is_refused(ten, monkeypatch):
    scan = os.scandir

    def refuse(folder):
        if folder == ten / "b":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    _fails("b cannot be read", path=str(ten))


def test_folders_of_runs_are_left_out(ten):
    before = load_folder(path=str(ten))
    for mark in ("provenance.json", "config.json"):
        _save(ten / "a" / "run" / "previews" / "1.png", _picture(1))
        (ten / "a" / "run" / mark).write_text("{}")
    _save(ten / "sweep" / "results.png", _picture(1))
    (ten / "sweep" / "runs").mkdir()
    (ten / "sweep" / "sweep.json").write_text("{}")
    found = load_folder(path=str(ten))
    assert found.fingerprint == before.fingerprint
    assert "folders of runs (2)" in found.account
    _fails("run is a folder of a run", path=str(ten / "a" / "run"))


def test_the_workdir_of_a_run_is_left_out(ten):
    before = load_folder(path=str(ten))
    Workdir(ten / "a" / "run").claim({}, {})
    _save(ten / "a" / "run" / "samples" / "grid.png", _picture(1))
    assert load_folder(path=str(ten)).fingerprint == before.fingerprint


def test_a_place_with_images_cannot_become_a_workdir(ten):
    for place in (ten, ten / "a", ten.parent):
        with pytest.raises(DataError, match=str(place)):
            check_holds_no_images(place, str(ten))
    (ten / "empty").mkdir()
    for place in (ten / "empty", ten / "new"):
        check_holds_no_images(place, str(ten))


def test_hidden_files_and_folders_are_left_out(ten):
    before = load_folder(path=str(ten))
    (ten / "a" / "._1.png").write_bytes(b"of macOS")
    _save(ten / ".thumbnails" / "1.png", _picture(11, 2, 2))
    assert load_folder(path=str(ten)).fingerprint == before.fingerprint


def test_a_folder_below_a_hidden_one_is_read(tmp_path):
    for seed in range(3):
        _save(tmp_path / ".cache" / "pictures" / f"{seed}.png", _picture(seed))
    assert len(load_folder(path=str(tmp_path / ".cache" / "pictures")).train) == 2


def test_grayscale_images_have_one_channel(tmp_path):
    for seed in range(3):
        _save(tmp_path / f"{seed}.png", _picture(seed, mode="L"))
    found = load_folder(path=str(tmp_path))
    assert found.shape == (6, 8, 1)
    both = np.concatenate([found.train, found.test])
    wanted = [_picture(seed, mode="L").tobytes() for seed in range(3)]
    assert sorted(image.tobytes() for image in both) == sorted(wanted)
    colored = load_folder(path=str(tmp_path), channels=3)
    np.testing.assert_array_equal(colored.train, np.repeat(found.train, 3, axis=-1))


def test_channels_converts_color_to_grayscale(ten):
    found = load_folder(path=str(ten), channels=1, test_fraction=0.1)
    train, _ = split_indices(10, test_fraction=0.1, seed=0)
    wanted = np.stack([np.asarray(Image.fromarray(_picture(s)).convert("L")) for s in train])
    np.testing.assert_array_equal(found.train, wanted[..., None])


def test_image_size_cuts_the_center_and_averages(tmp_path):
    for seed in range(2):
        _save(tmp_path / f"{seed}.png", _picture(seed, height=8, width=12, mode="L"))
    found = load_folder(path=str(tmp_path), image_size=4)
    train, _ = split_indices(2, test_fraction=0.1, seed=0)
    center = _picture(train[0], height=8, width=12, mode="L")[:, 2:10].astype(float)
    means = center.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    assert found.shape == (4, 4, 1)
    assert np.abs(found.train[0, ..., 0] - means).max() <= 1.0


def test_image_size_makes_mixed_sizes_alike(ten):
    _save(ten / "c" / "tall.png", _picture(0, height=20, width=7))
    assert load_folder(path=str(ten), image_size=5).shape == (5, 5, 3)
    _fails(r"tall\.png has shape \(20, 7, 3\).*0\.png has \(6, 8, 3\)", path=str(ten))


def test_the_orientation_tag_of_a_camera_is_applied(tmp_path):
    array = np.zeros((8, 16), np.uint8)
    array[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees
    for name in ("a.png", "b.png"):
        Image.fromarray(array).save(tmp_path / name, exif=exif)
    found = load_folder(path=str(tmp_path))
    assert found.shape == (16, 8, 1)
    assert found.train[0, :8].max() == 0
    assert found.train[0, 8:].min() == 255


def test_grayscale_and_color_must_not_be_mixed(ten):
    _save(ten / "c.png", _picture(0, mode="L"))
    _fails(
        r"c\.png has shape \(6, 8, 1\).*set config\.data\.image_size and config\.data\.channels",
        path=str(ten),
    )
    assert load_folder(path=str(ten), channels=3).shape == (6, 8, 3)


def test_transparency_is_dropped_only_with_channels(tmp_path):
    for seed in range(2):
        _save(tmp_path / f"{seed}.png", _picture(seed, mode="RGBA"))
    _fails(r"0\.png is neither grayscale nor RGB \(mode RGBA\)", path=str(tmp_path))
    found = load_folder(path=str(tmp_path), channels=3)
    train, _ = split_indices(2, test_fraction=0.1, seed=0)
    np.testing.assert_array_equal(found.train[0], _picture(train[0], mode="RGBA")[..., :3])


def _png(width, height, *chunks, bits=8, color=2, data=b"\0" * 10):
    """A PNG file that claims this size, with further chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    checked = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(checked)


def _tiff(samples, bits, sign=1, photo=2):
    """A TIFF file of 2 x 2 pixels of this many samples."""
    data = bytes(range(4 * samples * bits // 8))
    extra = [(338, 3, 1, 0)] if samples == 4 else []
    number = 9 + len(extra)
    tail = 8 + 2 + 12 * number + 4
    many = (
        (lambda value: (samples, tail if value == bits else tail + 8))
        if samples > 2
        else (lambda value: (1, value))
    )
    tags = [
        *((256, 3, 1, 2), (257, 3, 1, 2), (258, 3, *many(bits)), (259, 3, 1, 1)),
        *((262, 3, 1, photo), (273, 4, 1, tail + 16), (277, 3, 1, samples)),
        *((279, 4, 1, len(data)), *extra, (339, 3, *many(sign))),
    ]
    content = b"II*\0" + struct.pack("<IH", 8, number)
    content += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return content + struct.pack("<4H4H", *[bits] * 4, *[sign] * 4) + data


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("png", _png(2, 2, bits=16, color=0, data=bytes(10))),
        ("png", _png(2, 2, bits=16, color=2, data=bytes(26))),
        ("png", _png(2, 2, bits=16, color=4, data=bytes(18))),
        ("png", _png(2, 2, bits=16, color=6, data=bytes(34))),
        ("tif", _tiff(1, 16, photo=1)),
        ("tif", _tiff(1, 32, sign=3, photo=1)),
        ("tif", _tiff(3, 16)),
        ("tif", _tiff(4, 16)),
        ("ppm", b"P6 2 2 65535\n" + bytes(24)),
        ("ppm", b"P6 2 2 1023\n" + bytes(24)),
        ("pgm", b"P2 2 2 4095\n1 2 3 4\n"),
    ],
)
def test_more_than_eight_bits_are_refused(tmp_path, ending, content):
    for name in ("a", "b"):
        (tmp_path / f"{name}.{ending}").write_bytes(content)
    for channels in (0, 1, 3):
        _fails(rf"a\.{ending} has more than 8 bits", path=str(tmp_path), channels=channels)


def test_signed_numbers_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.tif").write_bytes(_tiff(1, 8, sign=2, photo=1))
    _fails(r"a\.tif .*signed", path=str(tmp_path), channels=1)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b"8BPS" + bytes(40),
        b"\0\0\1\0" + bytes(40),
    ],
)
def test_only_the_offered_formats_are_opened(tmp_path, content, monkeypatch):
    opened = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: opened.append(a))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content)
    _fails(r"a\.png cannot be read as an image", path=str(tmp_path), channels=1)
    assert not opened


def test_large_images_are_not_decoded_at_once(tmp_path, monkeypatch):
    """Several readers decode small images at once, and one reader decodes large ones."""
    decoding, most = set(), []
    convert = Image.Image.convert

    def count(image, mode):
        decoding.add(id(image))
        most.append(len(decoding))
        time.sleep(0.01)
        decoding.remove(id(image))
        return convert(image, mode)

    for seed in range(3 * image_files._TOGETHER):
        _save(tmp_path / f"{seed}.png", _picture(seed, 20, 20, "L"))
    monkeypatch.setattr(Image.Image, "convert", count)
    load_folder(path=str(tmp_path), channels=3)
    assert max(most) > 1
    most.clear()
    monkeypatch.setattr(image_files, "LARGE", 4000)
    load_folder(path=str(tmp_path), channels=3)
    assert max(most) == 1


def test_an_image_beyond_the_memory_is_refused(ten, monkeypatch):
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: 500)
    _fails(r"0\.png would take", path=str(ten))


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_damaged_images_are_named(ten, damage):
    whole = (ten / "a" / "1.png").read_bytes()
    broken = {"text": b"no picture", "cut": whole[: len(whole) // 2], "empty": b""}[damage]
    (ten / "a" / "3.png").write_bytes(broken)
    _fails(r"a/3\.png cannot be read as an image.*remove it", path=str(ten))


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError("no memory")])
def test_an_error_of_the_machine_does_not_advise_to_remove_the_image(ten, monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(image_files.Image, "open", fails)
    with pytest.raises(DataError) as caught:
        image_files.read_image(ten / "a" / "3.png", 0, 3)
    assert "3.png" in str(caught.value)
    assert "remove" not in str(caught.value)


def test_no_folder_and_no_images_are_refused(tmp_path, ten):
    _fails("is not a folder", path="")
    _fails("is not a folder", path=str(tmp_path / "none"))
    _fails("is not a folder", path=str(ten / "notes.txt"))
    (tmp_path / "bare").mkdir()
    _fails("bare holds no images", path=str(tmp_path / "bare"))
    _save(tmp_path / "single" / "1.png", _picture(1))
    _fails("cannot be split", path=str(tmp_path / "single"))
    _fails("config.data.channels = 4", path=str(ten), channels=4)
    _fails("image_size = -1", path=str(ten), image_size=-1)
    _fails("seed = -1", path=str(ten), seed=-1)


def test_images_beyond_the_memory_limit_are_read_when_accessed(ten, monkeypatch):
    held = load_folder(path=str(ten), test_fraction=0.3)
    monkeypatch.setattr("gradlog.data.folder.IN_MEMORY", 1000)
    found = load_folder(path=str(ten), test_fraction=0.3)
    assert isinstance(found.train, ImageFiles)
    for split in ("train", "test"):
        everything = np.arange(len(getattr(held, split)))
        np.testing.assert_array_equal(getattr(found, split)[everything], getattr(held, split))
    np.testing.assert_array_equal(found.train[np.array([4, 0, 4])], held.train[[4, 0, 4]])
    assert (found.shape, found.levels) == (held.shape, held.levels)


def test_the_fingerprint_of_files_depends_on_names_and_images(ten, monkeypatch):
    monkeypatch.setattr("gradlog.data.folder.IN_MEMORY", 1000)
    first = load_folder(path=str(ten)).fingerprint
    assert load_folder(path=str(ten)).fingerprint == first
    _save(ten / "a" / "3.png", _picture(99))
    other = load_folder(path=str(ten)).fingerprint
    (ten / "a" / "3.png").rename(ten / "a" / "3b.png")
    assert len({first, other, load_folder(path=str(ten)).fingerprint}) == 3


def test_another_shape_is_refused_when_it_is_read(ten, monkeypatch):
    monkeypatch.setattr("gradlog.data.folder.IN_MEMORY", 1000)
    monkeypatch.setattr("gradlog.data.records.NUM_FINGERPRINTED", 1)
    found = load_folder(path=str(ten), test_fraction=0.3)
    _save(found.train.files[-1], _picture(3, height=9))
    with pytest.raises(DataError, match=r"\(9, 8, 3\).*\(6, 8, 3\)"):
        found.train[np.arange(len(found.train))]


@pytest.mark.parametrize(
    "content",
    [
        _png(2**16, 2**16),
        _png(2**31 - 1, 2**31 - 1),
        _png(8, 8),  # too few pixels
        _png(8, 8, (b"zTXt", b"key\0\0" + zlib.compress(b"a" * 10**8))),
        b"GIF89a" + b"\xff" * 20,
        b"II*\0" + b"\xff" * 20,
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\xff" * 20,
        b"P6 1000000 1000000 255\n",
        b"",
    ],
)
def test_an_image_with_a_false_header_is_refused(tmp_path, content, recwarn):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image") as caught:
        load_folder(path=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_too_large_image_size_is_refused(tmp_path):
    with pytest.raises(DataError, match="image_size = 1000000000"):
        load_folder(path=str(tmp_path), image_size=10**9)


def test_names_without_an_encoding_are_names(tmp_path, monkeypatch):
    for kind in (b"cat\xff", b"dog\x1b[2J"):
        place = os.fsencode(tmp_path) + b"/pets/" + kind
        os.makedirs(place)
        for number in range(3):
            with open(place + b"/%d\xe9.png" % number, "wb") as file:
                Image.fromarray(_picture(number)).save(file, "PNG")
    path = str(tmp_path / "pets")
    found = load_folder(path=path, read_labels=True, seed=1)
    assert found.classes is not None
    assert list(found.classes) == [r"cat\udcff", r"dog\x1b[2J"]
    assert "\x1b" not in found.account
    monkeypatch.setattr(folder, "IN_MEMORY", 0)
    assert load_folder(path=path, read_labels=True, seed=1).classes == found.classes
