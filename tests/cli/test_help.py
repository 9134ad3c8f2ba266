"""``--help``, ``--mode=configs``, completion and the first line."""

import re
import subprocess

import pytest
import tiny

from gradlog.cli import experiments as listing
from gradlog.cli.experiments import experiments, show_experiments
from gradlog.cli.flags import Options
from gradlog.cli.help import show_help
from gradlog.cli.modes import MODES, announce
from gradlog.config_error import UsageError
from gradlog.configs import default
from gradlog.experiment.keys import flatten, keys, sections
from gradlog.experiment.loading import SHIPPED, load_config

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
        assert f"python main.py {mode.examples[0]}" in words
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
    theirs, ours = dict(flatten(config)), dict(flatten(default.get_config()))
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
    assert all(example in printed for example in MODES["eval"].examples)


def test_help_on_a_key_is_its_line(capsys):
    assert _printed(capsys, "sampling.eta").split()[0] == "sampling.eta"


def test_help_on_compare_has_its_flags_and_few_keys(capsys):
    printed = _printed(capsys, "compare")
    assert " --against " in printed
    assert all(example in printed for example in MODES["compare"].examples)
    shown = [name for name in keys() if re.search(rf"^  {re.escape(name)} ", printed, re.M)]
    assert tuple(shown) == MODES["compare"].keys


def test_the_last_part_of_a_key_is_a_topic(capsys):
    printed = _printed(capsys, "eps")
    shown = re.findall(r"^  (\S+\.eps) ", printed, re.M)
    assert shown == ["objective.eps", "likelihood.eps", "sampling.eps"]


def test_every_key_or_section_that_a_mode_names_exists():
    assert {name for mode in MODES.values() for name in mode.keys} <= {*sections(), *keys()}


def test_an_unknown_topic_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="--help=samplin: did you mean --help=sampling"):
        show_help("samplin")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("config.sampling", "config.sampling: "),
        ("--config.sampling.eta", "sampling.eta "),
        ("config.seed", "seed "),
        ("steps", "--steps "),
        ("steps", "training.steps "),
        ("--steps", "--steps "),
        ("config", "--config "),
    ],
)
def test_a_topic_may_be_spelled_as_in_flags_and_errors(written, shown, capsys):
    assert shown in _printed(capsys, written)


def test_help_on_a_config_has_the_values_that_are_overridden(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    given = ("--config=configs/digits.py", "--config.optimizer.learning_rate=0.5")
    printed = " ".join(" ".join(tiny.python("main.py", "--help=optimizer", *given)).split())
    assert "optimizer.learning_rate *0.5 (0.0002)" in printed
    assert "optimizer.schedule *'cosine' ('constant')" in printed


# --- experiments ----------------------------------------------------------------------------


def test_every_file_with_a_configuration_is_listed_with_figure_and_time():
    files = {
        path.relative_to(SHIPPED.parent).as_posix()
        for path in SHIPPED.rglob("*.py")
        if re.search(r"^def (get_config|sweep)\(", path.read_text(), re.M)
    } - {"configs/default.py"}
    assert {experiment.file for experiment in experiments()} == files
    for experiment in experiments():
        assert experiment.file in experiment.command
        assert experiment.title
        assert experiment.figure
        assert experiment.time
        assert "see there" not in experiment.figure


def test_a_file_of_the_user_is_listed_without_figure_and_time(tmp_path, monkeypatch, capsys):
    (tmp_path / "configs").mkdir()
    text = "from gradlog.configs import default\n\n\ndef get_config():\n    return default\n"
    (tmp_path / "configs" / "mine.py").write_text(text)
    (tmp_path / "configs" / "other.py").write_text("def get_config():\n    return 3\n")
    (tmp_path / "configs" / "broken.py").write_text("gradlog\ndef get_config(:\n")
    monkeypatch.chdir(tmp_path)
    listing.experiments.cache_clear()
    try:
        show_experiments()
    finally:
        listing.experiments.cache_clear()
    printed = capsys.readouterr().out
    assert "configs/mine.py" in printed
    assert "configs/other.py" not in printed
    assert "configs/digits.py" in printed


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
        ("--workdir=docs/ext", ["docs/extending/"]),
        ("--config.sampling.num_samples=", []),
        ("--config.sampling.nothing", []),
    ],
)
def test_bash_completes(completed, begun, wanted):
    assert completed(f".venv/bin/python main.py --mode=sample {begun}") == wanted


def test_other_programs_are_left_alone(completed):
    assert completed("python other.py --mo") == []


# --- the first line -------------------------------------------------------------------------


def test_the_first_line_says_what_is_about_to_happen(tmp_path, capsys):
    config = load_config("configs/digits.py")
    for step in (900, 1000):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    for mode, steps in (("train", ""), ("eval", ""), ("eval", "all"), ("sample", "900,1000")):
        announce(Options(mode, str(tmp_path), config=config, steps=steps))
    announce(Options("compare", str(tmp_path), config=config, against="other"))
    config.update_from_flattened_dict({"compat": "score_flow", "quality.samples": "own.npz"})
    config.training.steps = 900
    for mode in ("train", "eval", "quality"):
        announce(Options(mode, str(tmp_path), config=config))
    announce(Options("eval", str(tmp_path), config=config, overrides={"likelihood.name": "ode"}))
    assert capsys.readouterr().out.replace(str(tmp_path), "RUN").splitlines() == [
        "train RUN: from step 1000 to step 4000",
        "eval RUN: step 1000, by ode",
        "eval RUN: all 2 checkpoints, by ode",
        "sample RUN: steps 900, 1000, 100 samples by predictor_corrector",
        "compare RUN: step 1000, by ode, minus other",
        "train RUN: at step 1000 already, of 900",
        "eval RUN: step 1000, by scipy",
        "quality RUN: samples of own.npz, by the features of pixels",
        "eval RUN: step 1000, by ode",
    ]


def test_the_first_line_of_a_new_run(tmp_path, capsys):
    config = load_config("configs/digits.py")
    for mode in ("train", "verify"):
        announce(Options(mode, str(tmp_path / "new"), config=config))
    assert capsys.readouterr().out == (
        f"train {tmp_path / 'new'}: from the beginning to step 4000\n"
    )
