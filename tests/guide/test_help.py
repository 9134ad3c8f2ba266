"""``--help``, ``--mode=configs``, completion and the first line: what a user reads first."""

import re
import subprocess

import pytest
import tiny

from gradlog.cli.command_line import load_config
from gradlog.cli.guide.experiments import CONFIGS, experiments
from gradlog.cli.guide.first_line import say_first
from gradlog.cli.guide.overview import show_help, unknown_topic
from gradlog.cli.modes import MODES
from gradlog.configs import default
from gradlog.experiment.keys import flat, keys, sections

LIGHT = """
import sys, runpy
sys.argv = ["main.py", *{arguments!r}]
try:
    runpy.run_path("main.py", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"jax", "numpy", "scipy", "matplotlib", "flax"}} & set(sys.modules)
print("imported", sorted(heavy))
"""
# Written for completion by hand: what bash gives its function when Tab is pressed.
PRESS_TAB = """
source /dev/stdin <<< "$SCRIPT"
COMP_LINE=$1 COMP_POINT=${#1}
_gradlog
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _printed(capsys, *arguments, **named):
    show_help(*arguments, **named)
    return capsys.readouterr().out


# --- help -----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "--mode=configs", "--mode=completion"])
def test_what_is_read_first_needs_nothing_heavy(flag):
    lines = tiny.python("-c", LIGHT.format(arguments=[flag]))
    assert lines[-1] == "imported []"
    assert len(lines) > 50
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)


def test_help_has_modes_examples_flags_and_keys_with_meaning_and_default(capsys):
    words = " ".join(_printed(capsys).split())
    for name, mode in MODES.items():
        assert f"{name} {mode.summary}" in words
        assert f"python main.py {mode.example}" in words
    for flag in ("--mode", "--workdir", "--steps", "--config", "--coordinator"):
        assert f" {flag} " in words
    for section, about in sections().items():
        assert f"config.{section}: {about}" in words or not section
    for name in ("seed", "sde.beta_max", "training.steps"):
        key = keys()[name]
        assert f"{name} {key.default!r} {key.meaning}" in words
    assert all(re.search(rf"(^|\s){re.escape(name)}\s", words) for name in keys())


@pytest.mark.parametrize(("columns", "widest"), [(80, 80), (200, 100)])
def test_a_line_is_no_longer_than_the_terminal_or_a_page(columns, widest, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = tiny.python("main.py", "--help") + tiny.python("main.py", "--mode=configs")
    assert max(map(len, lines)) <= widest
    for name in (*keys(), *(experiment.file for experiment in experiments())):
        assert any(name in line for line in lines), f"{name} is cut"


def test_help_on_a_config_marks_what_differs(capsys):
    config = load_config("configs/digits.py")
    printed = _printed(capsys, "optimizer", config)
    theirs, ours = dict(flat(config)), dict(flat(default.get_config()))
    differing = {name for name in theirs if theirs[name] != ours[name]}
    for line in printed.splitlines():
        if found := re.match(r"  (optimizer\.\w+) ", line):
            assert (f"*{theirs[found[1]]!r}" in line) == (found[1] in differing), line
    assert "*0.004 (0.0002)" in printed


def test_help_on_a_mode_has_its_sections_and_no_other(capsys):
    printed = _printed(capsys, "eval")
    assert "config.eval:" in printed
    assert "config.likelihood:" in printed
    assert "config.sampling:" not in printed
    assert MODES["eval"].example in printed


def test_help_on_a_key_is_its_line(capsys):
    assert _printed(capsys, "sampling.eta").split()[0] == "sampling.eta"


def test_every_section_that_a_mode_names_is_one():
    assert {name for mode in MODES.values() for name in mode.sections} <= set(sections())


def test_an_unknown_topic_is_one_line_with_the_nearest():
    assert unknown_topic("samplin") == (
        "--help=samplin: did you mean --help=sampling? --help alone lists the modes, sections, "
        "keys and flags that have help of their own"
    )
    known = ("", "eval", "sde", "sde.name", "--steps")
    assert {unknown_topic(topic) for topic in known} == {""}


@pytest.mark.parametrize(
    ("written", "topic"),
    [
        ("config.sampling", "sampling"),
        ("--config.sampling.eta", "sampling.eta"),
        ("config.seed", "seed"),
        ("steps", "--steps"),
        ("--steps", "--steps"),
        ("config", "--config"),
    ],
)
def test_a_topic_may_be_spelt_as_flags_and_errors_spell_it(written, topic, capsys):
    assert unknown_topic(written) == ""
    assert _printed(capsys, written) == _printed(capsys, topic) != ""


def test_help_on_a_config_has_the_values_that_are_overridden(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    given = ("--config=configs/digits.py", "--config.optimizer.learning_rate=0.5")
    printed = " ".join(" ".join(tiny.python("main.py", "--help=optimizer", *given)).split())
    assert "optimizer.learning_rate *0.5 (0.0002)" in printed
    assert "optimizer.schedule *'cosine' ('constant')" in printed


# --- experiments ----------------------------------------------------------------------------


def test_every_file_with_a_configuration_is_listed_with_figure_and_time():
    shared = {"default.py", "saved.py"}
    files = {
        path.relative_to(CONFIGS.parent).as_posix()
        for path in CONFIGS.rglob("*.py")
        if re.search(r"^def (get_config|sweep)\(", path.read_text(), re.M)
    } - {f"configs/{name}" for name in shared}
    assert {experiment.file for experiment in experiments()} == files
    for experiment in experiments():
        assert experiment.file in experiment.command
        assert experiment.title
        assert experiment.figure
        assert experiment.time


# --- completion -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def completed():
    script = "\n".join(tiny.python("main.py", "--mode=completion"))

    def press(line):
        done = subprocess.run(
            ["bash", "--norc", "-c", PRESS_TAB, "bash", line],
            env={"SCRIPT": script, "PATH": "/usr/bin:/bin"},
            cwd=tiny.ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.split()

    return press


@pytest.mark.parametrize(
    ("begun", "wanted"),
    [
        ("--wor", ["--workdir="]),
        ("--mode=cl", ["classifier", "classify"]),
        ("--config=configs/dig", ["configs/digits.py"]),
        ("--config.samp", ["--config.sampling."]),
        ("--config.sampling.snr", ["--config.sampling.snr="]),
        ("--config.sampling.name=dpm", ["dpm_2m", "dpm_3m", "dpm_sde"]),
        ("--config.data.random_flip=", ["False", "True"]),
        ("--config.data.path=configs/dig", ["configs/digits.py"]),
        ("--workdir=evaluation/qual", ["evaluation/quality/"]),
        ("--config.sampling.num_samples=", []),
        ("--config.sampling.nothing", []),
    ],
)
def test_bash_completes(completed, begun, wanted):
    assert completed(f".venv/bin/python main.py --mode=sample {begun}") == wanted


def test_other_programs_are_left_alone(completed):
    assert completed("python other.py --mo") == []


# --- the first line -------------------------------------------------------------------------


def test_the_first_line_tells_what_is_about_to_be_done(tmp_path, capsys):
    config = load_config("configs/digits.py")
    for step in (900, 1000):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    for mode, which in (("train", ""), ("eval", ""), ("eval", "all"), ("sample", "900,1000")):
        say_first(mode, str(tmp_path), config, which)
    assert capsys.readouterr().out.replace(str(tmp_path), "RUN").splitlines() == [
        "train RUN: from step 1000 to step 4000",
        "eval RUN: step 1000, by ode",
        "eval RUN: all 2 checkpoints, by ode",
        "sample RUN: steps 900, 1000, 100 samples by predictor_corrector",
    ]


def test_the_first_line_of_a_new_run(tmp_path, capsys):
    config = load_config("configs/digits.py")
    say_first("train", str(tmp_path / "new"), config, "")
    say_first("verify", str(tmp_path / "new"), config, "")
    assert capsys.readouterr().out == (
        f"train {tmp_path / 'new'}: from the beginning to step 4000\n"
    )
