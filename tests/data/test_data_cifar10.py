import contextlib
import functools
import hashlib
import http.server
import io
import tarfile
import threading
import time

import numpy as np
import pytest

from gradlog.data import cifar10, downloads
from gradlog.data.cifar10 import OFFICIAL, load_cifar10, load_from_archive
from gradlog.data.dataset import DataError
from gradlog.data.downloads import Download

COUNT = 7  # images in each of the six files


def _records(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 10, COUNT), rng.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)


def _member_bytes(seed):
    """The documented format: <1 x label><3072 x pixel>, red plane first, each plane by rows."""
    labels, images = _records(seed)
    return b"".join(
        bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))
        for label, image in zip(labels, images, strict=True)
    )


def _write_archive(path, members, url=None):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    content = path.read_bytes()
    return Download(url or f"http://127.0.0.1:9/{path.name}", len(content), _sha256(content))


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _members():
    members = {f"cifar-10-batches-bin/data_batch_{i}.bin": _member_bytes(i) for i in range(1, 6)}
    members["../outside.txt"] = b"not to be extracted"
    members["cifar-10-batches-bin/test_batch.bin"] = _member_bytes(6)
    return members


@pytest.fixture
def archive(tmp_path):
    return _write_archive(tmp_path / "small.tar.gz", _members())


@contextlib.contextmanager
def _serving(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _assert_is_the_small_one(found):
    labels, images = zip(*(_records(i) for i in range(1, 7)), strict=True)
    np.testing.assert_array_equal(found.train, np.concatenate(images[:5]))
    np.testing.assert_array_equal(found.test, images[5])
    np.testing.assert_array_equal(found.train_labels, np.concatenate(labels[:5]))
    np.testing.assert_array_equal(found.test_labels, labels[5])
    assert (found.name, found.shape, found.levels) == ("cifar10", (32, 32, 3), 256)
    assert found.num_classes == 10
    assert found.train.dtype == np.uint8


def test_the_archive_is_read_and_stored_as_records(tmp_path, archive):
    path = tmp_path / "small.tar.gz"
    first = load_from_archive(tmp_path / "root", str(path), archive)
    _assert_is_the_small_one(first)
    path.unlink()  # no longer needed
    again = load_from_archive(tmp_path / "root", str(path), archive)
    _assert_is_the_small_one(again)
    assert first.fingerprint == again.fingerprint
    assert list((tmp_path / "root" / "cifar10_binary" / "1.0.0").glob("*.array_record-*"))
    assert not list(tmp_path.rglob("outside.txt"))


def test_an_archive_in_the_downloads_folder_is_found(tmp_path, archive):
    downloads_folder = tmp_path / "root" / "downloads"
    downloads_folder.mkdir(parents=True)
    (tmp_path / "small.tar.gz").rename(downloads_folder / "small.tar.gz")
    _assert_is_the_small_one(load_from_archive(tmp_path / "root", "", archive))


def test_the_archive_is_downloaded(tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    with _serving(served) as address:
        archive = _write_archive(served / "a.tar.gz", _members(), url=f"{address}/a.tar.gz")
        _assert_is_the_small_one(load_from_archive(tmp_path / "root", "", archive))
    kept = list((tmp_path / "root" / "downloads").iterdir())
    assert [file.name for file in kept] == ["a.tar.gz"]
    assert _sha256(kept[0].read_bytes()) == archive.sha256


def test_a_download_shows_its_progress(tmp_path, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def progress(*bar, unit):
        shown.append((*bar, unit))
        yield lambda done, note: shown.append((done, note))

    monkeypatch.setattr(downloads.terminal, "progress", progress)
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 2500)
    monkeypatch.setattr(downloads, "MEGABYTE", 1000)
    (tmp_path / "a.bin").write_bytes(bytes(5200))
    with _serving(tmp_path) as address:
        wanted = Download(f"{address}/a.bin", 5200, _sha256(bytes(5200)))
        downloads.find_or_fetch(wanted, folder=tmp_path / "got", path="")
    assert shown == [("a.bin", 0, 6, "", "MB"), (3, ""), (5, ""), (6, "")]


def test_a_wrong_download_is_not_used(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"<html>not found</html>")
    with _serving(tmp_path) as address:
        wanted = Download(f"{address}/a.tar.gz", 5, _sha256(b"other"))
        with pytest.raises(DataError, match=r"is not http.*22 bytes.*expected 5"):
            load_from_archive(tmp_path / "root", "", wanted)
        missing = Download(f"{address}/b.tar.gz", 5, _sha256(b"other"))
        with pytest.raises(DataError, match="404"):
            load_from_archive(tmp_path / "root", "", missing)
    assert not list((tmp_path / "root").rglob("*array_record*"))


def test_a_file_of_the_right_size_and_wrong_content_is_refused(tmp_path, archive):
    path = tmp_path / "small.tar.gz"
    path.write_bytes(bytes(archive.size))
    with pytest.raises(DataError, match=f"is not http.*{archive.size} bytes with SHA-256"):
        load_from_archive(tmp_path / "root", str(path), archive)


def test_without_a_network_the_message_says_where_to_put_the_file(tmp_path, archive):
    begin = time.monotonic()
    with pytest.raises(DataError) as caught:
        load_from_archive(tmp_path / "root", "", archive)
    assert time.monotonic() - begin < 5.0
    message = str(caught.value)
    assert f"put small.tar.gz into {tmp_path / 'root' / 'downloads'}" in message
    assert "config.data.path" in message
    assert "\n" not in message
    assert not list((tmp_path / "root" / "downloads").iterdir())


def test_the_public_loader_requires_the_official_file(tmp_path, monkeypatch, archive):
    assert OFFICIAL.name == "cifar-10-binary.tar.gz"
    assert OFFICIAL.size == 170_052_171
    assert OFFICIAL.sha256 == "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"

    def no_network(url, timeout):
        assert url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
        assert timeout <= 10
        raise OSError("no network")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", no_network)
    with pytest.raises(DataError, match=r"put cifar-10-binary\.tar\.gz into"):
        load_cifar10(data_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"small\.tar\.gz is not https://www\.cs\.toronto"):
        load_cifar10(data_dir=str(tmp_path), path=str(tmp_path / "small.tar.gz"))
    with pytest.raises(DataError, match="cannot be read"):
        load_cifar10(data_dir=str(tmp_path), path=str(tmp_path / "none.tar.gz"))


def test_damaged_archives_are_refused(tmp_path):
    members = _members()
    cases = {
        "missing": {k: v for k, v in members.items() if "batch_3" not in k},
        "cut": members | {"cifar-10-batches-bin/test_batch.bin": _member_bytes(6)[:-1]},
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.tar.gz"
        archive = _write_archive(path, content)
        with pytest.raises(DataError, match="a multiple of 3073 is expected"):
            load_from_archive(tmp_path / "root", str(path), archive)
    path = tmp_path / "text.tar.gz"
    path.write_bytes(b"text")
    with pytest.raises(DataError, match=r"not a readable tar\.gz"):
        load_from_archive(tmp_path / "root", str(path), Download("http://a/b", 4, _sha256(b"text")))


def test_an_interrupted_transfer_leaves_no_file(tmp_path, monkeypatch, archive):
    class Cut(io.BytesIO):
        def read(self, size=-1):
            raise downloads.HTTPException("IncompleteRead")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", lambda url, timeout: Cut())
    with pytest.raises(DataError, match="IncompleteRead"):
        load_from_archive(tmp_path / "root", "", archive)
    assert not list((tmp_path / "root" / "downloads").iterdir())


def test_a_label_out_of_range_is_refused(tmp_path):
    (name,) = cifar10.TEST_MEMBERS
    wrong = bytes([10]) + _member_bytes(6)[1:]
    path = tmp_path / "wrong.tar.gz"
    archive = _write_archive(path, _members() | {name: wrong})
    with pytest.raises(DataError, match="label 10"):
        load_from_archive(tmp_path / "root", str(path), archive)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_the_archive_are_not_followed(tmp_path, kind):
    path = tmp_path / "links.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in _members():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    content = path.read_bytes()
    archive = Download("http://127.0.0.1:9/x", len(content), _sha256(content))
    with pytest.raises(DataError, match=r"data_batch_1\.bin has 0 bytes"):
        load_from_archive(tmp_path / "root", str(path), archive)


def test_a_member_larger_than_the_memory_is_not_read(tmp_path, monkeypatch, archive):
    monkeypatch.setattr("gradlog.data.array_files.machine_bytes", lambda: 100)
    with pytest.raises(DataError, match=r"data_batch_1.bin would take"):
        load_from_archive(tmp_path / "root", str(tmp_path / "small.tar.gz"), archive)
    assert not list(tmp_path.rglob("outside*"))
