"""Shared set-up: one persistent compilation cache, float32 matrix products."""

import gc
import os
import shutil
from pathlib import Path

from xla_flags import STORING, add_fast_flags

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("EQX_ON_ERROR", "nan")  # as in main.py
os.environ["XLA_FLAGS"] = add_fast_flags(os.environ.get("XLA_FLAGS"))
os.environ.update(STORING)  # of the processes that tests start, too

import jax
import pytest
import shared_programs
import tiny

from gradlog.terminal import console

shared_programs.load_few_dialects()

# Tracing makes many objects and leaves little garbage: an eighth of the time was its collection.
gc.set_threshold(100_000, 20, 100)


@pytest.fixture(autouse=True)
def piped(monkeypatch):
    """What is said goes to a pipe, whatever a test before has made of the terminal."""
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(console, "_width", None)
    monkeypatch.setattr(console, "_force_terminal", None)


@pytest.fixture(scope="session", autouse=True)
def share_programs():
    """Equal experiments of a process share their programs."""
    shared_programs.share()


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Forget the compiled programs before they hold too many memory maps.

    A process has 65530 of them. Those of the whole suite together would exceed that, and the
    process would end in a segmentation fault. 1500 small programs have 9500 of them.
    """
    yield
    if _count_maps() > 30_000:
        shared_programs.forget()
        jax.clear_caches()
        gc.collect()


def pytest_runtest_logfinish():
    shared_programs.forget_modules()


def _count_maps() -> float:
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except FileNotFoundError:  # not Linux
        return float("inf")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The workdir of a finished tiny run, checkpoints at steps 10 and 20: not to be changed."""
    from gradlog.experiment.run import Run

    folder = tmp_path_factory.mktemp("trained") / "run"
    Run.open(folder, tiny.points()).train()
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    """The workdir of a finished run on data with levels, one checkpoint at step 4."""
    from gradlog.experiment.run import Run

    folder = tmp_path_factory.mktemp("digits") / "run"
    Run.open(folder, tiny.digits()).train()
    return folder


@pytest.fixture
def workdir(trained, tmp_path) -> Path:
    """A copy of it, to do with as one likes."""
    return Path(shutil.copytree(trained, tmp_path / "workdir"))


@pytest.fixture
def command(monkeypatch, capsys):
    """Return a function that runs ``main.py`` in this process.

    It returns status, output and errors.
    """
    from gradlog.cli.main import main

    monkeypatch.chdir(tiny.ROOT)

    def run(*arguments):
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def mistake(command):
    """Return a function that runs a command which must fail with one line, and returns the line."""

    def run(*arguments):
        status, _, errors = command(*arguments)
        return tiny.only_line(status, errors)

    return run
