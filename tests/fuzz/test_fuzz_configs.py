"""Any configuration, file or ``config.json``: it runs, or it is refused in one line."""

import itertools
import json
import shutil

import pytest
import tiny
from commands import assert_harmless, here
from values import JSON, KEYS, SECTIONS, damaged, expression, override

FAST, MANY = 36, 402
POINTS = (
    "--config=configs/toy/mixture.py",
    *tiny.flags_of(tiny.points(), tiny.base()),
    "--config.training.steps=1",
)
# Small enough to be trained for one step, if they are not refused.
IMAGES = (
    "--config=configs/digits.py",
    *("--config.training.steps=1", "--config.training.batch_size=8", "--config.eval.batch_size=6"),
    *("--config.model.nf=4", "--config.model.ch_mult=1", "--config.model.num_res_blocks=1"),
    *("--config.model.attn_resolutions=()", "--config.training.eval_every=0"),
)
FLAT = (*IMAGES, "--config.model.name=mlp", "--config.model.hidden=8")
# Their data are not here.
PUBLISHED = (
    ("--config=configs/vp/cifar10_ddpmpp_continuous.py",),
    ("--config=configs/vdm/cifar10.py",),
    ("--config=configs/score_sde/ve/cifar10_ncsnpp_continuous.py",),
)

HEAD = "from ml_collections import ConfigDict\nfrom configs.toy.mixture import get_config as base\n"
BODY = """

def get_config():
    config = ConfigDict(base().to_dict(), type_safe={safe})
    config.data.update(num_train=200, num_test=12)
    config.model.update(hidden=8, num_layers=1, embedding=8)
    config.training.update(steps=1, batch_size=16)
    {changes}
    return config
"""


def _change(random):
    """A line of a config file: an assignment, a key that there is not, or one taken away."""
    key = random.choice(KEYS)
    value, (section, _, name) = expression(random, key), key.rpartition(".")
    place = f"config.{section}" if section else "config"
    return random.choice(
        (
            *([f"{place}[{name!r}] = {value}"] * 9),
            f"{place}.{name} = {value}",
            f"del {place}[{name!r}]",
            f"{place}[{name + 'x'!r}] = {value}",
            f"config[{random.choice(SECTIONS)!r}] = {value}",
            f"del config[{random.choice(SECTIONS)!r}]",
            f"config = ConfigDict({{{name!r}: {value}}})",
        )
    )


def _file(random):
    """A user's own file that changes one to three keys of another, or a damaged one."""
    changes = "\n    ".join(_change(random) for _ in range(random.randint(1, 3)))
    whole = (HEAD + BODY.format(safe=random.random() < 0.2, changes=changes)).encode()
    return damaged(random, whole) if random.random() < 0.2 else whole


def _command(random):
    """Flags that change one to three keys of a shipped file."""
    base = random.choice((*[POINTS] * 4, *[FLAT] * 2, IMAGES, *PUBLISHED))
    return (*base, *(override(random) for _ in range(random.randint(1, 3))))


def _saved(random, whole):
    """The text of a ``config.json`` with one to three values changed, or damaged."""
    tree = json.loads(whole)
    for key in random.sample(KEYS, random.randint(1, 3)):
        section, _, name = key.rpartition(".")
        branch = tree[section] if section else tree
        value = random.choice(JSON)
        match random.randint(0, 6):
            case 0:
                branch.pop(name, None)
            case 1:
                branch[f"{name}x"] = value
            case 2 if section:
                return json.dumps(tree | {section: value}).encode()
            case _:
                branch[name] = value
    text = json.dumps(tree, indent=2).encode()
    return damaged(random, text) if random.random() < 0.2 else text


def _check_files(tmp_path, examples, count):
    numbers = itertools.count()

    def check(content):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        (folder / "mine.py").write_bytes(content)
        return assert_harmless(
            here,
            folder,
            f"--config={folder / 'mine.py'}",
            f"--workdir={folder / 'new'}",
        )

    examples(_file, count, check)


def _check_commands(tmp_path, examples, count):
    numbers = itertools.count()

    def check(arguments):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return assert_harmless(here, folder, *arguments, f"--workdir={folder / 'new'}")

    examples(_command, count, check)


def _check_saved(trained, tmp_path, examples, count):
    numbers = itertools.count()
    whole = (trained / "config.json").read_text()

    def check(content):
        folder = shutil.copytree(trained, tmp_path / str(next(numbers)))
        (folder / "config.json").write_bytes(content)
        return assert_harmless(here, folder, f"--workdir={folder}", "--mode=train")

    examples(lambda random: _saved(random, whole), count, check)


def test_a_few_changed_files_are_run_or_refused(tmp_path, examples):
    _check_files(tmp_path, examples, FAST // 3)


def test_a_few_changed_flags_are_run_or_refused(tmp_path, examples):
    _check_commands(tmp_path, examples, FAST // 3)


def test_a_few_changed_workdirs_are_run_or_refused(trained, tmp_path, examples):
    _check_saved(trained, tmp_path, examples, FAST // 3)


@pytest.mark.slow
def test_many_changed_files_are_run_or_refused(tmp_path, examples):
    _check_files(tmp_path, examples, MANY // 3)


@pytest.mark.slow
def test_many_changed_flags_are_run_or_refused(tmp_path, examples):
    _check_commands(tmp_path, examples, MANY // 3)


@pytest.mark.slow
def test_many_changed_workdirs_are_run_or_refused(trained, tmp_path, examples):
    _check_saved(trained, tmp_path, examples, MANY // 3)
