"""The page of a sweep: its numbers are those of the sweep, and failures are shown."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import HOSTILE
from reader import Read, error, number

from gradlog.report.page import render_page
from gradlog.report.sweep_files import SweepFiles
from gradlog.storage import read_sealed, write_json, write_sealed
from gradlog.sweeps import read_sweep


def read(root: Path) -> Read:
    return Read(render_page(SweepFiles(root)))


@pytest.fixture(scope="module")
def page(swept) -> Read:
    return read(swept)


@pytest.fixture
def folder(swept, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(swept, tmp_path / "sweep"))


def test_settings_are_those_of_the_sweep(page, swept):
    settings = read_sweep(swept).settings
    rows = page.table("Settings by ode")
    assert len(rows) == len(settings) == 2
    for row, kept in zip(rows, settings, strict=True):
        assert row["setting"] == kept.label
        assert number(row["bits/dim ± s.e."]) == round(kept.bits_per_dim, 4)
        assert error(row["bits/dim ± s.e."]) == round(kept.standard_error, 4)
        assert row["seeds"] == ", ".join(map(str, kept.seeds))
    assert rows[0]["verdict"] == "best"
    assert number(rows[1]["minus the best ± s.e."]) == round(settings[1].difference, 4)
    assert error(rows[1]["minus the best ± s.e."]) == round(
        settings[1].difference_standard_error, 4
    )
    assert number(page.of_class("value")[0]) == round(settings[0].bits_per_dim, 4)


def test_runs_are_listed_with_their_states(page, swept):
    rows = page.table("Runs")
    for row, kept in zip(rows, read_sweep(swept).runs, strict=True):
        assert row["state"] == kept.status
        assert row["seed"] == str(kept.seed)
        assert float(row["optimizer.learning_rate"]) == kept.overrides["optimizer.learning_rate"]
        if kept.bits_per_dim is None:
            assert row["bits/dim ± s.e."] == ""
        else:
            assert number(row["bits/dim ± s.e."]) == round(kept.bits_per_dim, 4)
    assert [row["state"] for row in rows] == ["done", "done", "done", "failed"]


def test_failed_run_shows_the_end_of_its_log_escaped(page):
    [note] = page.of_class("note")
    assert note.endswith("it ended with status 1")
    assert f"line one {HOSTILE} ValueError: no" in page.sections()["Failed runs"]
    assert not page.all("script")
    assert not page.all("b")
    assert "<b>not bold</b>" in page.of_class("about")[0]


def test_each_run_has_its_own_charts_and_ids_are_unique(page, swept):
    names = {run.name for run in read_sweep(swept).plan.runs}
    folded = [e.find("summary").text for e in page.all("details")]
    assert all(any(text.startswith(name) for text in folded) for name in names)
    found = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(found) == len(set(found))
    assert len(page.all("{http://www.w3.org/2000/svg}svg")) == 1 + 2 * 3


def test_files_of_runs_mark_up_nothing(folder):
    payload, beside = '1"><img src=x onerror=alert(1)>', ["per_image.npz", "settings.json"]
    for path in folder.glob("runs/*/eval/*/*/bits_per_dim.json"):
        summary = read_sealed(path, beside)
        account = [line | {"term": payload} for line in summary["account"]]
        changes = {"step": payload, "estimator": payload, "account": account}
        write_sealed(path, summary | changes, beside)
    plan = json.loads((folder / "sweep.json").read_text())
    for run in plan["runs"]:
        run["overrides"] = {"data.tfds_name": payload, **run["overrides"]}
    write_json(folder / "sweep.json", plan | {"title": payload, "file": payload})
    found = read(folder)
    assert payload in found.text
    assert not found.all("img")
    assert not [e for e in found.root.iter() for name in e.attrib if name.startswith("on")]


def test_plan_lists_keys_with_values_and_meaning(page):
    rows = {row["key"]: row for row in page.table("Keys that are swept")}
    assert rows["optimizer.learning_rate"]["values"] == "0.001, 0.002, 0.004"
    assert rows["seed"]["values"] == "0, 1"
    assert all(row["meaning"] for row in rows.values())


def test_damaged_result_does_not_hide_the_runs(folder):
    first = read_sweep(folder).runs[0]
    (folder / "runs" / first.name / "eval/10/ode/bits_per_dim.json").write_text("{}")
    found = read(folder)
    assert any("is damaged" in note for note in found.of_class("note"))
    assert len(found.all("details")) == 5
    assert found.table("Keys that are swept")


def test_page_of_a_new_sweep_names_the_command(folder):
    shutil.rmtree(folder / "runs")
    found = read(folder)
    assert found.of_class("value") == ["–", "0"]
    assert any("--mode=sweep" in line for line in found.command_lines())


def test_damaged_plan_does_not_hide_the_runs(folder):
    write_json(folder / "sweep.json", {"file": HOSTILE})
    found = read(folder)
    assert any("sweep.json is damaged" in note for note in found.of_class("note"))
    assert len(found.sections()["Each run"]) > 100


def test_sweep_is_recognized_by_its_plan(folder):
    from gradlog.report import write_report

    path = write_report(folder)
    assert "Settings" in Read(path.read_text()).sections()
    assert json.loads((folder / "sweep.json").read_text())
