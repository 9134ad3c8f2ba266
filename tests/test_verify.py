"""What is found of a workdir, whatever has become of its files."""

import errno
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny

from gradlog.evaluation.verify import (
    DAMAGED,
    FINE,
    READERS,
    SOUND,
    UNFINISHED,
    UNREADABLE,
    state_of,
    verify_workdir,
)
from gradlog.experiment import build
from gradlog.experiment.loading import load_saved_config
from gradlog.experiment.run import Run
from gradlog.storage import Checkpoints, read_sealed, write_sealed


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory) -> Path:
    """A run with results and with a classifier beside it, not to be changed."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("verified") / "run"))
    run = Run.open(root)
    run.evaluate([10, 20])
    inner = root / "classifier"
    shutil.copytree(trained, inner)  # as a workdir within goes, any will do
    write_sealed(inner / "accuracy.json", {"step": 20, "held_out": []})
    write_sealed(root / "eval" / "20" / "differences.json", {"rows": []})
    write_sealed(root / "compare" / "0a1b2c3d.json", {"rows": [{"bits_per_dim": 0.5}]})
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def verify(root):
    return verify_workdir(root, lambda path: build.check_config(load_saved_config(path)))


def _found(root, state):
    return {finding.path: finding.detail for finding in verify(root) if finding.state == state}


def test_a_whole_workdir_is_sound(whole):
    assert _found(whole, DAMAGED) == {}
    assert _found(whole, UNFINISHED) == {}
    assert set(_found(whole, SOUND)) == {
        *("config.json", "provenance.json", "metrics.jsonl", "checkpoints/10", "checkpoints/20"),
        *(".", "eval/10/ode", "eval/20", "eval/20/ode", "compare"),
        *(f"classifier/{name}" for name in ("config.json", "provenance.json", "metrics.jsonl")),
        *(f"classifier/{name}" for name in ("checkpoints/10", "checkpoints/20")),
        "classifier",
    }


def _write(root, path, contents):
    (root / path).write_bytes(contents)


def _edit(root, path, **changes):
    found = json.loads((root / path).read_text())
    (root / path).write_text(json.dumps(found | changes))


def _other_images(root):
    path = root / "eval/10/ode/per_image.npz"
    with np.load(path) as found:
        arrays = dict(found)
    arrays["bits_per_dim"] = arrays["bits_per_dim"] + 1e-9
    np.savez_compressed(path, **arrays)


def _flip_in_array(root):
    path = root / "eval/10/ode/per_image.npz"
    with zipfile.ZipFile(path) as archive:
        where = archive.getinfo("nfe.npy").header_offset + 100  # behind the header
    contents = bytearray(path.read_bytes())
    contents[where] ^= 16
    path.write_bytes(contents)


def _table_without_images(root):
    path = root / "eval/10/ode/bits_per_dim.json"
    write_sealed(path, read_sealed(path, ["per_image.npz", "settings.json"]), ["settings.json"])


def _half_a_picture(root):
    path = root / "curves.png"
    path.write_bytes(path.read_bytes()[:-30])


def _another_run(root):
    found = Checkpoints(root / "checkpoints", run="another")
    state = Run.open(root).state(20)
    shutil.rmtree(root / "checkpoints" / "20")
    found.save(20, state)
    found.close()


def _without(root, path):
    (root / path).unlink()


METRICS = b'{"step": 10, "loss": 1.0}\n'
DAMAGE = {
    "a configuration that is none": (
        lambda root: _write(root, "config.json", b'{"sde": '),
        {"config.json": "Expecting value"},
    ),
    "a configuration that cannot be": (
        lambda root: _edit(root, "config.json", sde={"name": "vpp"}),
        {"config.json": "is unknown"},
    ),
    "another configuration": (
        lambda root: _edit(root, "config.json", seed=17),
        {"config.json": "seed is 17 there, and 0 in provenance.json"},
    ),
    "no configuration": (
        lambda root: _without(root, "config.json"),
        {"config.json": "config.json is missing"},
    ),
    "no provenance": (
        lambda root: _without(root, "provenance.json"),
        {"provenance.json": "provenance.json is missing"},
    ),
    "a provenance without a run": (
        lambda root: _write(root, "provenance.json", b"{}"),
        {"provenance.json": "it has no run"},
    ),
    "garbage among the metrics": (
        lambda root: _write(root, "metrics.jsonl", METRICS + b"\xff\n" + METRICS),
        {"metrics.jsonl": "line 2 cannot be read; step 10 comes after step 10"},
    ),
    "metrics that are lost": (
        lambda root: _write(root, "metrics.jsonl", METRICS),
        {"metrics.jsonl": "it has no line of step 20"},
    ),
    "no metrics": (
        lambda root: _without(root, "metrics.jsonl"),
        {"metrics.jsonl": "metrics.jsonl is missing"},
    ),
    "a checkpoint without a manifest": (
        lambda root: _without(root, "checkpoints/10/manifest.json"),
        {"checkpoints/10": "it has no manifest.json"},
    ),
    "a checkpoint of another run": (
        _another_run,
        {"checkpoints/20": "it is of another run, another"},
    ),
    "a checkpoint under another name": (
        lambda root: (root / "checkpoints/20").rename(root / "checkpoints/20.old"),
        {"checkpoints/20.old": "its name is no step"},
    ),
    "a result cut short": (
        lambda root: _write(root, "eval/10/ode/bits_per_dim.json", b'{"bits_per_dim": 1'),
        {"eval/10/ode/bits_per_dim.json": "Expecting"},
    ),
    "a result of other images": (
        _other_images,
        {"eval/10/ode/bits_per_dim.json": "per_image.npz is not as it was written"},
    ),
    "a result that leaves images out": (
        lambda root: _edit(root, "eval/10/ode/bits_per_dim.json", failed=[3]),
        {"eval/10/ode/bits_per_dim.json": "it is not as it was written"},
    ),
    "a result without its images": (
        lambda root: _without(root, "eval/10/ode/per_image.npz"),
        {"eval/10/ode/bits_per_dim.json": "per_image.npz is missing"},
    ),
    "settings that are none": (
        lambda root: _write(root, "eval/20/ode/settings.json", b"\x00"),
        {
            "eval/20/ode/settings.json": "Expecting value",
            "eval/20/ode/bits_per_dim.json": "settings.json is not as it was written",
        },
    ),
    "a bit of an array": (
        _flip_in_array,
        {
            "eval/10/ode/per_image.npz": "",
            "eval/10/ode/bits_per_dim.json": "per_image.npz is not as it was written",
        },
    ),
    "another standard error": (
        lambda root: _edit(root, "eval/10/ode/bits_per_dim.json", standard_error=1e-9),
        {"eval/10/ode/bits_per_dim.json": "it is not as it was written"},
    ),
    "a result without its digest": (
        lambda root: _write(root, "eval/10/ode/bits_per_dim.json", b'{"bits_per_dim": 1}'),
        {"eval/10/ode/bits_per_dim.json": "it has no digest of its own"},
    ),
    "other differences": (
        lambda root: _edit(root, "eval/20/differences.json", rows=[1]),
        {"eval/20/differences.json": "it is not as it was written"},
    ),
    "another comparison": (
        lambda root: _edit(root, "compare/0a1b2c3d.json", rows=[]),
        {"compare/0a1b2c3d.json": "it is not as it was written"},
    ),
    "another accuracy": (
        lambda root: _edit(root, "classifier/accuracy.json", step=21),
        {"classifier/accuracy.json": "it is not as it was written"},
    ),
    "a table of digests without the images": (
        _table_without_images,
        {"eval/10/ode/bits_per_dim.json": "it has the digests of ['settings.json']"},
    ),
    "a folder that is a link": (
        lambda root: (root / "samples").symlink_to(root / "eval"),
        {"samples": "it is a link"},
    ),
    "a picture that is a link": (
        lambda root: (root / "report.png").symlink_to(root / "curves.png"),
        {"report.png": "it is a link"},
    ),
    "a checkpoint that is a link": (
        lambda root: (
            shutil.move(root / "checkpoints/10", root.parent / "10"),
            (root / "checkpoints/10").symlink_to(root.parent / "10"),
        ),
        {"checkpoints/10": "10 is a link"},
    ),
    "a pipe in place of a file": (
        lambda root: (_without(root, "metrics.jsonl"), os.mkfifo(root / "metrics.jsonl")),
        {"metrics.jsonl": "it is no regular file"},
    ),
    "a pipe in place of a picture": (
        lambda root: (_without(root, "curves.png"), os.mkfifo(root / "curves.png")),
        {"curves.png": "it is no regular file"},
    ),
    "a picture in a format that other programs decode": (
        lambda root: _write(
            root, "curves.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
        ),
        {"curves.png": "cannot identify image file"},
    ),
    "half a picture": (_half_a_picture, {"curves.png": ""}),
    "within the classifier": (
        lambda root: _without(root, "classifier/checkpoints/10/manifest.json"),
        {"classifier/checkpoints/10": "it has no manifest.json"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_where_it_is_and_nowhere_else(root, damage):
    do, expected = DAMAGE[damage]
    do(root)
    found = _found(root, DAMAGED)
    assert found.keys() == expected.keys()
    for path, detail in expected.items():
        assert found[path]
        assert detail in found[path]
        assert "\n" not in found[path]


def _killed_at_the_start(root):
    for path in list(root.iterdir()):
        if path.name != "provenance.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _interrupted_evaluation(root):
    shutil.copytree(root / "eval/20/ode", root / "eval/20/ode-1")
    (root / "eval/20/ode-1" / "partial").mkdir()
    (root / "eval/20/ode-1" / "partial" / "0.npz").write_bytes(b"half of")
    for name in ("bits_per_dim.json", "per_image.npz"):
        (root / "eval/20/ode-1" / name).unlink()


def _copy(root, path, to):
    shutil.copytree(root / path, root / to)


UNDONE = {
    "killed at the start": (_killed_at_the_start, {"config.json"}),
    "an evaluation that was interrupted": (_interrupted_evaluation, {"eval/20/ode-1/partial"}),
    "a checkpoint that was not finished": (
        lambda root: _copy(root, "checkpoints/20", "checkpoints/.saving-30-x"),
        {"checkpoints/.saving-30-x"},
    ),
    "a checkpoint that was set aside": (
        lambda root: _copy(root, "checkpoints/20", "checkpoints/damaged/20-1"),
        {"checkpoints/damaged/20-1"},
    ),
    "a file that was not finished": (
        lambda root: _write(root, "eval/20/ode/.per_image.npz.q8", b"half of"),
        {"eval/20/ode/.per_image.npz.q8"},
    ),
    "settings alone": (
        lambda root: [
            _without(root, f"eval/20/ode/{name}") for name in ("bits_per_dim.json", "per_image.npz")
        ],
        {"eval/20/ode"},
    ),
    "a line cut short": (
        lambda root: _write(
            root, "metrics.jsonl", (root / "metrics.jsonl").read_bytes() + b'{"step": 2'
        ),
        {"metrics.jsonl"},
    ),
    "lines after the newest checkpoint": (
        lambda root: shutil.rmtree(root / "checkpoints" / "20"),
        {"metrics.jsonl"},
    ),
}


@pytest.mark.parametrize("undone", UNDONE)
def test_what_an_interrupted_run_leaves_is_no_fault(root, undone):
    do, expected = UNDONE[undone]
    do(root)
    assert _found(root, DAMAGED) == {}
    assert _found(root, UNFINISHED).keys() == expected


@pytest.mark.parametrize(("alphabet", "text"), [("abç", "çab"), (None, "\x02\x00\x01")])
def test_samples_of_text_are_those_of_their_tokens(tmp_path, alphabet, text):
    characters = {} if alphabet is None else {"alphabet": np.array(alphabet)}
    np.savez(tmp_path / "samples.npz", samples=np.array([[2, 0, 1]]), **characters)
    path, read = tmp_path / "samples.txt", READERS["samples.txt"]
    path.write_text(f"--- sample 0\n{text}\n")
    assert state_of(read, path) == FINE
    path.write_text(f"--- sample 0\n{text[::-1]}\n")
    assert state_of(read, path)[0] == DAMAGED
    (tmp_path / "samples.npz").unlink()
    assert state_of(read, path) == (DAMAGED, "samples.npz is missing")


def _saves_30_and_deletes(root, step):
    folder = root / "checkpoints"
    if not (folder / "30").exists():
        shutil.copytree(folder / "20", folder / "30")
    shutil.rmtree(folder / str(step), ignore_errors=True)


MOMENTS = {
    "while its checkpoint is read": "gradlog.storage.manifest._describe_file",
    "before its notes are": "gradlog.storage.Checkpoints.notes",
    "after the checkpoints were": "gradlog.experiment.build.check_config",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", [10, 20])
def test_a_training_that_goes_on_beside_is_no_fault(root, monkeypatch, moment, step):
    shutil.rmtree(root / "classifier")
    shutil.rmtree(root / "tensorboard")
    do = pkgutil.resolve_name(MOMENTS[moment])

    def meanwhile(*given):
        _saves_30_and_deletes(root, step)
        return do(*given)

    monkeypatch.setattr(MOMENTS[moment], meanwhile)
    assert _found(root, DAMAGED) == {}
    assert not (root / "checkpoints" / str(step)).exists()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *((name, name) for name in ("config.json", "provenance.json", "metrics.jsonl")),
        *((name, name) for name in ("eval/20/ode/bits_per_dim.json", "eval/20/differences.json")),
        ("checkpoints/20", "checkpoints/20/manifest.json"),
    ],
)
def test_a_file_without_permission_is_unreadable_and_not_damaged(
    whole, monkeypatch, mistake, name, path
):
    opened = Path.open

    def refuse(self, *arguments, **options):
        if self == whole / path:  # no permission stops tests that run as root
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert _found(whole, DAMAGED) == {}
    assert "Permission denied" in _found(whole, UNREADABLE)[name]
    assert f"{name} cannot be read: " in mistake(f"--workdir={whole}", "--mode=verify")


def test_a_folder_that_cannot_be_listed_is_unreadable(whole, monkeypatch):
    def refuse(path):
        if Path(path) in (whole / "checkpoints", whole / "eval" / "20"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    listed = os.scandir
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", lambda path: [each.name for each in refuse(path)])
    assert _found(whole, DAMAGED) == {}
    assert _found(whole, UNREADABLE).keys() == {"checkpoints", "eval/20"}


def test_a_file_that_is_written_anew_meanwhile_is_looked_at_again(tmp_path):
    path = tmp_path / "curves.png"
    path.write_text("half")

    def check(path):
        if path.read_text() == "half":
            path.write_text("the whole")
            raise ValueError("half of it is missing")

    assert state_of(check, path) == FINE


def test_a_file_that_is_deleted_meanwhile_is_no_fault(root, monkeypatch):
    monkeypatch.setitem(READERS, ".png", lambda path: (path.unlink(), path.stat()))
    assert (root / "curves.png").exists()
    assert _found(root, DAMAGED) == {}


def test_a_file_with_the_name_of_a_step_is_none(root):
    (root / "checkpoints" / "30").touch()
    assert _found(root, DAMAGED) == {"checkpoints/30": "its name is no step"}


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_workdir_is_told(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (finding,) = verify(tmp_path / name)
    assert finding.state == DAMAGED


def test_a_classifier_alone_is_a_workdir(root, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (root / "classifier").rename(alone / "classifier")
    (alone / ".lock").write_text("")
    assert _found(alone, DAMAGED) == {}
    assert {"classifier/config.json", "classifier/checkpoints/20"} <= _found(alone, SOUND).keys()
    (alone / "classifier/config.json").unlink()
    assert _found(alone, DAMAGED) == {"classifier/config.json": "config.json is missing"}


def test_nothing_is_changed_by_looking(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    verify(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def _files(root):
    """Those whose damage can be told: TensorBoard's are a copy of the metrics."""
    return sorted(p for p in root.rglob("*") if p.is_file() and "tensorboard" not in p.parts)


def _fuzzed(rng, contents: bytes) -> bytes:
    """Bytes overwritten, taken out, put in or cut off, or others altogether."""
    start = int(rng.integers(len(contents) + 1))
    noise = rng.choice(
        [rng.bytes(int(rng.integers(1, 9))), b"null", b'{"a": ', b"[" * 3000, b"\xff\xfe", b""]
    )
    return (
        contents[:start] + noise + contents[start + len(noise) :],
        contents[:start] + noise + contents[start:],
        contents[:start],
        bytes(noise),
    )[rng.integers(4)]


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_are_too_odd(root, seed):
    """Several files at once, to whatever purpose: a list of findings, each in one line."""
    rng = np.random.default_rng(seed)
    for path in rng.choice(np.array(_files(root), object), 4, replace=False):
        path.write_bytes(_fuzzed(rng, path.read_bytes()))
    found = verify(root)
    assert {finding.path for finding in found} >= {"config.json", "provenance.json"}
    assert not any("\n" in finding.detail for finding in found)


@pytest.mark.parametrize("content", ["[]", "3", "null", '{"manifest": 3}', '{"manifest": []}'])
def test_other_kinds_of_json_are_damage(root, content):
    names = ("config.json", "provenance.json", "checkpoints/10/manifest.json")
    for name in (*names, "eval/10/ode/bits_per_dim.json"):
        (root / name).write_text(content)
    found = _found(root, DAMAGED)
    assert {"config.json", "provenance.json", "checkpoints/10"} <= found.keys()
    assert "eval/10/ode/bits_per_dim.json" in found


@pytest.mark.slow
@pytest.mark.parametrize("damage", [None, "no configuration", "a checkpoint without a manifest"])
def test_the_command_line_says_so_by_its_status(root, damage):
    if damage:
        DAMAGE[damage][0](root)
    before = sorted(root.rglob("*"))
    done = subprocess.run(
        [sys.executable, "main.py", "--mode=verify", f"--workdir={root}"],
        cwd=tiny.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (2 if damage else 0), done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == bool(damage)
    assert "Traceback" not in done.stderr
    for path in DAMAGE[damage][1] if damage else ():
        assert path in done.stdout
    assert sorted(root.rglob("*")) == before
