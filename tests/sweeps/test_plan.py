"""A sweep's file becomes runs with names of their own, or one line that says what is wrong."""

import json
import re
from dataclasses import replace

import pytest
import tiny
from planned_sweeps import plan_sweep, write_file

from gradlog.experiment.loading import load
from gradlog.experiment.schema import ConfigFileError
from gradlog.storage import DamagedFileError
from gradlog.sweeps import SweepError, SweepFolder, make_plan, read_plan, show_sweep_plan
from gradlog.sweeps.plan import keep_old_names, read_slurm_settings, shorten_keys

WEIGHTINGS = 'grid({"objective.weighting": ["likelihood", "edm"]})'


def test_plan_has_title_and_runs_in_order(tmp_path):
    plan = plan_sweep(tmp_path, f"product({WEIGHTINGS}, seeds(2))")
    assert plan.title == "A tiny sweep."
    assert plan.keys == ("objective.weighting", "seed")
    assert [dict(run.overrides) for run in plan.runs] == [
        {"objective.weighting": name, "seed": seed}
        for name in ("likelihood", "edm")
        for seed in (0, 1)
    ]
    assert plan.build_config(plan.runs[3]).objective.weighting == "edm"
    assert plan.build_config(plan.runs[3]).seed == 1
    assert plan.build_config(plan.runs[3]).model.hidden == 8  # of the base
    assert plan.describe(plan.runs[3]) == "weighting=edm"
    assert re.fullmatch(r"weighting-edm_seed-1-[0-9a-f]{8}", plan.runs[3].name)


def test_plan_survives_saving(tmp_path):
    plan = plan_sweep(tmp_path, '[{"model.ch_mult": (1, 2)}, {"sde.name": "ve"}]', keys=["seed"])
    plan.save(tmp_path / "sweep.json")
    assert read_plan(tmp_path / "sweep.json") == plan
    assert read_plan(tmp_path / "sweep.json").settings_digest(plan.runs[0]) == plan.settings_digest(
        plan.runs[0]
    )


def test_label_describes_a_run_and_changes_no_training(tmp_path):
    bare = plan_sweep(tmp_path, '[{"sde.name": "ve", "seed": 1}]').runs[0]
    plan = plan_sweep(tmp_path, '[{"label": "wide, VE", "sde.name": "ve", "seed": 1}]')
    run = plan.runs[0]
    assert run.overrides == bare.overrides
    assert plan.describe(run) == "wide, VE"
    assert run.name == "wide-VE_seed-1-" + bare.name.rpartition("-")[2]
    plan.save(tmp_path / "sweep.json")
    assert read_plan(tmp_path / "sweep.json") == plan


def test_names_stay_when_the_sweep_grows_and_differ_between_trainings(tmp_path):
    names = [run.name for run in plan_sweep(tmp_path, WEIGHTINGS).runs]
    more = plan_sweep(tmp_path, f'[{{"sde.name": "ve"}}] + {WEIGHTINGS}')
    assert [run.name for run in more.runs][1:] == names
    longer = plan_sweep(tmp_path, WEIGHTINGS, **{"training.steps": 21})
    assert not {run.name for run in longer.runs} & set(names)


def test_other_evaluation_settings_keep_the_name(tmp_path):
    before = plan_sweep(tmp_path, WEIGHTINGS)
    after = plan_sweep(tmp_path, WEIGHTINGS, **{"likelihood.rtol": 1e-2})
    assert [run.name for run in after.runs] == [run.name for run in before.runs]
    assert after.settings_digest(after.runs[0]) != before.settings_digest(before.runs[0])


def test_note_names_keys_that_repeat_a_training(tmp_path, capsys):
    plan = plan_sweep(tmp_path, 'product(grid({"likelihood.probes": [1, 2]}), seeds(2))')
    assert plan.keys_without_effect_on_training == ["likelihood.probes"]
    show_sweep_plan(SweepFolder(tmp_path / "sweep"), plan)
    assert "likelihood.probes train the same network again" in capsys.readouterr().out
    assert plan_sweep(tmp_path, WEIGHTINGS).keys_without_effect_on_training == []


def test_a_key_that_some_runs_do_not_read_is_said_with_their_number(tmp_path, capsys):
    plan_sweep(tmp_path, '[{"sde.name": name, "sde.sigma_max": 9.0} for name in ("ve", "vp")]')
    assert "config.sde.sigma_max is not read by 1 of 2 runs" in capsys.readouterr().out
    plan_sweep(tmp_path, WEIGHTINGS)
    assert "not read" not in capsys.readouterr().out


def test_folder_names_have_no_space_and_no_slash(tmp_path):
    (run,) = plan_sweep(
        tmp_path, '[{"data.path": "a b/../c", "optimizer.learning_rate": 1/3}]'
    ).runs
    assert re.fullmatch(r"path-a-b-..-c_learning_rate-0.3333-[0-9a-f]{8}", run.name)


def test_short_keys_are_unique():
    keys = ("sde.name", "likelihood.eps", "sampling.eps", "objective.weighting")
    assert list(shorten_keys(keys).values()) == [
        "sde",
        "likelihood.eps",
        "sampling.eps",
        "weighting",
    ]


# An expression -> what the message must name.
MISTAKES = {
    '[{"sde.nme": "ve"}]': r"config\.sde\.nme .*sde\.name",
    '[{"sde": "ve"}]': r"config\.sde .*sde\.name",
    '[{"seed.x": 1}]': r"config\.seed .* x",
    '[{"training.steps": 1.5}]': r"config\.training\.steps .*1\.5",
    '[{"model.dropout": 2.0}]': r"config\.model\.dropout .*\[0, 1\)",
    '[{"sde.name": "vpp"}]': r"config\.sde\.name .*'vpp'",
    '[{"compat": "ddpm"}]': r"config\.compat .*'ddpm'",
    '[{"seed": 1}, {"seed": 1}]': r"the same run twice: \{'seed': 1\}",
    '[{"sde.name": "vp"}, {}]': r"the same run twice: \{\}",  # the base's own
    '[{"label": 3}]': r"the label 3: expected a str",
    '[{"label": "a", "seed": 1}, {"label": "a", "sde.name": "ve"}]': r"the label 'a' two settings",
    "[]": r"no overrides",
    "[3]": r"gives 3: an override is a dict",
    "[{3: 4}]": r"gives \{3: 4\}: an override is a dict",
    'draw(1, 0, {"seed": log_uniform(0, 1)})': r"ValueError: log_uniform",
    "iter(dict, 0)": r"more than 10000 overrides",
    "1 / 0": r"ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("returned", MISTAKES)
def test_error_names_the_file_and_the_problem(tmp_path, returned):
    with pytest.raises((SweepError, ConfigFileError), match=MISTAKES[returned]) as raised:
        plan_sweep(tmp_path, returned)
    assert str(tmp_path / "sweep.py") in str(raised.value)


def test_unusable_sweep_file_is_an_error(tmp_path):
    with pytest.raises(ConfigFileError, match=r"--sweep: there is no file .*none\.py"):
        make_plan(str(tmp_path / "none.py"), tiny.points())
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ConfigFileError, match=r"--sweep: .*empty\.py has no function sweep\(\)"):
        make_plan(str(tmp_path / "empty.py"), tiny.points())


def test_folder_without_readable_plan_is_an_error(tmp_path):
    with pytest.raises(SweepError, match=r"is not the folder of a sweep: it has no sweep\.json"):
        read_plan(tmp_path / "sweep.json")
    for text in ("{", "[]", '{"runs": [3]}'):
        (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(DamagedFileError, match=r"sweep\.json is damaged"):
            read_plan(tmp_path / "sweep.json")


def test_command_line_keys_win_over_the_preset(tmp_path):
    """score_flow has no weighting 'edm': the scaling set on the command line makes it valid."""
    settings = {"compat": "score_flow", "objective.scaling": "integral"}
    plan = plan_sweep(tmp_path, WEIGHTINGS, keys=["objective.scaling"], **settings)
    assert len(plan.runs) == 2


def test_slurm_settings_come_from_the_file(tmp_path):
    file = write_file(tmp_path / "sweep.py", "[{}]")
    assert read_slurm_settings(file) == {}
    with open(file, "a") as more:
        more.write('\n\ndef slurm():\n    return {"timeout_min": 5}\n')
    assert read_slurm_settings(file) == {"timeout_min": 5}
    with open(file, "a") as more:
        more.write("\n\ndef slurm():\n    return 3\n")
    with pytest.raises(SweepError, match=r"slurm\(\) of .* returns int"):
        read_slurm_settings(file)


def test_shipped_sweep_has_nine_settings_with_three_seeds():
    file = "configs/sweeps/digits_weighting_sde.py"
    plan = make_plan(file, load("sweep", str(tiny.ROOT / file))["get_config"]())
    settings = {plan.describe(run) for run in plan.runs}
    assert (len(plan.runs), len(settings)) == (27, 9)
    assert {run.overrides["seed"] for run in plan.runs} == {0, 1, 2}


def test_each_world_of_the_digits_has_the_configuration_of_its_file():
    file = "configs/sweeps/digits_worlds.py"
    plan = make_plan(file, load("sweep", str(tiny.ROOT / file))["get_config"]())
    paths = [tiny.ROOT / "configs/digits.py"]
    paths += sorted((tiny.ROOT / "configs/discrete").glob("digits_*.py"))
    assert len(plan.runs) == 3 * len(paths)
    seldom = {"eval_every": 0, "checkpoint_every": 0, "sample_every": 0, "keep": 1}
    for run, path in zip(plan.runs, paths, strict=False):  # of the first seed
        wanted, found = load("config", str(path))["get_config"](), plan.build_config(run)
        steps = found.training.steps  # of equal time
        wanted.update({"training": seldom | {"steps": steps}, "eval": {"second_look": 0}})
        wanted.optimizer.decay_steps = steps
        assert found.to_dict() == wanted.to_dict()


def test_sweep_of_version_0_1_is_recognized(tmp_path):
    """Version 0.1 computed these names and this digest from keys in British spelling."""
    file = "configs/sweeps/digits_weighting_sde.py"
    plan = make_plan(file, load("sweep", str(tiny.ROOT / file))["get_config"]())
    assert plan.runs[0].name == "vp_weighting-likelihood_seed-0-c916633b"
    assert plan.settings_digest(plan.runs[0]) == "5af48dda"
    old_name, path = "dequantisation-centres_seed-3-0123abcd", tmp_path / "sweep.json"
    old_run = {"name": old_name, "overrides": {"objective.dequantisation": "centres", "seed": 3}}
    plan.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"runs": [old_run]}))
    old = read_plan(path)
    assert old.runs[0].overrides == {"objective.dequantization": "centers", "seed": 3}
    new = replace(old, runs=(replace(old.runs[0], name="dequantization-centers_seed-3-0123abcd"),))
    assert keep_old_names(new, old).runs[0].name == old_name
