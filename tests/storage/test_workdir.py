"""The layout of a workdir, and the experiment that it belongs to."""

import numpy as np
import pytest

from gradlog.data import UNKNOWN
from gradlog.storage import Workdir, WorkdirError, read_json, write_json
from gradlog.storage.workdir import PACKAGES, digest

IDENTITY = {"seed": 0, "sde.name": "vp", "model.ch_mult": (1, 2), "optimizer.learning_rate": 2e-4}
SETTINGS = {"likelihood.rtol": 1e-5, "eval.batch_size": 64, "sizes": (1, 2)}


@pytest.fixture
def workdir(tmp_path):
    workdir = Workdir(tmp_path / "run")
    workdir.claim({"seed": 0}, IDENTITY)
    return workdir


def test_a_new_folder_gets_config_and_provenance(workdir):
    assert workdir.exists()
    assert read_json(workdir.config) == {"seed": 0}
    found = read_json(workdir.provenance)
    assert set(found["versions"]) == {"python", *PACKAGES}
    assert found["versions_from_step"] == {"0": found["versions"]}
    assert found["identity"]["model.ch_mult"] == [1, 2]


def test_a_run_keeps_its_random_name(workdir, tmp_path):
    name = workdir.run
    assert len(name) == 16
    workdir.claim({"seed": 0}, IDENTITY, step=5)
    assert workdir.run == name
    other = Workdir(tmp_path / "other")
    assert other.run == ""
    other.claim({"seed": 0}, IDENTITY)
    assert other.run not in ("", name)


def test_settings_outside_the_identity_may_change(workdir):
    workdir.claim({"seed": 0, "training.steps": 5}, IDENTITY)
    assert read_json(workdir.config) == {"seed": 0, "training.steps": 5}


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 1), ("sde.name", "ve"), ("model.ch_mult", (1, 2, 2)), ("optimizer.beta1", 0.9)],
)
def test_another_experiment_is_refused_and_the_folder_unchanged(workdir, key, value):
    before = workdir.config.read_bytes(), workdir.provenance.read_bytes()
    with pytest.raises(WorkdirError, match=f"another experiment: {key} is ") as caught:
        workdir.claim({"seed": 1}, IDENTITY | {key: value})
    assert repr(value).replace("(", "[").replace(")", "]") in str(caught.value)
    assert (workdir.config.read_bytes(), workdir.provenance.read_bytes()) == before


def test_a_key_that_is_only_stored_is_not_compared(tmp_path):
    """Version 0.1 stored keys that only the chosen sampler read."""
    workdir = Workdir(tmp_path / "run")
    workdir.claim({}, IDENTITY | {"model.num_scales": 1000})
    workdir.check(IDENTITY)


def test_of_two_names_only_the_names_are_reported(workdir):
    other = IDENTITY | {"sde.name": "ve", "sde.sigma_max": 50.0, "sde.beta_max": 3.0}
    with pytest.raises(WorkdirError, match=r"sde\.name is ") as caught:
        workdir.check(other, {"sde.sigma_max": 1.0, "sde.beta_max": 20.0})
    assert "sigma_max" not in str(caught.value)
    assert "beta_max" not in str(caught.value)


def test_a_key_newer_than_the_folder_must_have_its_default(workdir):
    newer = IDENTITY | {"objective.levels": "continuous"}
    workdir.check(newer, {"objective.levels": "continuous", "seed": 7})
    workdir.claim({}, newer, defaults={"objective.levels": "continuous"})
    with pytest.raises(WorkdirError, match="levels is 'continuous' there, 'ladder' here"):
        workdir.check(IDENTITY | {"objective.levels": "ladder"}, newer)
    with pytest.raises(WorkdirError, match="seed is 0 there, 7 here"):
        workdir.check(IDENTITY | {"seed": 7}, {"seed": 7})


def test_unknown_values_do_not_differ(tmp_path):
    """The data were missing when a checkpoint was imported, or are missing now."""
    identity, unknown = IDENTITY | {"data": "abc"}, IDENTITY | {"data": UNKNOWN}
    workdir = Workdir(tmp_path / "imported")
    workdir.claim({}, unknown)
    workdir.check(identity)
    workdir.claim({}, identity)
    workdir.check(unknown)
    with pytest.raises(WorkdirError, match="data is 'abc' there, 'def' here"):
        workdir.check(IDENTITY | {"data": "def"})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"identity": 3}', "\x00"])
def test_a_damaged_provenance_is_one_line(workdir, text):
    workdir.provenance.write_text(text)
    with pytest.raises(WorkdirError, match=r"provenance\.json cannot be read") as caught:
        workdir.check(IDENTITY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left", ["config.json", "checkpoints/10"])
def test_a_missing_provenance_is_one_line(workdir, left):
    """Also with checkpoints alone: nobody knows which experiment they belong to."""
    (workdir.checkpoints / "10").mkdir(parents=True)
    for path in (workdir.root / "config.json", workdir.provenance):
        if path.name != left:
            path.unlink()
    (workdir.checkpoints / "10").rmdir() if left == "config.json" else None
    for refused in (workdir.check, lambda identity: workdir.claim({}, identity)):
        with pytest.raises(WorkdirError, match=r"has no provenance\.json, .*put a copy") as caught:
            refused(IDENTITY)
        assert "\n" not in str(caught.value)
    assert not workdir.provenance.exists()


def test_a_folder_without_its_configuration_still_belongs_to_its_experiment(workdir):
    workdir.config.unlink()
    for refused in (workdir.check, lambda identity: workdir.claim({}, identity)):
        with pytest.raises(WorkdirError, match="another experiment: seed is 0 there, 5 here"):
            refused(IDENTITY | {"seed": 5})
    assert not workdir.exists()
    name = workdir.run
    workdir.check(IDENTITY)
    workdir.claim({"seed": 0}, IDENTITY, step=7)
    assert workdir.exists()
    assert workdir.run == name
    assert set(read_json(workdir.provenance)["versions_from_step"]) == {"0", "7"}


def test_only_a_lost_configuration_is_written_again(workdir):
    workdir.restore_config({"seed": 1})
    assert read_json(workdir.config) == {"seed": 0}
    workdir.config.unlink()
    workdir.restore_config({"seed": 1})
    assert read_json(workdir.config) == {"seed": 1}


def test_a_folder_where_nothing_has_begun_accepts_every_experiment(tmp_path):
    Workdir(tmp_path).check(IDENTITY)
    Workdir(tmp_path / "not" / "there").check(IDENTITY)


@pytest.mark.parametrize(
    ("name", "value"), [("run", None), ("versions_from_step", []), ("identity", [])]
)
def test_a_provenance_of_another_shape_is_one_line(workdir, name, value):
    write_json(workdir.provenance, read_json(workdir.provenance) | {name: value})
    with pytest.raises(WorkdirError, match=rf"cannot be read.*its {name} is no"):
        workdir.claim({}, IDENTITY)


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(WorkdirError, match="cannot write to"):
        Workdir(tmp_path / "run").claim({}, IDENTITY)
    assert (tmp_path / "run").read_text() == "mine"


def test_a_result_with_the_same_settings_is_found_again(workdir):
    folder = workdir.result("eval", 100, "ode", settings=SETTINGS)
    assert folder == workdir.root / "eval" / "100" / "ode"
    write_json(folder / "settings.json", SETTINGS)
    assert workdir.result("eval", 100, "ode", settings=SETTINGS) == folder


def test_a_result_with_other_settings_gets_its_own_folder(workdir):
    first = workdir.result("eval", 100, "ode", settings=SETTINGS)
    write_json(first / "settings.json", SETTINGS)
    folders = {first}
    for rtol in (1e-6, 1e-7):
        other = SETTINGS | {"likelihood.rtol": rtol}
        folder = workdir.result("eval", 100, "ode", settings=other)
        assert folder.parent == first.parent
        assert folder not in folders
        write_json(folder / "settings.json", other)
        assert workdir.result("eval", 100, "ode", settings=other) == folder
        folders.add(folder)
    assert workdir.result("eval", 100, "ode", settings=SETTINGS) == first


def test_a_result_older_than_a_setting_had_its_default(workdir):
    folder = workdir.result("eval", 100, "bound", settings=SETTINGS)
    write_json(folder / "settings.json", SETTINGS)
    assert (
        workdir.result("eval", 100, "bound", settings=SETTINGS | {"likelihood.churn": 1.0})
        == folder
    )
    assert (
        workdir.result("eval", 100, "bound", settings=SETTINGS | {"likelihood.churn": 0.5})
        != folder
    )


def test_steps_and_estimators_have_their_own_folders(workdir):
    found = {
        workdir.result("eval", s, e, settings=SETTINGS) for s in (1, 2) for e in ("ode", "bound")
    }
    assert len(found) == 4


def test_a_digest_does_not_depend_on_the_order_of_keys():
    values = [1e-5, np.float32(0.5).item(), "a"]
    assert digest({"a": 1, "b": values}) == digest({"b": values, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_a_workdir_whose_name_has_no_encoding_is_refused_before_training(tmp_path):
    root = tmp_path / "run\udcff"
    with pytest.raises(WorkdirError, match="choose another --workdir"):
        Workdir(root).claim({}, {})
    assert not root.exists()
