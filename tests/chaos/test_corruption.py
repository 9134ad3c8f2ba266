"""Any change to the files of a checkpoint is reported, and never restored."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

from gradlog.evaluation.score_training import initial_state
from gradlog.evaluation.verify import DAMAGED, Finding, verify_workdir
from gradlog.experiment.run import Run
from gradlog.storage import CheckpointError, Checkpoints, DamagedError, scan_metrics

OLD, NEW = 10, 20
ROUNDS = 12  # of each of the corruptions below
Generator = np.random.Generator


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _file(rng: Generator, folder: Path) -> Path:
    files = _files(folder)
    return files[rng.integers(len(files))]


def _steps(rng: Generator, folder: Path) -> list[Path]:
    """Return the folders of both steps, in random order."""
    return [folder / str(step) for step in rng.permutation([OLD, NEW])]


def _exchange(a: Path, b: Path) -> None:
    between = a.with_name("between")
    a.rename(between)
    b.rename(a)
    between.rename(b)


def flip_a_bit(rng, folder):
    path = _file(rng, folder)
    contents = bytearray(path.read_bytes())
    contents[rng.integers(len(contents))] ^= 1 << int(rng.integers(8))
    path.write_bytes(contents)


def truncate(rng, folder):
    path = _file(rng, folder)
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def append(rng, folder):
    path = _file(rng, folder)
    path.write_bytes(path.read_bytes() + (b"\n" if rng.random() < 0.3 else rng.bytes(7)))


def zero_a_block(rng, folder):
    path = _file(rng, folder)
    contents = bytearray(path.read_bytes())
    start, length = int(rng.integers(len(contents))), int(rng.integers(1, 512))
    contents[start : start + length] = bytes(len(contents[start : start + length]))
    path.write_bytes(contents)


def replace_by_noise(rng, folder):
    path = _file(rng, folder)
    path.write_bytes(rng.bytes(path.stat().st_size))


def delete_a_file(rng, folder):
    _file(rng, folder).unlink()


def delete_a_folder(rng, folder):
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    shutil.rmtree(folders[rng.integers(len(folders))])


def delete_half_of_the_files(rng, folder):
    for path in _files(_steps(rng, folder)[0]):
        if rng.random() < 0.5:
            path.unlink()


def swap_files_of_a_step(rng, folder):
    files = _files(_steps(rng, folder)[0])
    _exchange(*(files[i] for i in rng.choice(len(files), 2, replace=False)))


def swap_files_between_steps(rng, folder):
    a, b = _steps(rng, folder)
    _exchange(_file(rng, a), _file(rng, b))


def swap_what_is_in_steps(rng, folder):
    a, b = _steps(rng, folder)
    name = ("state", "manifest.json", "state/ocdbt.process_0", "state/d")[rng.integers(4)]
    _exchange(a / name, b / name)


def swap_steps(rng, folder):
    _exchange(*_steps(rng, folder))


def rename_a_step(rng, folder):
    name = (str(rng.integers(30, 99)), "020", "20.bak", "best")[rng.integers(4)]
    _steps(rng, folder)[0].rename(folder / name)


def copy_over_another_step(rng, folder):
    a, b = _steps(rng, folder)
    shutil.rmtree(b)
    shutil.copytree(a, b)


def take_from_another_run(rng, folder):
    a, _ = _steps(rng, folder)
    shutil.rmtree(a)
    shutil.copytree(folder.parent.parent / "other" / "checkpoints" / a.name, a)


def put_something_in(rng, folder):
    inside = _steps(rng, folder)[0]
    inside = (inside, inside / "state")[rng.integers(2)]
    (inside / "more").mkdir() if rng.random() < 0.3 else (inside / "more").write_bytes(rng.bytes(3))


def put_a_link_in_the_place(rng, folder):
    path = _file(rng, folder)
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


CORRUPTIONS: tuple[Callable[[Generator, Path], None], ...] = (
    *(flip_a_bit, truncate, append, zero_a_block, replace_by_noise),
    *(delete_a_file, delete_a_folder, delete_half_of_the_files),
    *(swap_files_of_a_step, swap_files_between_steps, swap_what_is_in_steps, swap_steps),
    *(rename_a_step, copy_over_another_step, take_from_another_run),
    *(put_something_in, put_a_link_in_the_place),
)


@dataclass(frozen=True)
class Intact:
    """A workdir without damage, and the states in its checkpoints."""

    root: Path
    run: str
    like: object
    states: dict[int, object]
    found: list[Finding]

    @property
    def folder(self) -> Path:
        return self.root / "checkpoints"

    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder, run=self.run)


@pytest.fixture(scope="module")
def intact(trained, tmp_path_factory) -> Intact:
    base = tmp_path_factory.mktemp("corrupted")
    root = Path(shutil.copytree(trained, base / "run"))
    shutil.copytree(root / "checkpoints", base / "pristine")
    run = Run.open(root)
    like = jax.eval_shape(lambda: initial_state(run.experiment))
    states = {step: run.state(step) for step in (OLD, NEW)}
    _of_another_run(base / "other" / "checkpoints", states)
    found = verify_workdir(root, lambda path: None)
    assert DAMAGED not in {finding.state for finding in found}
    return Intact(root, run.workdir.run, like, states, found)


def _of_another_run(folder: Path, states: dict) -> None:
    other = Checkpoints(folder, run="another")
    for step, state in states.items():
        other.save(step, state)
    other.close()


@pytest.fixture
def corrupted(intact) -> Intact:
    shutil.rmtree(intact.folder)
    shutil.copytree(intact.root.parent / "pristine", intact.folder)
    return intact


def _contents(folder: Path) -> dict[str, str]:
    """Return a digest of each file in a folder; links and folders count too."""
    return {
        path.relative_to(folder).as_posix(): (
            "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def _corrupt(corruption, rng: Generator, intact: Intact) -> None:
    """Corrupt a folder until something differs: a zero may replace a zero."""
    before = _contents(intact.folder)
    while _contents(intact.folder) == before:
        corruption(rng, intact.folder)


def _affected(intact: Intact, step: int) -> bool:
    now, pristine = intact.folder / str(step), intact.root.parent / "pristine" / str(step)
    return not now.is_dir() or _contents(now) != _contents(pristine)


def _check_restored(intact: Intact) -> None:
    """A changed step is refused in one line; another one comes back bit for bit."""
    checkpoints = intact.checkpoints()
    for step in (OLD, NEW):
        if not _affected(intact, step):
            tiny.assert_bitwise_equal(checkpoints.restore(step, intact.like), intact.states[step])
            continue
        there = (intact.folder / str(step)).is_dir()
        with pytest.raises(DamagedError if there else CheckpointError) as caught:
            checkpoints.restore(step, intact.like)
        assert "\n" not in str(caught.value)
        assert f"step {step}" in str(caught.value)


def _check_fallback(intact: Intact) -> None:
    newest = tiny.newest_intact(intact.checkpoints())
    sound = [step for step in (OLD, NEW) if not _affected(intact, step)]
    assert newest == max(sound, default=None)


def _check_reported(intact: Intact) -> None:
    """``verify`` reports every change, except a step whose folder is gone."""
    found = verify_workdir(intact.root, lambda path: None)
    assert found != intact.found
    damaged = {finding.path for finding in found if finding.state == DAMAGED}
    there = {path.name for path in intact.folder.iterdir()}
    wrong = {name for name in there if name not in (str(OLD), str(NEW))}
    wrong |= {str(s) for s in (OLD, NEW) if str(s) in there and _affected(intact, s)}
    assert {f"checkpoints/{name}" for name in wrong} <= damaged
    assert not any("\n" in finding.detail for finding in found)


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.__name__)
def test_a_corrupted_checkpoint_is_reported_and_never_restored(corrupted, corruption, seed):
    rng = np.random.default_rng([seed, CORRUPTIONS.index(corruption)])
    _corrupt(corruption, rng, corrupted)
    _check_restored(corrupted)
    _check_fallback(corrupted)
    _check_reported(corrupted)


def test_there_are_two_hundred_corruptions():
    assert len(CORRUPTIONS) * ROUNDS >= 200


def _main(root: Path, mode: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py", f"--workdir={root}", f"--mode={mode}"],
        cwd=tiny.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# Corruptions that can leave the older step unchanged.
OF_ONE_STEP = (
    *(flip_a_bit, truncate, append, zero_a_block, replace_by_noise),
    *(delete_a_file, delete_a_folder),
)


@pytest.mark.slow
@pytest.mark.parametrize("corruption", OF_ONE_STEP, ids=lambda corruption: corruption.__name__)
def test_training_resumes_from_an_intact_step_to_the_same_end(corrupted, corruption):
    """Real processes: verify exits with status 2, then training repeats the same bits."""
    rng = np.random.default_rng([ROUNDS, CORRUPTIONS.index(corruption)])
    while not _affected(corrupted, NEW):
        corruption(rng, corrupted.folder / str(NEW))
    verified = _main(corrupted.root, "verify")
    assert verified.returncode == 2, verified.stderr
    assert "Traceback" not in verified.stderr
    assert len([line for line in verified.stderr.splitlines() if "error:" in line]) == 1
    metrics = scan_metrics(corrupted.root / "metrics.jsonl")
    done = _main(corrupted.root, "train")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert f"the checkpoint of step {NEW} is damaged" in done.stdout + done.stderr
    again = corrupted.checkpoints().restore(NEW, corrupted.like)
    tiny.assert_bitwise_equal(again, corrupted.states[NEW])
    assert scan_metrics(corrupted.root / "metrics.jsonl") == metrics
    assert len(list((corrupted.folder / "damaged").iterdir())) == 1
