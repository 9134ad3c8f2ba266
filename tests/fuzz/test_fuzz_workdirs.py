"""Any file of a workdir that is damaged: the command runs all the same, or says so in one line."""

import itertools
import json
import shutil

import pytest
from commands import assert_harmless, here
from values import JSON, damaged

from gradlog.cli.modes import MODES as COMMANDS

FAST, MANY = 14, 100
SHORT = (
    *("--config.likelihood.name=bound", "--config.likelihood.samples=2"),
    *("--config.eval.num_images=3", "--config.eval.second_look=0"),
    "--config.quality.num_samples=8",
)
MODES = ("train", "eval", "compare", "sample", "quality", "verify")


@pytest.fixture(scope="session")
def used(trained, tmp_path_factory):
    """A workdir with results of every kind."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("used") / "run")
    for mode in ("eval", "compare", "sample", "quality"):
        outcome = here(f"--workdir={folder}", f"--mode={mode}", "--steps=all", *SHORT)
        assert outcome.status == 0, outcome
    return folder


def _changed(random, content, name):
    """The bytes damaged, or of JSON a value changed."""
    if name.endswith("json") and random.random() < 0.5:
        try:
            tree = json.loads(content)
        except ValueError:  # damaged already
            return damaged(random, content)
        if isinstance(tree, dict) and random.random() < 0.8:
            tree[random.choice(sorted(tree))] = random.choice(JSON)
        else:
            tree = random.choice(JSON)
        return json.dumps(tree).encode()
    return damaged(random, content)


def _damage(random, folder):
    """Changes, empties or takes away one file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    # As many of results as of checkpoints, which have most of the files.
    results = [path for path in files if "checkpoints" not in path.parts]
    file = random.choice(random.choice((files, results)))
    if random.random() < 0.1:
        file.unlink()
    else:
        file.write_bytes(_changed(random, file.read_bytes(), file.name))
    return str(file.relative_to(folder))


def _check(used, tmp_path, examples, count, run=here):
    numbers = itertools.count()

    def make(random):
        folder = shutil.copytree(used, tmp_path / str(next(numbers)))
        changed = [_damage(random, folder) for _ in range(random.randint(1, 2))]
        steps, mode = random.choice(((), ("--steps=all",))), random.choice(MODES)
        steps = steps if COMMANDS[mode].reads_steps else ()
        return folder, changed, (f"--mode={mode}", *steps, *SHORT)

    def check(example):
        folder, _, arguments = example
        return assert_harmless(run, folder, f"--workdir={folder}", *arguments)

    examples(make, count, check)


def test_a_few_damaged_workdirs_are_used_or_refused(used, tmp_path, examples):
    _check(used, tmp_path, examples, FAST)


@pytest.mark.slow
def test_many_damaged_workdirs_are_used_or_refused(used, tmp_path, examples):
    _check(used, tmp_path, examples, MANY)
