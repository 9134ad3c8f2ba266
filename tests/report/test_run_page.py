"""The page of a run: its numbers are those of the files, and it needs no other file."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest
from conftest import HOSTILE
from reader import Read, error, number

from gradlog.cli.flags import read_config, read_flags
from gradlog.configs import default
from gradlog.evaluation.pictures import to_bytes
from gradlog.experiment.keys import flatten
from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder, measure_timing
from gradlog.storage import read_metrics, read_sealed, write_sealed

SPACE = "{http://www.w3.org/2000/svg}"
SVG = f"{SPACE}svg"


@pytest.fixture(scope="module")
def page(evaluated, digits) -> Read:
    return Read(render_page(RunFolder(evaluated, lambda config: digits)))


def test_complete_run_has_no_note(page):
    assert page.of_class("note") == []


def _summary(evaluated, step, name) -> dict:
    return json.loads((evaluated / f"eval/{step}/{name}/bits_per_dim.json").read_text())


def test_table_lists_results_with_errors_and_intervals(page, evaluated):
    rows = page.table("Bits per dimension of the test set")
    assert [(row["step"], row["estimator"]) for row in rows] == [
        *(("5", "ode"), ("5", "bound"), ("10", "ode"), ("10", "bound"))
    ]
    for row in rows:
        summary = _summary(evaluated, row["step"], row["estimator"])
        assert number(row["bits/dim ± s.e."]) == round(summary["bits_per_dim"], 4)
        assert error(row["bits/dim ± s.e."]) == round(summary["standard_error"], 4)
        low, high = map(number, row["95 % interval"].split(" to "))
        assert (low, high) == tuple(round(summary["interval"][k], 4) for k in ("low", "high"))
        assert number(row["own error"]) == round(summary["estimator_standard_error"], 4)
        assert row["images"] == f"{summary['num_images']} of 40"
        assert row["seconds"] == "6.25 s"


def test_headline_is_the_lowest_of_the_first_estimator(page, evaluated):
    lowest = min((_summary(evaluated, step, "ode") for step in (5, 10)), key=_bits)
    assert number(page.of_class("value")[0]) == round(lowest["bits_per_dim"], 4)
    assert f"ode at step {lowest['step']}, the lowest of 2 results" in page.of_class("detail")


def _bits(summary: dict) -> float:
    return summary["bits_per_dim"]


def test_account_is_that_of_the_file_and_adds_up(page, evaluated):
    summary = min((_summary(evaluated, step, "ode") for step in (5, 10)), key=_bits)
    rows = page.table(f"Account of ode at step {summary['step']}")
    assert [row["term"] for row in rows] == [line["term"] for line in summary["account"]]
    for row, line in zip(rows, summary["account"], strict=True):
        assert number(row["bits/dim ± s.e."]) == round(line["bits_per_dim"], 4)
        assert error(row["bits/dim ± s.e."]) == round(line["standard_error"], 4)
        assert number(row["nats"]) == round(line["nats"], 2)
        assert row["what it is"]
    total = sum(number(row["bits/dim ± s.e."]) for row in rows)
    assert total == pytest.approx(summary["bits_per_dim"], abs=len(rows) * 5e-5)
    split = page.table("Sources of the standard error")
    assert [row["source"] for row in split] == [r["source"] for r in summary["error_split"]]
    squares = sum(number(row["s.e., bits/dim"]) ** 2 for row in split)
    assert squares**0.5 == pytest.approx(summary["standard_error"], abs=2e-4)


def test_account_chart_shows_every_term_with_its_error(page, evaluated):
    summary = min((_summary(evaluated, step, "ode") for step in (5, 10)), key=_bits)
    chart = next(e for e in page.all("div") if "Bars of bits" in e.get("aria-label", ""))
    words = ["".join(e.itertext()) for e in chart.iter(f"{SPACE}text")]
    for line in summary["account"]:
        assert line["term"] in words
        assert any(
            re.match(r"[−\d]", word)
            and "±" in word
            and number(word) == round(line["bits_per_dim"], 3)
            and error(word) == round(line["standard_error"], 3)
            for word in words
        ), line


def test_differences_are_those_of_the_files(page, evaluated):
    for row in page.table("Between estimators"):
        [kept] = json.loads((evaluated / f"eval/{row['step']}/differences.json").read_text())[
            "rows"
        ]
        assert row["estimators"] == "bound − ode"
        assert number(row["difference ± s.e."]) == round(kept["bits_per_dim"], 4)
        assert error(row["difference ± s.e."]) == round(kept["standard_error"], 4)
    [compared] = page.table("Between checkpoints or runs")
    [file] = evaluated.glob("compare/*.json")
    [kept] = json.loads(file.read_text())["rows"]
    assert (compared["estimator"], compared["of"]) == ("ode", "step 10 − step 5")
    assert number(compared["difference ± s.e."]) == round(kept["bits_per_dim"], 4)


def test_easiest_and_hardest_images_are_shown_with_their_bits(page, evaluated, digits):
    summary = min((_summary(evaluated, step, "ode") for step in (5, 10)), key=_bits)
    found = np.load(evaluated / f"eval/{summary['step']}/ode/per_image.npz")
    good = np.flatnonzero(found["ok"])
    order = good[np.argsort(found["bits_per_dim"][good])]
    for title, wanted in (("easiest", order[:12]), ("hardest", order[::-1][:12])):
        shown = page.gallery(f"The {title} test images")
        assert [int(lines[0].removeprefix("#")) for _, lines in shown] == list(wanted)
        for (picture, lines), row in zip(shown, wanted, strict=True):
            np.testing.assert_array_equal(picture, to_bytes(digits.test[[row]], 17)[0, ..., 0])
            assert number(lines[1]) == round(float(found["bits_per_dim"][row]), 3)
            assert number(lines[2].strip("± ")) == round(float(found["standard_error"][row]), 3)
    spread = {row["of the images"]: row["bits/dim"] for row in page.table("Their spread")}
    assert number(spread["median"]) == round(float(np.median(found["bits_per_dim"][good])), 4)


def test_metrics_are_those_of_the_log(page, evaluated):
    records = read_metrics(evaluated / "metrics.jsonl")
    rows = {row["metric"]: row for row in page.table("What was logged")}
    assert number(rows["loss"]["last"]) == round(records[-1]["loss"], 4)
    assert number(rows["grad norm"]["lowest"]) == 2.0  # of the first step, the last is 11
    levels = {"loss at rho 0.05", "loss at rho 7"}
    assert set(rows) == {"loss", "grad norm", "held out loss"} | levels


def test_losses_by_level_are_drawn_at_the_first_and_the_last_measurement(page):
    chart = next(e for e in page.all("div") if "noise levels" in e.get("aria-label", ""))
    assert "from 0.5" in chart.get("aria-label")  # 5.0 / 10 and 2.0 / 10
    words = ["".join(e.itertext()) for e in chart.iter(f"{SPACE}text")]
    assert {"step 5", "step 10", "noise rho"} <= set(words)


def test_timings_come_from_the_metrics_and_pauses_are_separate():
    times = {10: 0.0, 20: 10.0, 30: 20.0, 40: 90.0, 50: 100.0}  # 1 s a step, a pause of 60 s
    timing = measure_timing([{"step": step, "time": time} for step, time in times.items()])
    assert (timing.step, timing.total, timing.pauses) == (1.0, 100.0, 60.0)
    assert measure_timing([{"step": 10, "time": 0.0}]) is None
    backwards = [{"step": 10, "time": 9.0}, {"step": 20, "time": 5.0}, {"step": 30, "time": 6.0}]
    assert measure_timing(backwards).total == 1.0


def test_timings_of_metrics_without_times_are_missing(evaluated, digits, tmp_path):
    """Version 0.1 wrote no times."""
    root = shutil.copytree(evaluated, tmp_path / "run")
    records = read_metrics(root / "metrics.jsonl")
    lines = [{k: v for k, v in record.items() if k != "time"} for record in records]
    (root / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    old = Read(render_page(RunFolder(root, lambda config: digits)))
    assert any("times of training are missing" in text for text in old.of_class("missing"))
    assert "time of a step" not in old.text


def test_configuration_is_listed_by_differences_and_in_full(page, evaluated):
    saved = dict(flatten(RunFolder(evaluated).config))
    usual = dict(flatten(default.get_config()))
    differing = {row["key"]: row for row in page.table("13 differences from configs/default.py")}
    assert set(differing) == {key for key in usual if saved[key] != usual[key]}
    for key, row in differing.items():
        assert (row["value"], row["default"]) == (repr(saved[key]), repr(usual[key]))
    whole = page.table("The whole configuration")
    assert {row["key"]: row["value"] for row in whole} == {k: repr(v) for k, v in saved.items()}
    assert all(row["meaning"] for row in whole)


def test_training_command_makes_this_configuration(page, evaluated):
    words = shlex.split(page.command_lines()[0])
    assert "--config=configs/default.py" in words
    found, wanted = _parsed(words), RunFolder(evaluated).config.to_dict()
    assert found["eval"].pop("estimators") == ("ode,bound",)  # which its reader splits
    assert wanted["eval"].pop("estimators") == ("ode", "bound")
    assert found == wanted


def test_evaluation_command_has_the_settings_of_the_results(page):
    words = shlex.split(next(line for line in page.command_lines() if "--mode=eval" in line))
    assert "--steps=5,10" in words
    config = _parsed(["--config=configs/default.py", *words])
    assert config["likelihood"]["probes"] == 7
    assert config["eval"]["num_images"] == 40
    assert ",".join(config["eval"]["estimators"]) == "ode,bound"


def _parsed(words: list[str]) -> dict:
    """Return the configuration that these flags make."""
    options = read_flags([word for word in words if word.startswith("--")])
    return read_config(options).config.to_dict()


def test_text_of_files_is_escaped(page):
    assert HOSTILE in page.text
    assert not page.all("script")
    assert not [e for e in page.root.iter() for name in e.attrib if name.startswith("on")]
    assert {image.get("src")[:22] for image in page.all("img")} == {"data:image/png;base64,"}


# A value of a file can be text where a number belongs, and its digest can be right.
PAYLOAD = '1"><img src=x onerror=alert(1)><script>alert(2)</script>'


def _poison(value):
    """Return JSON with the payload in place of each text, key and whole number."""
    if isinstance(value, dict):
        return {key: _poison(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_poison(item) for item in value]
    return PAYLOAD if isinstance(value, str | int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("poisoned", ["estimator account versions", "all"])
def test_a_sealed_result_marks_up_nothing(workdir, digits, poisoned):
    beside = ["per_image.npz", "settings.json"]
    for path in workdir.glob("eval/*/*/bits_per_dim.json"):
        summary = read_sealed(path, beside)
        changed = summary.keys() if poisoned == "all" else poisoned.split()
        write_sealed(path, summary | {key: _poison(summary[key]) for key in changed}, beside)
    _assert_no_markup(workdir, digits)


@pytest.mark.parametrize("names", ["config.json", "provenance.json eval/10/ode/settings.json"])
def test_a_file_without_a_digest_marks_up_nothing(workdir, digits, names):
    for path in (workdir / name for name in names.split()):
        path.write_text(json.dumps(_poison(json.loads(path.read_text()))))
    _assert_no_markup(workdir, digits)


def test_names_of_metrics_files_and_folders_mark_up_nothing(workdir, digits):
    log = workdir / "metrics.jsonl"
    records = map(json.loads, log.read_text().splitlines())
    log.write_text("".join(json.dumps(each | {PAYLOAD: 1.0}) + "\n" for each in records))
    name = PAYLOAD.replace("/", "")
    shutil.copy(workdir / "previews/00000005.png", workdir / f"previews/{name}.png")
    for path in (workdir / "eval/5", workdir / "samples/10"):
        shutil.copytree(path, path.with_name(name))
    shutil.copytree(workdir / "eval/10/ode", workdir / f"eval/10/ode-{name}")
    _assert_no_markup(workdir, digits)


def _assert_no_markup(root, digits):
    page = Read(render_page(RunFolder(root, lambda config: digits)))
    assert not page.all("script")
    assert not [e for e in page.root.iter() for name in e.attrib if name.startswith("on")]
    assert all(e.get("src").startswith("data:image/png;base64,") for e in page.all("img"))


def test_a_browser_runs_and_loads_nothing(page):
    (policy,) = [e for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(each.split(maxsplit=1) for each in policy.get("content").split(";"))
    assert allowed["default-src"] == "'none'"
    assert "script-src" not in allowed
    assert allowed["img-src"] == "data:"


def test_page_fetches_nothing(page):
    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "@import" not in page.source
    names = ("src", "href", "{http://www.w3.org/1999/xlink}href", "srcset", "data", "action")
    sources = [e.get(name) for e in page.root.iter() for name in names if e.get(name)]
    assert len(sources) > 30
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", page.source))
    assert not [e for name in ("link", "base", "iframe", "object") for e in page.all(name)]


def test_ids_are_unique_and_links_resolve(page):
    named = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(named) == len(set(named))
    within = [e.get("href", "")[1:] for e in page.root.iter() if e.get("href", "").startswith("#")]
    drawn = re.findall(r"url\(#(.*?)\)", page.source)
    labels = [e.get("aria-labelledby") for e in page.root.iter() if e.get("aria-labelledby")]
    assert drawn
    assert labels
    assert {*within, *drawn, *labels} <= set(named)


def test_pictures_and_tables_have_descriptions(page):
    assert all(image.get("alt") for image in page.all("img"))
    boxes = [e for e in page.all("div") if e.find(SVG) is not None]
    assert len(boxes) == len(page.all(SVG)) == 4
    assert all(box.get("role") == "img" and box.get("aria-label") for box in boxes)
    assert all(e.get("aria-label") for e in page.all("table"))
