"""Any command line: it runs, or it is refused in one line."""

import itertools
import shutil

import pytest
from commands import assert_harmless, here, process
from test_fuzz_configs import POINTS
from values import WORDS, override

from gradlog.cli import modes

FAST, MANY = 14, 100
FAST_PROCESSES, MANY_PROCESSES = 2, 25
# What makes an evaluation short.
SHORT = (
    "--config.eval.num_images=3",
    "--config.eval.second_look=0",
    "--config.likelihood.rtol=0.1",
)
# Those of several hosts are left out: they wait for others.
FLAGS = ("mode", "steps", "against", "source", "workdir", "config")
MODES = tuple(
    mode for mode in modes.MODES if mode not in ("classify", "classifier", "study", "export")
)


def _fill(folder, trained):
    """A run, and what is none or not quite."""
    shutil.copytree(trained, folder / "run")
    (folder / "file").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "linked").symlink_to(folder / "run")


def _places(folder):
    names = ("run", "run", "run", "linked", "file", "empty", "loop", "new", "new\nline", "ünï code")
    return (*(str(folder / name) for name in names), "~nobody/x", "x" * 300, "/proc/new", "")


def _value(random, folder, name):
    if name == "workdir":
        return random.choice(_places(folder))
    if name == "mode":
        return random.choice((*MODES, "trian", ""))
    if name == "steps":
        return random.choice(("10", "20", "10,20", "all", "", "-10", "15", "1e1", *WORDS))
    files = ("configs/toy/mixture.py", "configs", "/dev/null", "/dev/zero", "README.md", "no/such")
    return random.choice((*files, *_places(folder)))


def _flag(random, folder):
    name = random.choice(FLAGS)
    forms = (*["--{}={}"] * 6, "-{}={}", "--{}", "--no{}", "--{}x={}", "{}={}", "--{} {}")
    return random.choice(forms).format(name, _value(random, folder, name))


def _command(random, folder):
    """A command that runs, with one to three flags put in, changed, or left out."""
    places = _places(folder)
    workdir = f"--workdir={random.choice((*[places[0]] * 9, *places))}"
    flags = [workdir, f"--mode={random.choice(MODES)}", *SHORT]
    if random.random() < 0.2:
        flags = [*POINTS, f"--workdir={folder / 'new'}", "--mode=train"]
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(flags))
        flags.insert(place, random.choice((_flag(random, folder), override(random))))
        if random.random() < 0.2:
            del flags[random.randrange(len(flags))]
    return tuple(flags)


def _check(trained, tmp_path, examples, count, run=here):
    numbers = itertools.count()

    def make(random):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        _fill(folder, trained)
        return folder, _command(random, folder)

    examples(make, count, lambda example: assert_harmless(run, example[0], *example[1]))


def test_a_few_command_lines_are_run_or_refused(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, FAST)


def test_a_few_processes_end_in_order(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, FAST_PROCESSES, process)


@pytest.mark.slow
def test_many_command_lines_are_run_or_refused(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, MANY)


@pytest.mark.slow
def test_many_processes_end_in_order(trained, tmp_path, examples):
    _check(trained, tmp_path, examples, MANY_PROCESSES, process)
