"""A sweep's file becomes runs with names of their own, or one line that says what is wrong."""

import re

import pytest
import tiny
from made import planned, write_file

from gradlog.experiment.loading import load
from gradlog.experiment.schema import ConfigFileError
from gradlog.storage import DamagedFileError
from gradlog.sweeps import SweepError, SweepFolder, make_plan, read_plan, slurm_settings
from gradlog.sweeps.plan import short_names
from gradlog.sweeps.running import show

WEIGHTINGS = 'grid({"objective.weighting": ["likelihood", "edm"]})'


def test_a_plan_has_the_files_title_and_its_runs_in_order(tmp_path):
    plan = planned(tmp_path, f"product({WEIGHTINGS}, seeds(2))")
    assert plan.title == "A tiny sweep."
    assert plan.keys == ("objective.weighting", "seed")
    assert [dict(run.overrides) for run in plan.runs] == [
        {"objective.weighting": name, "seed": seed}
        for name in ("likelihood", "edm")
        for seed in (0, 1)
    ]
    assert plan.config_of(plan.runs[3]).objective.weighting == "edm"
    assert plan.config_of(plan.runs[3]).seed == 1
    assert plan.config_of(plan.runs[3]).model.hidden == 8  # of the base
    assert plan.label(plan.runs[3].setting) == "weighting=edm"
    assert re.fullmatch(r"weighting-edm_seed-1-[0-9a-f]{8}", plan.runs[3].name)


def test_a_plan_is_read_as_it_was_written(tmp_path):
    plan = planned(tmp_path, '[{"model.ch_mult": (1, 2)}, {"sde.name": "ve"}]', given=["seed"])
    plan.save(tmp_path / "sweep.json")
    assert read_plan(tmp_path / "sweep.json") == plan
    assert read_plan(tmp_path / "sweep.json").settings_of(plan.runs[0]) == plan.settings_of(
        plan.runs[0]
    )


def test_names_stay_when_the_sweep_grows_and_tell_trainings_apart(tmp_path):
    names = [run.name for run in planned(tmp_path, WEIGHTINGS).runs]
    more = planned(tmp_path, f'[{{"sde.name": "ve"}}] + {WEIGHTINGS}')
    assert [run.name for run in more.runs][1:] == names
    longer = planned(tmp_path, WEIGHTINGS, **{"training.steps": 21})
    assert not {run.name for run in longer.runs} & set(names)


def test_another_evaluation_is_the_same_run_with_other_settings(tmp_path):
    before = planned(tmp_path, WEIGHTINGS)
    after = planned(tmp_path, WEIGHTINGS, **{"likelihood.rtol": 1e-2})
    assert [run.name for run in after.runs] == [run.name for run in before.runs]
    assert after.settings_of(after.runs[0]) != before.settings_of(before.runs[0])


def test_training_the_same_network_again_is_noted(tmp_path, capsys):
    plan = planned(tmp_path, 'product(grid({"likelihood.probes": [1, 2]}), seeds(2))')
    assert plan.not_trained_by == ["likelihood.probes"]
    show(SweepFolder(tmp_path / "sweep"), plan)
    assert (
        "differ in likelihood.probes alone train the same network again" in capsys.readouterr().out
    )
    assert planned(tmp_path, WEIGHTINGS).not_trained_by == []


def test_values_with_a_space_or_a_slash_make_no_name_of_a_folder(tmp_path):
    (run,) = planned(tmp_path, '[{"data.path": "a b/../c", "optimizer.learning_rate": 1/3}]').runs
    assert re.fullmatch(r"path-a-b-..-c_learning_rate-0.3333-[0-9a-f]{8}", run.name)


def test_short_names_are_last_parts_where_they_are_free():
    keys = ("sde.name", "likelihood.eps", "sampling.eps", "objective.weighting")
    assert list(short_names(keys).values()) == [
        "sde",
        "likelihood.eps",
        "sampling.eps",
        "weighting",
    ]


MISTAKES = {
    '[{"sde.nme": "ve"}]': r"config\.sde\.nme is unknown; did you mean 'name'\?",
    '[{"sde": "ve"}]': r"config\.sde is a section: override one of its keys \['beta_max'",
    '[{"seed.x": 1}]': r"config\.seed is a value, it has no key 'x'",
    '[{"training.steps": 1.5}]': r"config\.training\.steps = 1\.5 must be a whole number",
    '[{"model.dropout": 2.0}]': r"config\.model\.dropout = 2\.0 must lie in \[0, 1\)",
    '[{"sde.name": "vpp"}]': r"config\.sde\.name = 'vpp' is unknown; choose one of \[",
    '[{"compat": "ddpm"}]': r"config\.compat = 'ddpm' is unknown",
    '[{"seed": 1}, {"seed": 1}]': r"gives the same run twice: \{'seed': 1\}",
    '[{"sde.name": "vp"}, {}]': r"gives the same run twice: \{\}",  # the base's own
    "[]": r"gives no overrides: there is nothing to run",
    "[3]": r"gives 3: an override is a dict such as",
    "[{3: 4}]": r"gives \{3: 4\}: an override is a dict such as",
    'drawn(1, 0, {"seed": log_uniform(0, 1)})': r"ValueError: log_uniform needs positive numbers",
    "iter(dict, 0)": r"gives more than 10000 overrides",
    "1 / 0": r"ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("returned", MISTAKES)
def test_a_mistake_names_the_file_and_what_is_wrong(tmp_path, returned):
    with pytest.raises((SweepError, ConfigFileError), match=MISTAKES[returned]) as told:
        planned(tmp_path, returned)
    assert str(tmp_path / "sweep.py") in str(told.value)


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(ConfigFileError, match=r"--sweep: there is no file .*none\.py"):
        make_plan(str(tmp_path / "none.py"), tiny.points())
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ConfigFileError, match=r"--sweep: .*empty\.py has no function sweep\(\)"):
        make_plan(str(tmp_path / "empty.py"), tiny.points())


def test_what_is_no_folder_of_a_sweep_is_told(tmp_path):
    with pytest.raises(SweepError, match=r"is not the folder of a sweep: it has no sweep\.json"):
        read_plan(tmp_path / "sweep.json")
    for text in ("{", "[]", '{"runs": [3]}'):
        (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(DamagedFileError, match=r"sweep\.json is damaged"):
            read_plan(tmp_path / "sweep.json")


def test_keys_of_the_command_line_win_over_a_preset_in_the_check(tmp_path):
    """score_flow's loss knows no weighting 'edm' of its own: given, its scaling stays ours."""
    settings = {"compat": "score_flow", "objective.scaling": "integral"}
    plan = planned(tmp_path, WEIGHTINGS, given=["objective.scaling"], **settings)
    assert len(plan.runs) == 2


def test_what_a_file_asks_of_slurm(tmp_path):
    file = write_file(tmp_path / "sweep.py", "[{}]")
    assert slurm_settings(file) == {}
    with open(file, "a") as more:
        more.write('\n\ndef slurm():\n    return {"timeout_min": 5}\n')
    assert slurm_settings(file) == {"timeout_min": 5}
    with open(file, "a") as more:
        more.write("\n\ndef slurm():\n    return 3\n")
    with pytest.raises(SweepError, match=r"slurm\(\) of .* returns int, not a dict"):
        slurm_settings(file)


def test_the_shipped_sweep_compares_weightings_and_processes_over_three_seeds():
    file = "configs/sweeps/digits_weighting_sde.py"
    plan = make_plan(file, load("sweep", str(tiny.ROOT / file))["get_config"]())
    settings = {plan.label(run.setting) for run in plan.runs}
    assert (len(plan.runs), len(settings)) == (27, 9)
    assert {run.overrides["seed"] for run in plan.runs} == {0, 1, 2}
