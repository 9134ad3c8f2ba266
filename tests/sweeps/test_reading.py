"""Results of a sweep: their order, differences, files, table and chart."""

import csv
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from made import STEP, finish, planned
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import ConsoleDimensions

from gradlog.evaluation.differences import paired
from gradlog.evaluation.results import load_result
from gradlog.evaluation.uncertainty import mean
from gradlog.storage import read_sealed
from gradlog.sweeps import SweepFolder, read_sweep, results_of
from gradlog.sweeps.crossed import crossed_mean
from gradlog.sweeps.files import save_results
from gradlog.sweeps.picture import figure_of
from gradlog.sweeps.tables import remarks, show_plan, show_sweep
from gradlog.sweeps.work import work_of
from gradlog.terminal import console

IMAGES = 40
SDES = 'product(grid({"sde.name": ["vp", "ve", "subvp"]}), seeds(2))'


def _bits(seed, level):
    of_images = 0.1 * np.random.default_rng(100).normal(size=IMAGES)
    return level + of_images + 0.02 * np.random.default_rng(seed).normal(size=IMAGES)


@pytest.fixture
def swept(tmp_path):
    """Three settings of two seeds, the second the best; gives folder, plan and the bits."""
    plan, folder = planned(tmp_path, SDES), SweepFolder(tmp_path / "sweep")
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


def test_runs_are_sorted_with_the_differences_of_the_framework(swept):
    folder, _, _ = swept
    runs = read_sweep(folder.root).runs
    assert [row.bits_per_dim for row in runs] == sorted(row.bits_per_dim for row in runs)
    best = load_result(runs[0].result)
    for row in runs[1:]:
        expected = paired(load_result(row.result), best, ("a", "b"))
        assert row.difference == pytest.approx(expected["bits_per_dim"])
        assert row.difference_standard_error == pytest.approx(expected["standard_error"])
    assert {(row.step, row.status, row.train_seconds) for row in runs} == {(STEP, "done", 12.5)}


def test_an_image_that_failed_in_one_seed_is_left_out_of_its_setting_alone(swept):
    folder, plan, bits = swept
    ok = np.arange(IMAGES) != 3
    run = plan.runs[2]  # ve, seed 0
    folder.keep(run.name, folder.record("nobody"))
    finish(folder, plan, run, np.where(ok, bits[run.name], np.nan), ok=ok)
    results = read_sweep(folder.root)
    by_label = {row.label: row for row in results.settings}
    assert by_label["sde=ve"].num_images == IMAGES - 1
    assert by_label["sde=vp"].num_images == IMAGES
    both = (_of(plan, bits, "vp") - _of(plan, bits, "ve"))[:, ok]
    assert by_label["sde=vp"].difference == pytest.approx(crossed_mean(both).value)


def test_what_failed_on_the_hardest_images_does_not_win(tmp_path):
    """Its own mean is the lower for that, though it is worse on every image."""
    plan = planned(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}, {"sde.name": "subvp"}]')
    folder, hard = SweepFolder(tmp_path / "sweep"), np.linspace(1, 3, IMAGES)
    noise = 0.001 * np.random.default_rng(0).normal(size=(2, IMAGES))
    ok = np.arange(IMAGES) < IMAGES - 4
    finish(folder, plan, plan.runs[0], np.where(ok, hard + 0.05 + noise[0], np.nan), ok=ok)
    finish(folder, plan, plan.runs[1], hard)
    finish(folder, plan, plan.runs[2], hard + noise[1])
    results = results_of(folder, plan)
    worst = results.settings[2]
    assert worst.bits_per_dim < results.settings[0].bits_per_dim
    assert (worst.label, worst.verdict) == ("sde=vp", "worse")
    assert worst.difference == pytest.approx(0.05, abs=1e-3)
    assert [row.images for row in results.settings] == ["40", "40", "36 of 40"]
    assert {row.compared_images for row in results.settings} == {36}
    assert [row.verdict for row in results.settings[:2]] == ["best", "not told apart"]
    assert results.runs[2].name == plan.runs[0].name
    assert results.runs[2].difference == pytest.approx(worst.difference)


def test_the_verdict_knows_the_sign(swept):
    """Over the seeds that both have a setting can be better than the best."""
    near, far = read_sweep(swept[0].root).settings[1:]
    assert (near.verdict, far.verdict) == ("not told apart", "worse")
    assert replace(far, difference=-far.difference).verdict == "better on common seeds"


def test_a_run_of_no_image_is_the_last_and_leaves_the_others_compared(tmp_path):
    plan = planned(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}, {"sde.name": "subvp"}]')
    folder, none = SweepFolder(tmp_path / "sweep"), np.zeros(IMAGES, bool)
    finish(folder, plan, plan.runs[0], np.full(IMAGES, np.nan), ok=none)
    for run, level in zip(plan.runs[1:], (2.0, 1.0), strict=True):
        finish(folder, plan, run, _bits(1, level))
    results = results_of(folder, plan)
    assert [row.label for row in results.settings] == ["sde=subvp", "sde=ve"]
    assert [row.difference for row in results.runs] == [0.0, pytest.approx(1.0), None]


def test_settings_with_no_image_in_common_are_not_compared(tmp_path):
    plan = planned(tmp_path, '[{"sde.name": "vp"}, {"sde.name": "ve"}]')
    folder, even = SweepFolder(tmp_path / "sweep"), np.arange(IMAGES) % 2 == 0
    for run, ok in zip(plan.runs, (even, ~even), strict=True):
        finish(folder, plan, run, np.where(ok, 1.0, np.nan), ok=ok)
    results = results_of(folder, plan)
    assert [row.verdict for row in results.settings] == ["best", ""]
    save_results(results)


def test_one_seed_has_the_images_error_alone_and_it_is_said(swept, capsys):
    folder, plan, bits = swept
    for run in plan.runs[1::2]:
        folder.keep(run.name, folder.record("nobody"))
    results = read_sweep(folder.root)
    for row in results.settings:
        expected = mean(_of(plan, bits, row.overrides["sde.name"])[0])
        assert row.standard_error == pytest.approx(expected.standard_error)
        assert (row.seeds_error, row.error_of) == (None, "test set")
    assert remarks(results.settings)[0].startswith("all settings have one seed: their standard")
    assert [row.status for row in results.runs].count("waiting") == 3
    assert all(row.estimator == "" for row in results.runs[3:])


def test_the_luck_of_the_best_is_told(swept):
    (of, luck) = remarks(read_sweep(swept[0].root).settings)
    assert of.startswith("standard errors are over images and seeds, crossed")
    assert luck.startswith(
        "the lowest of 3 settings, compared on the 40 images that succeeded in all"
    )
    assert "1 of the others is not told apart from it" in luck


def test_settings_without_a_common_seed_or_of_other_data_are_not_compared(tmp_path):
    plan = planned(tmp_path, '[{"seed": 1}, {"seed": 2, "sde.name": "ve"}, {"data.seed": 5}]')
    folder = SweepFolder(tmp_path / "sweep")
    for i, run in enumerate(plan.runs):
        finish(folder, plan, run, _bits(i, i), fingerprint="other" if i == 2 else "data")
    rows = results_of(folder, plan).settings
    assert [row.difference for row in rows] == [0.0, None, None]
    runs = results_of(folder, plan).runs  # one run has no seeds to pair by
    assert [row.difference is None for row in runs] == [False, False, True]


def test_estimators_are_compared_each_by_itself(swept):
    folder, plan, bits = swept
    for run in plan.runs:
        finish(folder, plan, run, bits[run.name] - 1.0, estimator="bound")
    results = read_sweep(folder.root)
    assert results.estimators == ("ode", "bound")
    for a, b in zip(results.of("ode"), results.of("bound"), strict=True):
        assert a.bits_per_dim - 1 == pytest.approx(b.bits_per_dim)
        assert a.difference == pytest.approx(b.difference)
    assert len(results.runs) == 12


def test_the_files_hold_the_rows(swept):
    folder, plan, _ = swept
    run = plan.runs[0]
    folder.keep(run.name, folder.record("nobody").changed(failure="--mode=train ended, badly"))
    results = read_sweep(folder.root)
    save_results(results)
    with folder.result("csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row.name for row in results.runs]
    assert [(row["sde.name"], row["seed"]) for row in rows] == [
        (row.overrides["sde.name"], str(row.seed)) for row in results.runs
    ]
    assert float(rows[1]["bits_per_dim"]) == results.runs[1].bits_per_dim
    assert rows[-1] | {"status": "failed", "bits_per_dim": ""} == rows[-1]
    assert rows[-1]["failure"] == "--mode=train ended, badly"
    sealed = read_sealed(folder.result("json"))
    assert sealed["settings"][0]["bits_per_dim"] == results.settings[0].bits_per_dim
    assert sealed["runs"][1]["result"] == str(results.runs[1].result)
    assert folder.result("png").read_bytes().startswith(b"\x89PNG")


def test_the_table_has_settings_then_runs(swept, capsys):
    show_sweep(read_sweep(swept[0].root))
    said = capsys.readouterr().out
    places = [said.index(word) for word in ("settings by ode", "sde=ve", "sde=vp", "runs by ode")]
    assert places == sorted(places)
    assert "not told apart" in said


@pytest.mark.parametrize("width", [80, 50])
def test_no_number_is_cut_on_a_narrow_terminal(swept, capsys, monkeypatch, width):
    monkeypatch.setattr(type(console), "size", ConsoleDimensions(width, 25))
    results = read_sweep(swept[0].root)
    show_sweep(results)
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


def test_names_of_runs_can_be_told_apart_on_a_narrow_terminal(swept, capsys, monkeypatch):
    folder, plan, _ = swept
    monkeypatch.setattr(type(console), "size", ConsoleDimensions(40, 25))
    show_plan(folder, plan, [work_of(folder, plan, run) for run in plan.runs])
    said = capsys.readouterr().out
    assert all(run.name in said for run in plan.runs)
    assert "no room for: sde.name, seed" in said


def test_a_run_without_a_seed_of_its_own_has_the_seed_of_the_base(tmp_path):
    plan = planned(tmp_path, '[{"seed": 3}, {"sde.name": "ve"}]', seed=7)
    folder = SweepFolder(tmp_path / "sweep")
    plan.save(folder.plan)
    save_results(results_of(folder, plan))
    with folder.result("csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["3", "7"]
    assert [plan.shown(run, "seed") for run in plan.runs] == ["3", "7"]


def test_the_chart_has_a_row_a_setting_in_their_order(swept):
    left, right = figure_of(read_sweep(swept[0].root)).axes
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
def test_no_word_of_a_chart_is_outside_of_it_and_long_names_leave_room(swept, stacked):
    results = read_sweep(swept[0].root)
    long = "weighting=likelihood embedding_type=fourier_linear learning_rate=0.0003"
    settings = tuple(replace(row, label=long) for row in results.settings)
    figure = figure_of(replace(results, settings=settings), stacked=stacked)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = figure.get_tightbbox(canvas.get_renderer())  # in inches
    assert drawn.x0 >= 0
    assert drawn.x1 <= figure.get_figwidth()
    for axes in figure.axes:
        assert axes.bbox.width > 0.3 * figure.bbox.width / (1 if stacked else 2)
        names = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(above.y0 > below.y1 for above, below in pairwise(names))


def test_a_sweep_without_any_result_has_an_empty_chart(tmp_path):
    plan, folder = planned(tmp_path, "[{}]"), SweepFolder(tmp_path / "sweep")
    results = results_of(folder, plan)
    assert results.settings == ()
    assert len(figure_of(results).axes) == 2
