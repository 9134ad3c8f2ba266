"""Any file of data, of any kind that is read: it is used, or it is refused in one line."""

import hashlib
import io
import itertools
import shutil
import zipfile

import broken
import numpy as np
import pytest
import tiny
from commands import assert_harmless, here, process
from test_fuzz_configs import FLAT, POINTS
from values import damaged

from gradlog.data import cifar10
from gradlog.data.cifar10 import RECORD_BYTES, TEST_MEMBERS, TRAIN_MEMBERS
from gradlog.data.digits import load_digits
from gradlog.data.downloads import Download
from gradlog.data.prepare import data_root

FAST, MANY, MANY_PROCESSES = 18, 398, 25
CHECKPOINT = tiny.ROOT / "tests" / "golden" / "checkpoint_1"
TORCH = tiny.ROOT / "tests" / "golden" / "quality.npz"
NETWORK = (
    *("--config=configs/default.py", "--config.model.nf=16", "--config.model.ch_mult=(1,2)"),
    *("--config.model.num_res_blocks=1", "--config.model.attn_resolutions=(4,)"),
)
# A class of what may be in a pickle of numbers, and what it would do if it were called.
TRAP = b"cos\nsystem\n(S'touch %s'\ntR."


def _points(random, folder, trained):
    """Training on a user's own arrays."""
    del trained
    (folder / "x").write_bytes(broken.arrays(random))
    (folder / "test").write_bytes(broken.arrays(random))
    levels = random.choice(("-1", "-1", "0", "17", "256"))
    other = (f"--config.data.test_path={folder / 'test'}",) if random.random() < 0.3 else ()
    return (
        *(*POINTS, "--config.data.name=files", f"--config.data.path={folder / 'x'}", *other),
        *(f"--config.data.levels={levels}", f"--workdir={folder / 'new'}"),
    )


def _pictures(random, folder, trained):
    """Training on a folder of images."""
    del trained
    for number in range(random.choice((0, 1, 2, 4, 4))):
        kind, content = broken.picture(random)
        (folder / "images").mkdir(exist_ok=True)
        (folder / "images" / f"{number}.{kind}").write_bytes(content)
    return (
        *(*FLAT, "--config.data.name=folder", f"--config.data.path={folder / 'images'}"),
        f"--config.data.image_size={random.choice((0, 0, 8))}",
        f"--config.data.channels={random.choice((0, 1, 3))}",
        f"--workdir={folder / 'new'}",
    )


def _mask(random, folder, trained):
    """A mask to sample with."""
    (folder / "mask.npy").write_bytes(broken.arrays(random))
    return (
        *(f"--workdir={_copy(trained, folder)}", "--mode=sample", "--config.sampling.task=inpaint"),
        *(f"--config.sampling.mask={folder / 'mask.npy'}", "--config.sampling.num_samples=2"),
    )


def _samples(random, folder, trained):
    """Samples to be compared with the data."""
    (folder / "samples.npz").write_bytes(broken.arrays(random))
    return (
        *(f"--workdir={_copy(trained, folder)}", "--mode=quality"),
        f"--config.quality.samples={folder / 'samples.npz'}",
    )


def _checkpoint(random, folder, trained):
    """Another code's checkpoint."""
    del trained
    (folder / "checkpoint").write_bytes(broken.checkpoint(random, CHECKPOINT.read_bytes()))
    return (
        *(*NETWORK, f"--workdir={folder / 'new'}", "--mode=import"),
        f"--source={folder / 'checkpoint'}",
    )


def _weights(random, folder, trained):
    """Weights of Inception, which are never whole here."""
    with np.load(TORCH) as golden:
        whole = golden[random.choice(("file/zip", "file/legacy"))].tobytes()
    trap = TRAP % str(folder / "sprung").encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", trap)
    graph = broken.tar(random, {"./classify_image_graph_def.pb": random.randbytes(40)})
    content = random.choice((whole, b"\x80\x02" + trap, zipped.getvalue(), graph))
    (folder / "weights").write_bytes(damaged(random, content))
    return (
        *(f"--workdir={_copy(trained, folder)}", "--mode=quality"),
        *("--config.quality.features=inception", "--config.quality.num_samples=20"),
        f"--config.quality.inception={folder / 'weights'}",
    )


def _cifar10(random, folder, trained):
    """CIFAR-10's archive: of whatever content, it is taken for the official one."""
    del trained
    record = bytes([3]) + random.randbytes(RECORD_BYTES - 1)
    content = broken.tar(random, dict.fromkeys((*TRAIN_MEMBERS, *TEST_MEMBERS), 2 * record))
    (folder / "archive.tar.gz").write_bytes(content)
    cifar10.OFFICIAL = Download(
        "http://127.0.0.1:9/x.tar.gz", len(content), hashlib.sha256(content).hexdigest()
    )
    return (
        *(*FLAT, "--config.data.name=cifar10", f"--config.data.path={folder / 'archive.tar.gz'}"),
        *(f"--config.data.data_dir={_beside(folder)}", f"--workdir={folder / 'new'}"),
    )


def _imagenet32(random, folder, trained):
    """Files of ImageNet32, which has more images than are here."""
    del trained
    names = ("data", "labels", "mean")
    for split in ("train", "val"):
        members = [f"train_data_batch_{i}.npz" for i in range(1, 11)]
        with zipfile.ZipFile(folder / f"Imagenet32_{split}_npz.zip", "w") as archive:
            for member in members if split == "train" else ["val_data.npz"]:
                archive.writestr(member, broken.npz(random, names))
    damaged_file = folder / "Imagenet32_train_npz.zip"
    if random.random() < 0.3:
        damaged_file.write_bytes(damaged(random, damaged_file.read_bytes()))
    return (
        *(*FLAT, "--config.data.name=imagenet32", f"--config.data.path={folder}"),
        *(f"--config.data.data_dir={_beside(folder)}", f"--workdir={folder / 'new'}"),
    )


def _records(random, folder, trained):
    """Records of tensorflow-datasets, once prepared and since damaged."""
    del trained
    load_digits()
    prepared = shutil.copytree(data_root("") / "digits", _beside(folder) / "digits")
    files = sorted(path for path in prepared.rglob("*") if path.is_file())
    file = random.choice(files)
    whole = file.read_bytes()
    changed = damaged(random, whole)
    file.write_bytes(changed[: len(whole)].ljust(len(whole), b"\0"))
    return (*(*FLAT, f"--config.data.data_dir={_beside(folder)}", f"--workdir={folder / 'new'}"),)


KINDS = (
    *(_points, _points, _points, _pictures, _pictures, _mask, _samples, _checkpoint, _weights),
    *(_cifar10, _imagenet32, _records),
)


def _copy(trained, folder):
    return shutil.copytree(trained, folder / "run")


def _beside(folder):
    """Where data are prepared: to be filled whatever comes of the run."""
    return folder.parent / f"{folder.name}-data"


def _check(trained, tmp_path, examples, count, run=here):
    numbers = itertools.count()

    def make(random):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        kind = random.choice(KINDS)
        return kind.__name__, folder, kind(random, folder, trained)

    def check(example):
        _, folder, arguments = example
        outcome = assert_harmless(run, folder, *arguments)
        assert not list(folder.glob("sprung"))
        return outcome

    examples(make, count, check)


@pytest.fixture(autouse=True)
def official():
    """The archive's checksum is put back."""
    before = cifar10.OFFICIAL
    yield
    cifar10.OFFICIAL = before


def test_a_few_files_are_used_or_refused(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, FAST)


@pytest.mark.slow
def test_many_files_are_used_or_refused(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, MANY)


@pytest.mark.slow
def test_many_processes_use_or_refuse_files(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, MANY_PROCESSES, process)
