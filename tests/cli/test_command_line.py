"""The command line: a mistake is one line, status 2, and nothing changed on disk."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tiny

from gradlog.cli import main as cli
from gradlog.cli.flags import Options, read_flags
from gradlog.cli.modes import MODES
from gradlog.config_error import ConfigError, UsageError
from gradlog.experiment import loading
from gradlog.storage import read_json, read_sealed

MIXTURE = "--config=configs/toy/mixture.py"
FEW = ("--config.training.steps=4", "--config.training.batch_size=16")


def _process(*arguments):
    """``main.py`` as a user runs it: gives status, output and errors."""
    done = subprocess.run(
        [sys.executable, "main.py", *map(str, arguments)],
        cwd=tiny.ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _snapshot(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


# --- as real processes ----------------------------------------------------------------------


def test_help_ends_with_status_0():
    status, output, errors = _process("--help")
    assert (status, errors) == (0, "")
    assert "--mode" in output
    assert "--config" in output


def test_a_mistake_in_the_command_is_one_line_and_writes_nothing(tmp_path):
    status, output, errors = _process(
        MIXTURE, f"--workdir={tmp_path / 'new'}", "--config.training.stps=3"
    )
    assert tiny.only_line(status, errors).startswith(
        "config.training.stps is unknown; did you mean config.training.steps?"
    )
    assert output == ""
    assert not (tmp_path / "new").exists()


def test_a_mistake_found_late_is_one_line_too(workdir):
    before = _snapshot(workdir)
    status, _, errors = _process(f"--workdir={workdir}", "--mode=eval", "--steps=15")
    assert tiny.only_line(status, errors) == (
        "--steps: no checkpoint of step 15; there are [10, 20]"
    )
    assert _snapshot(workdir) == before


def test_an_existing_workdir_needs_no_config_and_takes_overrides(command, workdir):
    status, output, errors = command(
        f"--workdir={workdir}",
        "--mode=eval",
        "--config.eval.estimators=ode,bound",
        "--config.eval.num_images=4",
        "--config.likelihood.samples=4",
    )
    assert (status, errors) == (0, "")
    settings = {}
    for estimator in ("ode", "bound"):
        folder = workdir / "eval" / "20" / estimator
        found = json.loads((folder / "bits_per_dim.json").read_text())
        assert (found["estimator"], found["step"], found["num_images"]) == (estimator, 20, 4)
        settings[estimator] = json.loads((folder / "settings.json").read_text())
    assert settings["ode"]["eval.num_images"] == 4
    assert settings["bound"]["likelihood.samples"] == 4
    assert "bits per dimension" in output
    (difference,) = json.loads((workdir / "eval/20/differences.json").read_text())["rows"]
    assert (difference["minuend"], difference["subtrahend"]) == ("bound", "ode")
    assert f"step 20: bound - ode: {difference['bits_per_dim']:.4f} ± " in output
    assert "bound" in output.splitlines()[-1]  # what a bound bounds


# --- comparisons ----------------------------------------------------------------------------

CHEAP = ("--config.likelihood.name=bound", "--config.likelihood.samples=2")


def test_bits_over_training_are_compared_and_nothing_is_computed_twice(command, workdir, tmp_path):
    ask = (f"--workdir={workdir}", "--mode=eval", "--steps=all", *CHEAP)
    status, output, _ = command(*ask)
    assert status == 0
    assert output.startswith(f"eval {workdir}: all 2 checkpoints, by bound\n")
    found = read_sealed(workdir / "eval" / "over_training.json")["estimators"]["bound"]
    assert [row["step"] for row in found["rows"]] == [10, 20]
    for row in found["rows"]:
        folder = workdir / "eval" / row["folder"]
        result = read_sealed(folder / "bits_per_dim.json", ["per_image.npz", "settings.json"])
        assert all(row[key] == result[key] for key in ("step", "bits_per_dim", "standard_error"))
    assert f"bound: step {found['best']} is the best with probability " in output
    before = _snapshot(workdir)
    _, output, _ = command(*ask, f"--summary={tmp_path}/found.json")
    assert output.count("already evaluated") == 2
    for row, told in zip(found["rows"], read_json(tmp_path / "found.json"), strict=True):
        assert (told["step"], told["bits_per_dim"]) == (row["step"], row["bits_per_dim"])
        assert (workdir / told["folder"] / "bits_per_dim.json").is_file()
    assert {p: v[1] for p, v in _snapshot(workdir).items()} == {p: v[1] for p, v in before.items()}
    assert command(f"--workdir={workdir}", "--mode=verify")[0] == 0


def test_two_checkpoints_are_compared(command, workdir):
    status, output, errors = command(
        f"--workdir={workdir}", "--mode=compare", "--steps=10,20", *CHEAP
    )
    assert (status, errors) == (0, "")
    assert re.search(r"bound: step 20 - step 10: -?[\d.]+ ± [\d.]+, 95 % \[.*\], 12 images", output)
    (file,) = (workdir / "compare").glob("*.json")
    assert f"wrote {file}\n" in output
    (row,) = json.loads(file.read_text())["rows"]
    assert row["minuend_folder"] == str(workdir / "eval" / "20" / "bound")
    assert f"step 20 - step 10: {row['bits_per_dim']:.4f} ± " in output


def test_two_runs_are_compared(command, workdir, tmp_path):
    other = shutil.copytree(workdir, tmp_path / "other")
    status, output, errors = command(
        f"--workdir={workdir}", "--mode=compare", f"--against={other}", "--steps=20,10", *CHEAP
    )
    assert (status, errors) == (0, "")
    assert f"bound: {workdir} step 20 - {other} step 10: " in output
    (file,) = (workdir / "compare").glob("*.json")
    (row,) = json.loads(file.read_text())["rows"]
    assert row["subtrahend_folder"] == str(other / "eval" / "10" / "bound")
    assert not (other / "compare").exists()


def test_an_estimator_without_one_image_ends_in_an_error_after_the_tables(command, workdir):
    status, output, errors = command(
        f"--workdir={workdir}",
        "--mode=eval",
        "--config.eval.estimators=bound,ode",
        "--config.eval.second_look=0",
        "--config.likelihood.samples=2",
        "--config.likelihood.max_steps=1",
    )
    message = tiny.only_line(status, errors)
    assert message.startswith("no image succeeded with ode at step 20: there is no mean;")
    assert "account of bound at step 20" in output
    assert "warning: bound and ode have no image that succeeded in both" in output
    found = json.loads((workdir / "eval" / "20" / "ode" / "bits_per_dim.json").read_text())
    assert (found["num_images"], found["bits_per_dim"]) == (0, None)


@pytest.mark.parametrize(
    ("mode", "message"),
    [("eval", "finished batches are stored"), ("train", "the newest checkpoint")],
)
def test_an_interruption_says_what_is_stored(command, workdir, monkeypatch, mode, message):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(MODES, mode, replace(MODES[mode], run=interrupt))
    status, _, errors = command(f"--workdir={workdir}", f"--mode={mode}")
    assert status == 130
    assert errors.startswith("interrupted; ")
    assert message in errors


def test_a_comparison_needs_two_checkpoints(mistake, workdir):
    before = _snapshot(workdir)
    message = mistake(f"--workdir={workdir}", "--mode=compare")
    assert message == (
        "--mode=compare needs two checkpoints, got [20]: say --steps=100,200 or --steps=all, "
        "or --against=WORKDIR for another run"
    )
    same = ("--mode=compare", f"--against={workdir}", *CHEAP)
    assert "is the same checkpoint" in mistake(f"--workdir={workdir}", *same)
    many = mistake(f"--workdir={workdir}", *same, "--steps=all")
    assert many.startswith("--steps=all: with --against give one step")
    assert _snapshot(workdir) == before


def test_a_flag_of_another_mode_and_an_unwritable_summary_are_refused(mistake, workdir, tmp_path):
    message = mistake(f"--workdir={workdir}", "--mode=eval", "--against=x")
    assert message == "--against goes with --mode=compare, not with --mode=eval"
    message = mistake(f"--workdir={workdir}", "--mode=sample", "--summary=x")
    assert message == "--summary goes with --mode=eval, not with --mode=sample"
    for place in (tmp_path, "/dev/null", "/dev/null/x"):
        message = mistake(f"--workdir={workdir}", "--mode=eval", f"--summary={place}")
        assert message == f"--summary={place}: no file can be written there"
    message = mistake(f"--workdir={workdir}", "--mode=compare", "--against=no/such")
    assert message == "no/such is not a workdir: it has no config.json"


@pytest.mark.parametrize("mode", [name for name, mode in MODES.items() if not mode.reads_steps])
def test_steps_are_refused_where_no_checkpoint_is_selected(mistake, workdir, mode):
    assert mistake(f"--workdir={workdir}", f"--mode={mode}", "--steps=10").startswith("--steps ")


def test_a_configuration_that_is_not_read_is_said(command, workdir):
    for ignored in (MIXTURE, "--config.likelihood.rtol=1e-3"):
        status, output, _ = command(f"--workdir={workdir}", "--mode=verify", ignored)
        assert status == 0
        assert output.startswith("note: --mode=verify ")


def test_importance_samples_need_integer_data(mistake, workdir):
    message = mistake(f"--workdir={workdir}", "--mode=eval", "--config.likelihood.name=importance")
    assert message == (
        "config.likelihood.name = 'importance' needs integer data: it weighs draws of the "
        "dequantization, and mixture is continuous; choose 'ode'"
    )
    arguments = ("--mode=eval", "--config.likelihood.name=importance")
    for base, why in (
        ("bound", "cannot be a base: the weights would be exponentials of all its variance"),
        ("scipy", "cannot be a base: it is not traceable"),
        ("importance", "is unknown"),
    ):
        message = mistake(f"--workdir={workdir}", *arguments, f"--config.likelihood.base={base}")
        assert message.startswith(f"config.likelihood.base = '{base}' {why}; choose one of [")


# --- flags ----------------------------------------------------------------------------------


def test_an_unknown_flag_is_named_with_the_nearest(mistake):
    assert "did you mean --workdir?" in mistake(MIXTURE, "--workdri=x", "--workdir=y")
    message = mistake(MIXTURE, "--learning_rate=1")
    assert "--config.optimizer.learning_rate" in message


@pytest.mark.parametrize("flag", ["--config.objective.slice_law", "--steps", "--config.seed"])
def test_a_flag_does_not_take_the_next_one_for_its_value(mistake, tmp_path, flag):
    message = mistake(MIXTURE, flag, f"--workdir={tmp_path / 'new'}")
    assert message == f"{flag} has no value before --workdir={tmp_path / 'new'}: say {flag}=VALUE"
    assert not (tmp_path / "new").exists()


def test_an_unknown_mode_lists_the_modes(mistake, tmp_path):
    message = mistake(MIXTURE, f"--workdir={tmp_path}", "--mode=trian")
    assert message.startswith("--mode=trian is unknown")
    assert all(mode in message for mode in MODES)


@pytest.mark.parametrize("arguments", [[MIXTURE], [MIXTURE, "--workdir="], [MIXTURE, "--workdir"]])
def test_a_missing_workdir_is_named(mistake, arguments):
    assert mistake(*arguments).startswith("--workdir ")


def test_a_word_that_is_no_flag_is_named(mistake, tmp_path):
    assert mistake("train", MIXTURE, f"--workdir={tmp_path}") == (
        "'train' is not a flag; flags begin with --"
    )


@pytest.mark.parametrize("mode", ["train", "eval", "sample"])
def test_a_workdir_that_does_not_exist_needs_a_config(mistake, tmp_path, mode):
    message = mistake(f"--workdir={tmp_path / 'none'}", f"--mode={mode}")
    assert message == f"{tmp_path / 'none'} is not a workdir yet: say --config=FILE to begin one"


@pytest.mark.parametrize("mode", ["eval", "sample"])
def test_nothing_is_evaluated_before_training(mistake, tmp_path, mode):
    folder = tmp_path / "none"
    message = mistake(MIXTURE, f"--workdir={folder}", f"--mode={mode}")
    assert message == f"no checkpoint in {folder}/checkpoints; train first, with --mode=train"
    assert not folder.exists()


# --- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("config.training.stps=3", "config.training.stps is unknown; did you mean "),
        ("config.trainng.steps=3", "did you mean config.training.steps?"),
        ("config.lr=3", "config.lr is unknown; did you mean config.optimizer.learning_rate?"),
        ("config.model.lr=3", "did you mean config.optimizer.learning_rate?"),
        ("config.zzz=3", "config.zzz is unknown; --help lists every key"),
        ("config.seed.x=3", "config.seed is a value and has no key x"),
        (
            "noconfig.data.read_label",
            "config.data.read_label is unknown; did you mean config.data.read_labels?",
        ),
        (
            "config.training.steps=abc",
            "config.training.steps = 'abc' must be a whole number, such as ",
        ),
        ("config.training.steps=1.5", "config.training.steps = '1.5' must be a whole number"),
        ("config.training.steps=1e3", "config.training.steps = '1e3' must be a whole number"),
        (
            "config.optimizer.learning_rate=fast",
            "config.optimizer.learning_rate = 'fast' must be a finite number",
        ),
        (
            "config.data.read_labels=maybe",
            "config.data.read_labels = 'maybe' must be True or False",
        ),
        ("config.training=9", "config.training is a section: set one of its keys"),
        ("noconfig.seed", "config.seed is not a yes-or-no flag"),
        ("config.likelihood.rtol=nan", "config.likelihood.rtol = nan must be a finite number"),
        ("config.model.ch_mult=(1,", "config.model.ch_mult = '(1,' must be a tuple"),
        ("config.model.ch_mult=a,b", "config.model.ch_mult = ('a,b',) must be whole numbers"),
        ("config.data.name", "--config.data.name has no value"),
        ("config.sde.name=vpp", "config.sde.name = 'vpp' is unknown; choose one of ['blurring',"),
        ("config.data.name=cifar", "config.data.name = 'cifar' is unknown; choose one of ["),
        (
            "config.eval.estimators=ode,elbo",
            "config.eval.estimators: 'elbo' is unknown; choose from ['bound', ",
        ),
        (
            "config.likelihood.name=foo",
            "config.likelihood.name: 'foo' is unknown; choose from ['bound', ",
        ),
        ("config.training.batch_size=0", "config.training.batch_size = 0 must lie in [1, inf)"),
        ("config.data.scale=-1", "config.data.scale = -1.0 must be positive"),
        ("config.likelihood.eps=2", "config.likelihood.eps = 2.0 must lie in (0, 1.0)"),
        ("config.compat=scoresde", "config.compat = 'scoresde' is unknown; choose one of ["),
    ],
)
def test_a_wrong_override_names_its_key(mistake, tmp_path, override, message):
    folder = tmp_path / "new"
    assert message in mistake(MIXTURE, f"--workdir={folder}", f"--{override}")
    assert not folder.exists()


@pytest.mark.parametrize("key", ["optimizer.accumulate", "training.steps"])
def test_an_override_that_others_are_computed_from_is_named_itself(mistake, tmp_path, key):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(200, 2)))
    own = f"--config=configs/own.py:{tmp_path / 'points.npy'}", f"--workdir={tmp_path / 'new'}"
    assert f"config.{key} = 0" in mistake(*own, f"--config.{key}=0")


def test_an_override_that_nothing_reads_is_a_note(command, tmp_path):
    _, output, _ = command(
        MIXTURE, f"--workdir={tmp_path / 'x'}", "--mode=eval", "--config.sde.sigma_max=3"
    )
    assert output.splitlines()[1:] == [
        "note: config.sde.sigma_max is not read by this command; it changes nothing"
    ]


def test_a_key_of_training_that_an_evaluation_does_not_need_is_noted(command, workdir):
    changed = ("--config.training.steps=30", "--config.optimizer.warmup=5")
    _, output, _ = command(f"--workdir={workdir}", "--mode=eval", "--steps=15", *changed)
    assert re.findall(r"^note: config\.(\S+) is not read", output, re.M) == [
        "training.steps",
        "optimizer.warmup",
    ]


def test_a_key_that_identifies_the_run_is_no_key_without_effect(command, workdir):
    kept = f"--config.optimizer.grad_clip={tiny.points().optimizer.grad_clip}"
    _, output, _ = command(f"--workdir={workdir}", "--mode=eval", "--steps=15", kept)
    assert "is not read" not in output


def test_flags_and_keys_have_several_spellings():
    words = ["--config.data.seed=1", "-config.sde.name", "ve", "--noconfig.data.random_flip"]
    words += ["--config=f", "-steps", "3", "--nodry_run", "--config.training.steps", "0x10"]
    options = read_flags([*words, "--config.model.ch_mult=1,2", "--config.eval.estimators=ode"])
    assert options.overrides == {
        "data.seed": 1,
        "sde.name": "ve",
        "data.random_flip": False,
        "training.steps": 16,
        "model.ch_mult": (1, 2),
        "eval.estimators": ("ode",),
    }
    assert (options.config_file, options.steps, options.dry_run) == ("f", "3", False)
    assert read_flags(["--steps=1", "--steps=2"]).steps == "2"


@pytest.mark.parametrize(
    ("key", "value", "new_key", "new_value"),
    [
        ("model.parametrisation", "noise", "model.parametrization", "noise"),
        ("objective.dequantization", "centres", "objective.dequantization", "centers"),
        ("sampling.task", "colourise", "sampling.task", "colorize"),
    ],
)
def test_an_old_spelling_is_read_and_noted_once(key, value, new_key, new_value):
    options = read_flags([f"--config.{key}={value}"] * 2)
    assert options.overrides == {new_key: new_value}
    (note,) = options.notes
    assert f"config.{new_key}" in note
    assert f"{key if key != new_key else value}" in note


# --- config files ---------------------------------------------------------------------------

BROKEN = {
    "no get_config": ("x = 1\n", "has no function get_config()"),
    "a syntax error": ("def get_config(:\n", "SyntaxError"),
    "an import that fails": ("import no_such_module\n", "No module named 'no_such_module'"),
    "one that raises": ("def get_config():\n    return 1 / 0\n", "ZeroDivisionError"),
    "an argument too many": ("def get_config(a):\n    return a\n", "get_config() missing 1"),
    "something else": ("def get_config():\n    return 3\n", "get_config() of "),
    "an unknown key": (
        "from gradlog.configs import default\n\n\ndef get_config():\n"
        "    config = default.get_config()\n    config.lock()\n    config.sde.nmae = 'vp'\n"
        "    return config\n",
        "nmae",
    ),
    "bytes": ("\x00\xff", "Error"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_config_file_that_cannot_be_used_is_named(mistake, tmp_path, case):
    text, message = BROKEN[case]
    file = tmp_path / "mine.py"
    file.write_bytes(text.encode("latin-1"))
    told = mistake(f"--config={file}", f"--workdir={tmp_path / 'new'}")
    assert str(file) in told
    assert message in told
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("file", ["configs/digit.py", "configs", "configs/../main.txt"])
def test_a_config_file_that_is_not_there_is_named(mistake, tmp_path, file):
    told = mistake(f"--config={file}", f"--workdir={tmp_path / 'new'}")
    assert told.startswith(f"--config: there is no file {file};")


@pytest.mark.parametrize(
    ("word", "wanted"), [("yes", True), ("T", True), ("no", False), ("0", False)]
)
def test_truth_has_several_words(word, wanted):
    options = read_flags(["--config=configs/digits.py", f"--config.data.random_flip={word}"])
    assert options.overrides == {"data.random_flip": wanted}


# --- workdirs -------------------------------------------------------------------------------

OTHER_EXPERIMENTS = {
    "data.num_train=100": "data.fingerprint",
    "data.seed=3": "data.seed",
    "data.name=checkerboard": "data.name",
    "sde.name=subvp": "sde.name",
    "sde.beta_max=10": "sde.beta_max",
    "model.hidden=16": "model.hidden",
    "model.parametrization=noise": "model.parametrization",
    "objective.weighting=sigma2": "objective.weighting",
    "objective.importance_sampling=false": "objective.importance_sampling",
    "optimizer.learning_rate=1e-3": "optimizer.learning_rate",
    "optimizer.ema_decay=0.9": "optimizer.ema_decay",
    "seed=1": "seed",
}


@pytest.mark.parametrize("override", OTHER_EXPERIMENTS)
def test_a_workdir_of_another_experiment_is_refused(mistake, workdir, override):
    mode, before = "eval" if override == "seed=1" else "train", _snapshot(workdir)
    message = mistake(f"--workdir={workdir}", f"--mode={mode}", f"--config.{override}")
    assert message.startswith(f"{workdir} belongs to another experiment: ")
    assert f"{OTHER_EXPERIMENTS[override]} is " in message
    assert message.endswith("choose another --workdir")
    assert _snapshot(workdir) == before


def test_another_config_on_a_workdir_is_another_experiment(mistake, workdir):
    before = _snapshot(workdir)
    assert "belongs to another experiment" in mistake(MIXTURE, f"--workdir={workdir}")
    assert _snapshot(workdir) == before


def test_a_workdir_opens_with_other_free_settings_and_resumes(command, workdir):
    free = [
        "training.steps=22",
        "training.log_every=1",
        "training.parallel=shard_map",
        "eval.batch_size=5",
        "likelihood.rtol=1e-2",
        "likelihood.name=bound",
        "sampling.name=predictor_corrector",
        "sampling.num_steps=3",
    ]
    arguments = [f"--config.{override}" for override in free]
    status, _, errors = command(f"--workdir={workdir}", "--mode=train", *arguments)
    assert (status, errors) == (0, "")
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [5, 10, 15, 20, 21, 22]
    saved = json.loads((workdir / "config.json").read_text())
    assert (saved["training"]["steps"], saved["likelihood"]["name"]) == (22, "bound")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("abc", "--steps=abc: give numbers, such as 100,200, or all; there are [10, 20]"),
        ("10,", "--steps=10,: give numbers, such as 100,200, or all; there are [10, 20]"),
        ("10,11", "--steps: no checkpoint of step 11; there are [10, 20]"),
    ],
)
@pytest.mark.parametrize("mode", ["eval", "sample"])
def test_missing_steps_are_named_with_the_existing_ones(mistake, workdir, mode, steps, message):
    before = _snapshot(workdir)
    assert mistake(f"--workdir={workdir}", f"--mode={mode}", f"--steps={steps}") == message
    assert _snapshot(workdir) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\x00"])
def test_a_damaged_configuration_in_the_workdir_is_named(mistake, workdir, text):
    (workdir / "config.json").write_text(text)
    assert str(workdir / "config.json") in mistake(f"--workdir={workdir}", "--mode=eval")


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_a_damaged_provenance_in_the_workdir_is_named(mistake, workdir, text):
    (workdir / "provenance.json").write_text(text)
    assert "provenance.json cannot be read" in mistake(f"--workdir={workdir}", "--mode=eval")


def test_a_workdir_that_is_a_file_is_named(mistake, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    assert f"cannot write to {file}" in mistake(MIXTURE, f"--workdir={file}", *FEW)
    assert file.read_text() == "mine"
    assert "is not a workdir yet" in mistake(f"--workdir={file}", "--mode=eval")


def test_a_folder_that_cannot_be_written_is_named(command, workdir, monkeypatch):
    def deny(options):
        raise PermissionError(13, "Permission denied", f"{workdir}/eval")

    monkeypatch.setitem(MODES, "eval", replace(MODES["eval"], run=deny))
    status, _, errors = command(f"--workdir={workdir}", "--mode=eval")
    assert tiny.only_line(status, errors).endswith(f"Permission denied: '{workdir}/eval'")


def test_a_batch_that_does_not_divide_over_the_devices_is_refused(mistake, tmp_path, monkeypatch):
    monkeypatch.setattr("gradlog.training.parallel.jax.device_count", lambda: 3)
    message = mistake(MIXTURE, f"--workdir={tmp_path / 'new'}", *FEW)
    assert message == (
        "config.training.batch_size = 16 does not divide over 3 devices; choose a multiple"
    )
    assert not (tmp_path / "new").exists()


def test_a_training_that_diverges_names_step_and_metric(mistake, tmp_path):
    rate = "--config.optimizer.learning_rate=1e30"
    flags_ = [*tiny.flags_of(tiny.points(), tiny.base()), rate]
    message = mistake(MIXTURE, f"--workdir={tmp_path / 'new'}", *flags_)
    assert re.match(
        r"step \d+: (loss|grad_norm) is (nan|inf); the state before it .*max_skips=",
        message,
    )


def test_errors_of_our_own_are_not_hidden(command, workdir, monkeypatch):
    def bug(options):
        raise RuntimeError("ours")

    monkeypatch.setitem(MODES, "eval", replace(MODES["eval"], run=bug))
    with pytest.raises(RuntimeError, match="ours"):
        command(f"--workdir={workdir}", "--mode=eval")


def test_a_message_of_many_lines_becomes_one(capsys):
    with pytest.raises(SystemExit) as end:
        cli._fail(str(ConfigError("a\n  b\n\nc")))
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: a b c\n"


def test_a_misspelled_key_in_a_config_file_is_named(mistake, tmp_path):
    file = tmp_path / "misspelt.py"
    file.write_text(
        "from gradlog.configs import default\n\ndef get_config():\n"
        "    config = default.get_config()\n    config.optimizer.update(learning_rat=1.0)\n"
        "    return config\n"
    )
    assert "learning_rat" in mistake(f"--config={file}", f"--workdir={tmp_path / 'new'}")


def test_a_wrong_name_is_reported_before_the_data_are_fetched(mistake, tmp_path):
    arguments = [MIXTURE, f"--workdir={tmp_path / 'new'}", "--config.data.name=cifar10"]
    message = mistake(*arguments, f"--config.data.data_dir={tmp_path}", "--config.sde.name=vpp")
    assert message.startswith("config.sde.name = 'vpp' is unknown")


def test_estimators_must_be_names(mistake, workdir, tmp_path):
    for begin in ([MIXTURE, f"--workdir={tmp_path / 'new'}"], [f"--workdir={workdir}"]):
        mode = f"--mode={'train' if MIXTURE in begin else 'eval'}"
        message = mistake(*begin, mode, "--config.eval.estimators=1")
        assert message.startswith("config.eval.estimators = (1,) must be names")


def test_an_evaluation_of_untrained_times_is_noted(command, workdir):
    none = ("--mode=eval", "--steps=15")  # notes come before the checkpoints are looked at
    _, out, _ = command(f"--workdir={workdir}", *none, "--config.likelihood.eps=1e-6")
    assert "note: config.likelihood.eps = 1e-06 lies below config.objective.eps" in out
    _, out, _ = command(f"--workdir={workdir}", *none, "--config.likelihood.eps=0.1")
    assert "note: config.likelihood.eps = 0.1 lies above config.objective.eps = 0.0001" in out


def test_compat_says_what_it_sets_and_evaluates_with_scipy(command, workdir):
    status, out, errors = command(
        f"--workdir={workdir}",
        "--mode=eval",
        "--config.compat=score_flow",
        "--config.likelihood.eps=1e-2",
        "--config.eval.num_images=5",
    )
    assert (status, errors) == (0, "")
    assert "note: compat = score_flow sets likelihood.name = scipy, likelihood.rtol = 1e-05" in out
    assert "note: config.likelihood.eps = 0.01 stays, where score_flow has 1e-05" in out
    found = json.loads((workdir / "eval/20/scipy/bits_per_dim.json").read_text())
    assert (found["num_images"], found["failed"]) == (5, [])


# --- import ---------------------------------------------------------------------------------


CHECKPOINT = tiny.ROOT / "tests" / "golden" / "checkpoint_1"
SMALL_NETWORK = [
    *("--config=configs/default.py", "--config.model.nf=16", "--config.model.ch_mult=(1,2)"),
    *("--config.model.num_res_blocks=1", "--config.model.attn_resolutions=(4,)"),
]


def test_a_published_checkpoint_becomes_a_workdir(command, tmp_path):
    place = f"--workdir={tmp_path / 'new'}"
    source = f"--source={CHECKPOINT}"
    status, out, _ = command(*SMALL_NETWORK, place, "--mode=import", source)
    assert status == 0
    assert "imported checkpoint_1: step 600, 188,769 parameters" in out
    assert "note: it was trained with ema_decay = 0.98; training resumes" in out
    status, out, _ = command(
        place, "--mode=sample", "--config.sampling.num_steps=2", "--config.sampling.num_samples=2"
    )
    assert status == 0
    assert (tmp_path / "new/samples/600/grid.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode=import"], "--mode=import needs --source=FILE"),
        (["--mode=import", MIXTURE], "--mode=import needs --source=FILE"),
        (["--mode=train", MIXTURE, "--source=x"], "--source goes with --mode=import"),
        (["--mode=import", "--source=nowhere"], "--source=nowhere: No such file"),
        (
            ["--mode=import", "--config=configs/default.py", f"--source={CHECKPOINT}"],
            "the parameters of the file do not",
        ),
        (
            ["--mode=import", MIXTURE, f"--source={CHECKPOINT}"],
            "for a checkpoint of score_sde or score_flow config.model.name = 'mlp' must be",
        ),
    ],
)
def test_an_impossible_import_is_one_line(mistake, tmp_path, arguments, message):
    assert mistake(f"--workdir={tmp_path / 'new'}", *arguments).startswith(message)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Published experiments with the golden checkpoint's network, as many as are named."""

    def write(*names):
        changes = "nf=16, ch_mult=(1, 2), num_res_blocks=1, attn_resolutions=(4,)"
        for name in names:
            file = tmp_path / "configs" / "score_sde" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(
                "from gradlog.configs import default\n\n\ndef get_config():\n"
                f"    config = default.get_config()\n    config.model.update({changes})\n"
                "    return config\n"
            )
        monkeypatch.setattr("gradlog.cli.flags.SHIPPED", tmp_path / "configs")
        monkeypatch.setattr(loading, "SHIPPED", tmp_path / "configs")
        monkeypatch.chdir(tmp_path)

    return write


def test_the_experiment_of_a_checkpoint_is_found(command, published, tmp_path):
    published("vp")
    status, output, _ = command(
        f"--workdir={tmp_path / 'new'}", "--mode=import", f"--source={CHECKPOINT}"
    )
    assert status == 0
    assert "has the network of configs/score_sde/vp.py" in output


def test_several_experiments_of_one_network_are_listed(mistake, published, tmp_path):
    published("vp", "subvp")
    message = mistake(f"--workdir={tmp_path / 'new'}", "--mode=import", f"--source={CHECKPOINT}")
    assert "several experiments have the network" in message
    assert "score_sde/subvp.py or --config=" in message


# --- quality --------------------------------------------------------------------------------


def test_the_quality_of_samples_is_a_table_and_a_file(command, workdir):
    few = ("--config.quality.num_samples=30", "--config.quality.kid_subsets=4")
    status, out, errors = command(f"--workdir={workdir}", "--mode=quality", "--steps=all", *few)
    assert (status, errors) == (0, "")
    for step in (10, 20):
        found = json.loads((workdir / f"quality/{step}/pixels/quality.json").read_text())
        assert f"quality at step {step} against 200 train data" in out
        assert f"{found['rows'][0]['fid']:.4g} ± " in out
    assert "published FIDs compare Inception features" in out
    assert "already measured" in command(f"--workdir={workdir}", "--mode=quality", *few)[1]


def test_samples_from_a_file_need_no_checkpoint(command, workdir, tmp_path):
    shutil.rmtree(workdir / "checkpoints")
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).standard_normal((9, 2)))
    own = (
        f"--workdir={workdir}",
        "--mode=quality",
        f"--config.quality.samples={tmp_path}/mine.npy",
    )
    status, out, errors = command(*own)
    assert (status, errors) == (0, "")
    assert "quality at step given against 200 train data" in out
    status, _, errors = command(*own, "--steps=20")
    assert tiny.only_line(status, errors).startswith(
        "--steps: the samples of config.quality.samples"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("features", "inception", "config.quality.inception is "),
        ("features", "fid", "config.quality.features = 'fid' is unknown; choose one of ['class"),
        ("features", "classifier", "there is no classifier in"),
        ("convention", "tf2", "config.quality.convention = 'tf2' is unknown; choose one of ['p"),
        ("against", "all", "config.quality.against = 'all' is unknown; choose one of ['test',"),
        ("num_samples", "3", "config.quality needs at least 4 samples"),
        ("neighbors", "0", "config.quality.neighbors = 0 must lie in [1, inf)"),
        ("kid_subset_size", "1", "config.quality.kid_subset_size = 1 must lie in [2, inf)"),
        ("samples", "nowhere.npz", "config.quality.samples: there is no file nowhere.npz"),
    ],
)
def test_an_impossible_quality_is_one_line(mistake, workdir, key, value, message):
    said = mistake(f"--workdir={workdir}", "--mode=quality", f"--config.quality.{key}={value}")
    assert said.startswith(message)
    assert not list(workdir.glob("quality/*/*/quality.json"))


# --- verification ---------------------------------------------------------------------------


def test_a_workdir_is_verified_from_its_files_alone(command, workdir):
    status, out, errors = command(f"--workdir={workdir}", "--mode=verify")
    assert (status, errors) == (0, "")
    assert "checkpoints/20" in out
    assert "damaged" not in out


@pytest.mark.parametrize("contents", [b"", b"{", b"\xff\x00"])
def test_a_damaged_configuration_is_found_by_verification(command, workdir, contents):
    (workdir / "config.json").write_bytes(contents)
    before = _snapshot(workdir)
    status, out, errors = command(f"--workdir={workdir}", "--mode=verify")
    assert tiny.only_line(status, errors).startswith(f"{workdir}: config.json is damaged: ")
    assert "checkpoints/20" in out
    assert _snapshot(workdir) == before


def test_a_missing_folder_cannot_be_verified(mistake, tmp_path):
    assert "there is no such folder" in mistake(f"--workdir={tmp_path / 'no'}", "--mode=verify")


def test_hosts_must_agree_on_the_command(monkeypatch):
    told = {}

    def refuse(found):
        told.update(found)
        raise UsageError

    monkeypatch.setattr("gradlog.distributed.check_agreement", refuse)
    options = Options("eval", "runs/none", steps="10,20", summary="found.json")
    with pytest.raises(UsageError), cli.prepared_devices(options):
        pass
    assert told == {
        "--mode": "eval",
        "--steps": "10,20",
        "--against": "",
        "--source": "",
        "--summary": "found.json",
    }
