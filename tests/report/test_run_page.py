"""The page of a run: its numbers are those of the files, and nothing else is needed to read it."""

import json
import re
import shlex

import numpy as np
import pytest
import tiny
from conftest import HOSTILE
from reader import Read, error, number

from gradlog.configs import default
from gradlog.evaluation.pictures import to_bytes
from gradlog.experiment.keys import flat
from gradlog.report.of_run import page_of_run
from gradlog.report.rendering import rendered
from gradlog.report.run_files import RunFiles
from gradlog.storage import read_metrics

SPACE = "{http://www.w3.org/2000/svg}"
SVG = f"{SPACE}svg"


@pytest.fixture(scope="module")
def page(evaluated, digits) -> Read:
    return Read(rendered(page_of_run(RunFiles(evaluated, lambda config: digits))))


def _summary(evaluated, step, name) -> dict:
    return json.loads((evaluated / f"eval/{step}/{name}/bits_per_dim.json").read_text())


def test_every_result_is_in_the_table_with_its_error_and_interval(page, evaluated):
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


def test_the_number_in_large_type_is_the_lowest_of_the_first_estimator(page, evaluated):
    lowest = min((_summary(evaluated, step, "ode") for step in (5, 10)), key=_bits)
    assert number(page.of_class("value")[0]) == round(lowest["bits_per_dim"], 4)
    assert f"ode at step {lowest['step']}, the lowest of 2 results" in page.of_class("detail")


def _bits(summary: dict) -> float:
    return summary["bits_per_dim"]


def test_the_account_is_that_of_the_file_and_adds_up(page, evaluated):
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
    split = page.table("What the standard error is of")
    assert [row["random is"] for row in split] == [r["source"] for r in summary["error_split"]]
    squares = sum(number(row["s.e., bits/dim"]) ** 2 for row in split)
    assert squares**0.5 == pytest.approx(summary["standard_error"], abs=2e-4)


def test_the_chart_of_the_account_says_every_term_and_its_error(page, evaluated):
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


def test_the_easiest_and_the_hardest_images_are_shown_with_their_bits(page, evaluated, digits):
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


def test_metrics_are_those_that_were_logged(page, evaluated):
    records = read_metrics(evaluated / "metrics.jsonl")
    rows = {row["metric"]: row for row in page.table("What was logged")}
    assert number(rows["loss"]["last"]) == round(records[-1]["loss"], 4)
    assert number(rows["grad norm"]["lowest"]) == 2.0  # of the first step, the last is 11
    assert set(rows) == {"loss", "grad norm", "held out loss"}


def test_the_configuration_is_told_by_what_differs_and_in_full(page, evaluated):
    saved = dict(flat(RunFiles(evaluated).config))
    usual = dict(flat(default.get_config()))
    differing = {row["key"]: row for row in page.table("13 differences from configs/default.py")}
    assert set(differing) == {key for key in usual if saved[key] != usual[key]}
    for key, row in differing.items():
        assert (row["value"], row["default"]) == (repr(saved[key]), repr(usual[key]))
    whole = page.table("The whole configuration")
    assert {row["key"]: row["value"] for row in whole} == {k: repr(v) for k, v in saved.items()}
    assert all(row["meaning"] for row in whole)


def test_the_training_command_makes_this_configuration(page, evaluated):
    words = shlex.split(page.command_lines()[0])
    assert "--config=configs/default.py" in words
    found, wanted = _parsed(words), RunFiles(evaluated).config.to_dict()
    assert found["eval"].pop("estimators") == ("ode,bound",)  # which its reader splits
    assert wanted["eval"].pop("estimators") == ("ode", "bound")
    assert found == wanted


def test_the_evaluation_command_has_the_settings_that_were_given(page):
    words = shlex.split(next(line for line in page.command_lines() if "--mode=eval" in line))
    assert "--steps=5,10" in words
    config = _parsed(["--config=configs/default.py", *words])
    assert config["likelihood"]["probes"] == 7
    assert config["eval"]["num_images"] == 40
    assert ",".join(config["eval"]["estimators"]) == "ode,bound"


def _parsed(words: list[str]) -> dict:
    """The configuration that these flags make, by the program's own reader of them."""
    code = (
        "import sys, json, command_line; "
        "command_line.parse(sys.argv, None); print(json.dumps(command_line.CONFIG.value.to_dict()))"
    )
    flags = [word for word in words if word.startswith("--")]
    missing = [] if any(f.startswith("--workdir") for f in flags) else ["--workdir=runs/none"]
    found = json.loads(tiny.python("-c", code, *flags, *missing)[-1])
    return _tuples(found)


def _tuples(value):
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def test_what_a_file_says_is_never_taken_for_a_page(page):
    assert HOSTILE in page.text
    assert not page.all("script")
    assert not [e for e in page.root.iter() for name in e.attrib if name.startswith("on")]
    assert {image.get("src")[:22] for image in page.all("img")} == {"data:image/png;base64,"}


def test_nothing_is_fetched(page):
    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "@import" not in page.source
    names = ("src", "href", "{http://www.w3.org/1999/xlink}href", "srcset", "data", "action")
    sources = [e.get(name) for e in page.root.iter() for name in names if e.get(name)]
    assert len(sources) > 30
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", page.source))
    assert not [e for name in ("link", "base", "iframe", "object") for e in page.all(name)]


def test_addresses_within_the_page_are_there_and_there_once(page):
    named = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(named) == len(set(named))
    within = [e.get("href", "")[1:] for e in page.root.iter() if e.get("href", "").startswith("#")]
    drawn = re.findall(r"url\(#(.*?)\)", page.source)
    labeled = [e.get("aria-labeledby") for e in page.root.iter() if e.get("aria-labeledby")]
    assert drawn
    assert {*within, *drawn, *labeled} <= set(named)


def test_pictures_and_tables_have_words_for_those_who_do_not_see_them(page):
    assert all(image.get("alt") for image in page.all("img"))
    boxes = [e for e in page.all("div") if e.find(SVG) is not None]
    assert len(boxes) == len(page.all(SVG)) == 3
    assert all(box.get("role") == "img" and box.get("aria-label") for box in boxes)
    assert all(e.get("aria-label") for e in page.all("table"))
