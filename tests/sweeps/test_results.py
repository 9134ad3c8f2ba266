"""Results of a sweep: their order, differences, files, table and chart."""

import csv
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from planned_sweeps import STEP, finish, plan_sweep
from rich.console import ConsoleDimensions

from gradlog.evaluation.bits_per_dim import load_result
from gradlog.evaluation.comparison import paired
from gradlog.evaluation.uncertainty import mean
from gradlog.storage import read_sealed
from gradlog.sweeps import SweepFolder, read_results, read_sweep
from gradlog.sweeps.crossed_effects import crossed_mean
from gradlog.sweeps.display import draw_settings, list_remarks, show_plan, show_results
from gradlog.sweeps.run_sweep import save_results
from gradlog.sweeps.runs import Record, make_task
from gradlog.terminal import console

IMAGES = 40
SDES = 'product(grid({"sde.name": ["vp", "ve", "subvp"]}), seeds(2))'


def _bits(seed, level):
    of_images = 0.1 * np.random.default_rng(100).normal(size=IMAGES)
    return level + of_images + 0.02 * np.random.default_rng(seed).normal(size=IMAGES)


@pytest.fixture
def swept(tmp_path):
    """Three settings of two seeds, the second the best; gives folder, plan and the bits."""
    plan, folder = plan_sweep(tmp_path, SDES), SweepFolder(tmp_path / "sweep")
    plan.save(folder.plan)
    levels = {"vp": 2.0, "ve": 1.5, "subvp": 1.508}
    bits = {
        run.name: _bits(i, levels[run.overrides["sde.name"]]) for i, run in enumerate(plan.runs)
    }
    for run in plan.runs:
        finish(folder, plan, run, bits[run.name])
    return folder, plan, bits


def _of(plan, bits, name):
    return np.stack([bits[run.name] for run in plan.runs if run.overrides["sde.name"] == name])


def test_settings_are_sorted_with_errors_over_images_and_seeds(swept):
    folder, plan, bits = swept
    results = read_sweep(folder.root)
    assert [row.label for row in results.settings] == ["sde=ve", "sde=subvp", "sde=vp"]
    assert results.estimators == ("ode",)
    for row in results.settings:
        expected = crossed_mean(_of(plan, bits, row.overrides["sde.name"]))
        assert row.bits_per_dim == pytest.approx(expected.value)
        assert row.standard_error == pytest.approx(expected.standard_error)
        assert math.hypot(row.images_error, row.seeds_error) == pytest.approx(row.standard_error)
        assert row.error_of == "test set and seeds"
        assert (row.seeds, row.num_images) == ((0, 1), IMAGES)
        assert np.mean(row.seed_bits) == pytest.approx(row.bits_per_dim)


def test_differences_to_the_best_are_by_image_and_seed(swept):
    folder, plan, bits = swept
    best, near, far = read_sweep(folder.root).settings
    assert (best.difference, best.difference_standard_error, best.told_apart) == (0.0, None, None)
    for row in (near, far):
        expected = crossed_mean(_of(plan, bits, row.overrides["sde.name"]) - _of(plan, bits, "ve"))
        assert row.difference == pytest.approx(expected.value)
        assert row.difference_standard_error == pytest.approx(expected.standard_error)
        assert row.difference_interval == pytest.approx(expected.interval)
    assert (near.told_apart, far.told_apart) == (False, True)


def test_runs_are_sorted_with_paired_differences(swept):
    folder, _, _ = swept
    runs = read_sweep(folder.root).runs
    assert [row.bits_per_dim for row in runs] == sorted(row.bits_per_dim for row in runs)
    best = load_result(runs[0].result)
    for row in runs[1:]:
        expected = paired(load_result(row.result), best, ("a", "b"))
        assert row.difference == pytest.approx(expected["bits_per_dim"])
        assert row.difference_standard_error == pytest.approx(expected["standard_error"])
    assert {(row.step, row.status, row.train_seconds) for row in runs} == {(STEP, "done", 12.5)}


def test_image_that_failed_for_one_seed_is_excluded_from_its_setting_only(swept):
    folder, plan, bits = swept
    ok = np.arange(IMAGES) != 3
    run = plan.runs[2]  # ve, seed 0
    folder.write_record(run.name, Record())
    finish(folder, plan, run, np.where(ok, bits[run.name], np.nan), ok=ok)
    results = read_sweep(folder.root)
    by_label = {row.label: row for row in results.settings}
    assert by_label["sde=ve"].num_images == IMAGES - 1
    assert by_label["sde=vp"].num_images == IMAGES
    both = (_of(plan, bits, "vp") - _of(plan, bits, "ve"))[:, ok]
    assert by_label["sde=vp"].difference == pytest.approx(crossed_mean(both).value)


def test_setting_that_failed_on_the_hardest_images_does_not_win(tmp_path):
    """Its own mean is lower although it is worse on every image."""
    plan = plan_sweep(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}, {"sde.name": "subvp"}]')
    folder, hard = SweepFolder(tmp_path / "sweep"), np.linspace(1, 3, IMAGES)
    noise = 0.001 * np.random.default_rng(0).normal(size=(2, IMAGES))
    ok = np.arange(IMAGES) < IMAGES - 4
    finish(folder, plan, plan.runs[0], np.where(ok, hard + 0.05 + noise[0], np.nan), ok=ok)
    finish(folder, plan, plan.runs[1], hard)
    finish(folder, plan, plan.runs[2], hard + noise[1])
    results = read_results(folder, plan)
    worst = results.settings[2]
    assert worst.bits_per_dim < results.settings[0].bits_per_dim
    assert (worst.label, worst.verdict) == ("sde=vp", "worse")
    assert worst.difference == pytest.approx(0.05, abs=1e-3)
    assert [row.images for row in results.settings] == ["40", "40", "36 of 40"]
    assert {row.compared_images for row in results.settings} == {36}
    assert [row.verdict for row in results.settings[:2]] == ["best", "undecided"]
    assert results.runs[2].name == plan.runs[0].name
    assert results.runs[2].difference == pytest.approx(worst.difference)


def test_verdict_depends_on_the_sign(swept):
    """A setting can be better than the best over the seeds that both have."""
    near, far = read_sweep(swept[0].root).settings[1:]
    assert (near.verdict, far.verdict) == ("undecided", "worse")
    assert replace(far, difference=-far.difference).verdict == "better on common seeds"


def test_run_without_a_good_image_comes_last(tmp_path):
    plan = plan_sweep(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}, {"sde.name": "subvp"}]')
    folder, none = SweepFolder(tmp_path / "sweep"), np.zeros(IMAGES, bool)
    finish(folder, plan, plan.runs[0], np.full(IMAGES, np.nan), ok=none)
    for run, level in zip(plan.runs[1:], (2.0, 1.0), strict=True):
        finish(folder, plan, run, _bits(1, level))
    results = read_results(folder, plan)
    assert [row.label for row in results.settings] == ["sde=subvp", "sde=ve"]
    assert [row.difference for row in results.runs] == [0.0, pytest.approx(1.0), None]


def test_settings_with_no_image_in_common_are_not_compared(tmp_path):
    plan = plan_sweep(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}]')
    folder, even = SweepFolder(tmp_path / "sweep"), np.arange(IMAGES) % 2 == 0
    for run, ok in zip(plan.runs, (even, ~even), strict=True):
        finish(folder, plan, run, np.where(ok, 1.0, np.nan), ok=ok)
    results = read_results(folder, plan)
    assert [row.verdict for row in results.settings] == ["best", ""]
    save_results(results)


def test_one_seed_has_the_error_of_the_images(swept):
    folder, plan, bits = swept
    for run in plan.runs[1::2]:
        folder.write_record(run.name, Record())
    results = read_sweep(folder.root)
    for row in results.settings:
        expected = mean(_of(plan, bits, row.overrides["sde.name"])[0])
        assert row.standard_error == pytest.approx(expected.standard_error)
        assert (row.seeds_error, row.error_of) == (None, "test set")
    assert list_remarks(results.settings)[0].startswith("all settings have one seed")
    assert [row.status for row in results.runs].count("waiting") == 3
    assert all(row.estimator == "" for row in results.runs[3:])


def test_remarks_say_that_the_best_is_too_low(swept):
    errors, luck = list_remarks(read_sweep(swept[0].root).settings)
    assert errors.startswith("standard errors cover images and seeds")
    assert luck.startswith("the best of 3 settings is partly the luckiest on the 40 images")
    assert "1 of the other settings is not significantly different" in luck


def test_settings_without_common_seeds_or_data_are_not_compared(tmp_path):
    plan = plan_sweep(tmp_path, '[{"seed": 1}, {"seed": 2, "sde.name": "ve"}, {"data.seed": 5}]')
    folder = SweepFolder(tmp_path / "sweep")
    for i, run in enumerate(plan.runs):
        finish(folder, plan, run, _bits(i, i), fingerprint="other" if i == 2 else "data")
    rows = read_results(folder, plan).settings
    assert [row.difference for row in rows] == [0.0, None, None]
    runs = read_results(folder, plan).runs  # one run has no seeds to pair by
    assert [row.difference is None for row in runs] == [False, False, True]


def test_estimators_are_compared_separately(swept):
    folder, plan, bits = swept
    for run in plan.runs:
        finish(folder, plan, run, bits[run.name] - 1.0, estimator="bound")
    results = read_sweep(folder.root)
    assert results.estimators == ("ode", "bound")
    for a, b in zip(results.select("ode"), results.select("bound"), strict=True):
        assert a.bits_per_dim - 1 == pytest.approx(b.bits_per_dim)
        assert a.difference == pytest.approx(b.difference)
    assert len(results.runs) == 12


def test_estimators_that_the_sweep_chooses_are_in_one_table(tmp_path):
    worlds = [{"likelihood.name": "bound", "sde.name": "vp"}, {"likelihood.name": "ode"}]
    folder, plan = SweepFolder(tmp_path / "sweep"), plan_sweep(tmp_path, repr(worlds))
    plan.save(folder.plan)
    for i, run in enumerate(plan.runs):
        finish(folder, plan, run, _bits(i, i), estimator=run.overrides["likelihood.name"])
    results = read_sweep(folder.root)
    (table,) = results.estimators
    labels = [row.label for row in results.select(table)]
    assert labels == ["likelihood=bound sde=vp", "likelihood=ode"]
    assert results.select(table)[1].difference == pytest.approx(np.mean(_bits(1, 1) - _bits(0, 0)))


def test_files_contain_the_rows(swept):
    folder, plan, _ = swept
    run = plan.runs[0]
    folder.write_record(run.name, Record(failure="--mode=train ended, badly"))
    results = read_sweep(folder.root)
    save_results(results)
    with folder.table("csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row.name for row in results.runs]
    assert [(row["sde.name"], row["seed"]) for row in rows] == [
        (row.overrides["sde.name"], str(row.seed)) for row in results.runs
    ]
    assert float(rows[1]["bits_per_dim"]) == results.runs[1].bits_per_dim
    assert rows[-1] | {"status": "failed", "bits_per_dim": ""} == rows[-1]
    assert rows[-1]["failure"] == "--mode=train ended, badly"
    sealed = read_sealed(folder.table("json"))
    assert sealed["settings"][0]["bits_per_dim"] == results.settings[0].bits_per_dim
    assert sealed["runs"][1]["result"] == str(results.runs[1].result)
    assert folder.table("png").read_bytes().startswith(b"\x89PNG")


def test_table_lists_settings_then_runs(swept, capsys):
    show_results(read_sweep(swept[0].root))
    said = capsys.readouterr().out
    places = [said.index(word) for word in ("settings by ode", "sde=ve", "sde=vp", "runs by ode")]
    assert places == sorted(places)
    assert "undecided" in said


@pytest.mark.parametrize("width", [80, 50])
def test_no_number_is_cut_on_a_narrow_terminal(swept, capsys, monkeypatch, width):
    monkeypatch.setattr(type(console), "size", ConsoleDimensions(width, 25))
    results = read_sweep(swept[0].root)
    show_results(results)
    tables = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "│┏├"]
    assert max(map(len, tables)) <= width
    said = "\n".join(tables)
    assert "…" not in said
    for row in results.settings:
        assert f"{row.bits_per_dim:.4f}" in said
        assert f"{row.standard_error:.4f}" in said
        assert f"{row.difference:.4f}" in said or width < 80
    for row in results.runs:
        assert f"{row.bits_per_dim:.4f}" in said


def test_names_of_runs_are_complete_on_a_narrow_terminal(swept, capsys, monkeypatch):
    folder, plan, _ = swept
    monkeypatch.setattr(type(console), "size", ConsoleDimensions(40, 25))
    show_plan(plan, [make_task(folder, plan, run) for run in plan.runs])
    said = capsys.readouterr().out
    assert all(run.name in said for run in plan.runs)
    assert "columns left out: sde.name, seed" in said


def test_run_without_own_seed_has_the_seed_of_the_base(tmp_path):
    plan = plan_sweep(tmp_path, '[{"seed": 3}, {"sde.name": "ve"}]', seed=7)
    folder = SweepFolder(tmp_path / "sweep")
    plan.save(folder.plan)
    save_results(read_results(folder, plan))
    with folder.table("csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["3", "7"]
    assert [plan.cell(run, "seed") for run in plan.runs] == ["3", "7"]


def test_chart_has_a_row_per_setting_in_order(swept):
    left, right = draw_settings(read_sweep(swept[0].root)).axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "sde=ve",
        "sde=subvp",
        "sde=vp",
    ]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the best on top
    seeds = [line for line in left.lines if len(line.get_xdata()) == 2]
    assert len(seeds) == 3
    assert len(right.containers) == 3


@pytest.mark.parametrize("stacked", [False, True])
def test_long_names_fit_into_the_chart(swept, stacked):
    results = read_sweep(swept[0].root)
    long = "weighting=likelihood embedding_type=fourier_linear learning_rate=0.0003"
    settings = tuple(replace(row, label=long) for row in results.settings)
    figure = draw_settings(replace(results, settings=settings), stacked=stacked)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    draw = figure.get_tightbbox(canvas.get_renderer())  # in inches
    assert draw.x0 >= 0
    assert draw.x1 <= figure.get_figwidth()
    for axes in figure.axes:
        assert axes.bbox.width > 0.3 * figure.bbox.width / (1 if stacked else 2)
        names = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(above.y0 > below.y1 for above, below in pairwise(names))


def test_sweep_without_results_has_an_empty_chart(tmp_path):
    plan, folder = plan_sweep(tmp_path, "[{}]"), SweepFolder(tmp_path / "sweep")
    results = read_results(folder, plan)
    assert results.settings == ()
    assert len(draw_settings(results).axes) == 2
