"""Every block of the documentation is run: slow, by `make docs`."""

import fcntl
import os
import shutil
import subprocess
import sys

import pytest

from tests.docs.pages import LANGUAGES, blocks, pages
from tests.docs.workshop import environment, make_repository

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """Not to be changed; one for all workers, with the trained runs that pages read."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder in that of the session
        shared = shared.parent
    with (shared / "docs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made, place = shared / "docs.made", shared / "docs" / "repository"
        if not made.exists():
            make_repository(place)
            made.touch()
    return place


@pytest.mark.parametrize("page", [page for page in pages() if blocks(page)])
def test_every_block_of_a_page_runs(page, repository, tmp_path):
    place = shutil.copytree(repository, tmp_path / "repository", symlinks=True)
    variables = environment(place)
    variables["PYTHONPATH"] += f":{place}"
    done = subprocess.run(
        [sys.executable, "tests/docs/run_page.py", page],
        cwd=place,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]
    ran = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(f"{page}:")]
    assert ran == [str(block) for block in blocks(page) if block.language in LANGUAGES]
