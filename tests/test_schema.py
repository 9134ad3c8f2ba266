"""A configuration has the keys of the defaults, of their types, and could be held in memory."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiny
from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.configs import default
from gradlog.configs.toy import mixture
from gradlog.data import DataError
from gradlog.experiment import loading
from gradlog.experiment.build import build, check_config
from gradlog.experiment.loading import load_config, load_saved_config
from gradlog.experiment.schema import ConfigFileError, find_problem
from tests.test_configs import DIGITS, FILES, POINTS


def _with(key, value):
    """The defaults with any value in one place."""
    values = default.get_config().to_dict()
    *outer, last = key.split(".")
    branch = values
    for part in outer:
        branch = branch[part]
    branch[last] = value
    return ConfigDict(values, type_safe=False)


@pytest.mark.parametrize("file", FILES)
def test_shipped_files_are_whole(file):
    assert find_problem(load_config(file)) == ""


WRONG = [
    *((key, None) for key in ("seed", "sde.name", "model.ch_mult", "optimizer.ema_decay", "sde")),
    *(("training.steps", value) for value in ("3", 3.0, True, (3,), 2**31, -(2**31))),
    *(("optimizer.learning_rate", value) for value in ("x", float("nan"), float("inf"), True, 1j)),
    *(("optimizer.learning_rate", value) for value in (10**400, (1.0,))),
    *(("model.ch_mult", value) for value in (1, "1,2", (1.5,), (None,), (2**31,), ((1,),))),
    *(("data.path", value) for value in (3, b"x", "a\0b", ("x",))),
    *(("data.read_labels", value) for value in (1, "true", 0.0)),
    *(("training", value) for value in (3, "x", (1, 2))),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_value_of_another_type_is_told_with_its_key(key, value):
    said = find_problem(_with(key, value))
    assert said.startswith(f"config.{key} = ")
    assert " must " in said
    assert len(said) < 300
    with pytest.raises(ConfigError, match=f"config.{key} = "):
        check_config(_with(key, value))


def test_lists_and_what_is_no_number_are_told():
    assert find_problem(_with("model.ch_mult", [1, 2])).startswith("config.model.ch_mult = ")
    assert find_problem(_with("seed", object())).endswith("must be a whole number")
    assert "thousands of digits" in find_problem(_with("training.steps", 10**5000))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sdee", "config.sdee is unknown; did you mean config.sde? "),
        ("sde.nmae", "config.sde.nmae is unknown; did you mean config.sde.name? "),
        ("lr", "config.lr is unknown; did you mean config.optimizer.learning_rate? "),
        ("training.learning_rate", "config.training.learning_rate is unknown; did you mean "),
    ],
)
def test_a_key_too_many_is_told_with_those_there_are(key, message):
    assert find_problem(_with(key, 3)).startswith(message)


@pytest.mark.parametrize("key", ["seed", "training", "sde.name"])
def test_a_missing_key_is_told(key):
    config = _with("seed", 0)
    section, _, name = key.rpartition(".")
    del (config[section] if section else config)[name]
    said = f"config.{key} is missing; see configs/default.py"
    assert find_problem(config) == said
    with pytest.raises(ConfigError, match=said):
        build(config, POINTS)


def test_seeds_may_be_as_large_as_their_readers_take():
    assert find_problem(_with("seed", 2**32 - 1)) == ""
    with pytest.raises(ConfigError, match=r"config\.seed = 4294967296 must lie in"):
        check_config(_with("seed", 2**32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.hidden": 10**9},
            r"config.model has [\d,]+ parameters, whose training state takes",
        ),
        ({"model.embedding": 2**31 - 1}, "config.model has"),
        ({"training.batch_size": 2**31 - 1}, "config.training.batch_size = 2147483647 takes more"),
        ({"eval.batch_size": 2**31 - 1}, "config.eval.batch_size = 2147483647 takes more than"),
        ({"sampling.num_samples": 2**31 - 1}, "config.sampling.num_samples = 2147483647 takes"),
        ({"model.num_layers": 1000}, r"config.model.num_layers = 1000 must lie in \[0, 1000\)"),
    ],
)
def test_what_no_machine_could_hold_is_told_with_its_key(monkeypatch, changes, message):
    monkeypatch.setattr("gradlog.experiment.experiment.machine_bytes", lambda: 2**33)
    with pytest.raises(ConfigError, match=message):
        build(tiny.points(**changes), POINTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.nf": 10**9}, "config.model has [0-9,]+ parameters"),
        ({"model.ch_mult": (1, 1, 1, 1, 1)}, "config.model does not fit data of shape"),
        ({"model.ch_mult": (0,)}, r"config.model.ch_mult = \(0,\) must lie in"),
        ({"model.ch_mult": ()}, r"config.model.ch_mult = \(\) must lie in"),
        ({"model.fir_kernel": (0, 0), "model.fir": True, "model.ch_mult": (1, 1)}, "config.model"),
    ],
)
def test_networks_that_cannot_be_are_told(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(tiny.images(**changes), DIGITS)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective.eps": -1e-3}, "config.objective.eps = -0.001 must lie in"),
        ({"objective.eps": 1.0}, "config.objective.eps = 1.0 must lie in"),
        ({"likelihood.eps": 2.0}, "config.likelihood.eps = 2.0 must lie in"),
        ({"sampling.eps": -1.0}, "config.sampling.eps = -1.0 must lie in"),
        (
            {"model.embedding": 3, "model.embedding_type": "positional"},
            "config.model does not fit data of shape .*: an embedding of 3 numbers is too small",
        ),
    ],
)
def test_numbers_that_cannot_be_are_told(changes, message):
    with pytest.raises((ConfigError, DataError), match=message):
        build(tiny.points(**changes), POINTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read: Expecting value"),
        ("[" * 100_000, "cannot be read"),
        ("\xff", "is not the configuration|cannot be read"),
        ("3", "is not the configuration of a run"),
        ("null", "is not the configuration of a run"),
        ('{"training": 3}', "config.training = 3 must be a section"),
        ('{"training": {"steps": "x"}}', "config.training.steps = 'x' must be a whole number"),
        ('{"training": {"items": 1}}', "config.training.items is unknown"),
        ('{"seed": NaN}', "config.seed = nan must be a whole number"),
        ('{"__class__": 1}', "config.__class__ is unknown"),
    ],
)
def test_what_a_run_saved_is_checked_as_it_is_read(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigFileError, match=message) as caught:
        load_saved_config(tmp_path / "config.json")
    assert str(tmp_path / "config.json") in str(caught.value)


def test_what_a_run_saved_comes_back(tmp_path):
    config = tiny.points()
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    assert load_saved_config(tmp_path / "config.json").to_dict() == config.to_dict()
    (tmp_path / "config.json").write_text('{"seed": 3}')
    assert load_saved_config(tmp_path / "config.json").to_dict() == _with("seed", 3).to_dict()


LOOPS = "def get_config():\n    while True:\n        pass\n"
EXITS = "import sys\n\n\ndef get_config():\n    sys.exit(0)\n"


def test_a_file_that_never_ends_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SECONDS", 0.2)
    (tmp_path / "loops.py").write_text(LOOPS)
    with pytest.raises(ConfigFileError, match=r"loops\.py: TimeoutError: it is not done"):
        load_config(str(tmp_path / "loops.py"))


def test_a_file_that_exits_is_told(tmp_path):
    (tmp_path / "exits.py").write_text(EXITS)
    with pytest.raises(ConfigFileError, match=r"exits\.py: SystemExit: 0"):
        load_config(str(tmp_path / "exits.py"))


def test_a_file_is_read_in_any_thread():
    with ThreadPoolExecutor() as pool:
        assert pool.submit(load_config, "configs/toy/mixture.py").result() == mixture.get_config()
