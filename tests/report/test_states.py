"""A folder in any state has a page that names what is missing or damaged."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
import tiny
from conftest import save_fake_result, start_run
from PIL import Image
from reader import Read, number

from gradlog.cli.flags import Options
from gradlog.cli.modes import report
from gradlog.data import DataError
from gradlog.evaluation.bits_per_dim import load_result
from gradlog.evaluation.over_training import save_over_training
from gradlog.evaluation.pictures import save_unmasking
from gradlog.experiment.build import load_dataset
from gradlog.report import write_report
from gradlog.report.charts import load_image_uri
from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder
from gradlog.storage import Workdir, WorkdirError


@pytest.fixture
def read(digits):
    """Read the page of a folder with its data set."""
    return lambda root: Read(render_page(RunFolder(root, lambda config: digits)))


def test_only_the_page_is_written(workdir, capsys):
    before = _contents(workdir)
    report(Options("report", str(workdir)))
    path = workdir / "report.html"
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert _contents(workdir) == before | {path: path.read_bytes()}


def test_no_data_are_prepared(workdir, tmp_path):
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["data_dir"] = str(tmp_path / "anywhere")
    (workdir / "config.json").write_text(json.dumps(config))
    write_report(workdir)
    assert not (tmp_path / "anywhere").exists()
    notes = Read((workdir / "report.html").read_text()).of_class("note")
    assert any(str(tmp_path / "anywhere") in note for note in notes)


def _contents(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_page_of_a_new_run_names_the_next_commands(read, workdir):
    for name in ("eval", "compare", "samples", "previews", "metrics.jsonl"):
        shutil.rmtree(workdir / name) if (workdir / name).is_dir() else (workdir / name).unlink()
    page = read(workdir)
    assert page.of_class("value")[:2] == ["–", "0"]
    for mode in ("train", "eval", "sample"):
        assert f"python main.py --workdir={workdir} --mode={mode}" in page.command_lines()
    assert page.of_class("note") == []
    assert {"Configuration", "Provenance", "Repeat this run"} <= set(page.sections())


def test_folder_with_only_checkpoints_has_a_page(read, tmp_path):
    (tmp_path / "checkpoints" / "700").mkdir(parents=True)
    page = read(tmp_path)
    assert "700" in page.of_class("value")
    assert "There is no configuration" in page.text


GARBAGE, OTHER_JSON = b"\x00\xff<i>\n", b'{"a": [1]}\n'
# Another program would decode it.
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"


# Kind of damage -> section that must have a note -> file and its new contents.
DAMAGED = {
    "overwritten": {
        "Configuration": ("config.json", GARBAGE),
        "Training curves": ("metrics.jsonl", GARBAGE),
        "Bits per dimension": ("eval/10/ode/per_image.npz", GARBAGE),
        "Paired differences": ("eval/5/differences.json", GARBAGE),
        "Samples": ("previews/00000005.png", b"\x89PNG\r\n\x1a\n" + GARBAGE * 9),
    },
    "of something else": {
        "Configuration": ("config.json", OTHER_JSON),
        "Provenance": ("provenance.json", OTHER_JSON),
        "Training curves": ("metrics.jsonl", OTHER_JSON),
        "Bits per dimension": ("eval/10/ode/settings.json", OTHER_JSON),
        "Paired differences": ("compare/*.json", OTHER_JSON),
        "Samples": ("previews/00000005.png", EPS),
    },
    "emptied": {
        "Provenance": ("provenance.json", b""),
        "Bits per dimension": ("eval/10/ode/bits_per_dim.json", b""),
        "Paired differences": ("compare/*.json", b""),
        "Samples": ("samples/10/grid.png", b""),
    },
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_file_is_a_note_in_its_section(read, workdir, kind):
    for pattern, damage in DAMAGED[kind].values():
        [path] = workdir.glob(pattern)
        path.write_bytes(damage)
    page = read(workdir)
    for section, (pattern, _) in DAMAGED[kind].items():
        notes = [note for note in page.of_class("note") if note in page.sections()[section]]
        assert notes, section
        if section == "Samples":
            assert any(pattern.rpartition("/")[2] in note for note in notes)
    assert not page.all("i")
    assert set(page.sections()) >= {"Bits per dimension", "Single images", "Configuration"}


def test_damaged_result_does_not_hide_the_others_and_its_note_names_the_mode(read, workdir):
    (workdir / "eval/10/ode/per_image.npz").write_bytes(b"")
    page = read(workdir)
    (note,) = {line for line in page.of_class("note") if "is damaged" in line}
    assert "--mode=eval computes it again" in note
    assert [row["step"] for row in page.table("Bits per dimension")] == ["5", "5", "10"]
    assert "ode at step 5" in page.of_class("detail")


def test_without_the_data_set_images_are_listed_by_number(workdir):
    def absent(config):
        raise DataError("no such folder: <pictures>")

    page = Read(render_page(RunFolder(workdir, absent)))
    assert page.of_class("note") == ["the data set cannot be loaded: no such folder: <pictures>"]
    result = min(
        (load_result(workdir / f"eval/{step}/ode") for step in (5, 10)),
        key=lambda result: result.summary["bits_per_dim"],
    )
    bits = np.where(result.ok, result.bits_per_dim, np.nan)
    hardest = page.table("The hardest")[0]
    assert int(hardest["number in the test set"]) == np.nanargmax(bits)
    assert number(hardest["bits/dim ± own error"]) == round(float(np.nanmax(bits)), 4)


def test_large_picture_is_reduced(tmp_path):
    Image.new("L", (3000, 1500), 7).save(tmp_path / "large.png")
    head, _, data = load_image_uri(tmp_path / "large.png").partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (960, 480)


def test_an_animation_of_samples_moves_on_the_page(tmp_path):
    (folder := tmp_path / "samples/10").mkdir(parents=True)
    states = np.arange(3).reshape(1, 3, 1, 1, 1) * np.ones((4, 1, 8, 8, 1), int)
    save_unmasking(folder / "unmasking.gif", states, levels=3)
    ((path, caption),) = RunFolder(tmp_path, lambda config: None).grids
    head, _, data = load_image_uri(path).partition(",")
    assert (head, caption) == ("data:image/gif;base64", "step 10")
    assert Image.open(io.BytesIO(base64.b64decode(data))).n_frames == 3


def test_images_of_other_data_are_not_shown(read, workdir, digits):
    import dataclasses

    other = dataclasses.replace(digits, fingerprint="0" * 16)
    page = Read(render_page(RunFolder(workdir, lambda config: other)))
    assert "not the one that was evaluated" in page.of_class("note")[0]
    assert page.table("The easiest")


def test_run_on_points_shows_them_in_the_plane(tmp_path):
    config = tiny.points()
    points = load_dataset(config)
    workdir = start_run(tmp_path, config, points.fingerprint)
    save_fake_result(workdir, "ode", 10, points.fingerprint, seed=0, count=len(points.test))
    page = Read(write_report(tmp_path).read_text())
    assert page.of_class("note") == []
    labels = [e.get("aria-label") for e in page.all("div") if e.get("role") == "img"]
    assert "12 points of the plane by their bits." in labels
    assert len(page.table("The easiest")) == len(page.table("The hardest")) == 6


def test_bits_over_training_are_those_of_the_file_and_name_what_is_not_compared(read, workdir):
    for step in (5, 10, 15):
        (workdir / "checkpoints" / str(step)).mkdir(parents=True)
    results = [load_result(workdir / f"eval/{step}/ode") for step in (5, 10)]
    found = save_over_training(Workdir(workdir), results)["estimators"]["ode"]
    page = read(workdir)
    said = page.sections()["Bits over training"]
    assert "By ode 2 of the 3 checkpoints are compared; not step 15." in said
    rows = page.table("Steps by ode")
    for row, kept in zip(rows, found["rows"], strict=True):
        assert int(row["step"]) == kept["step"]
        assert number(row["bits/dim ± s.e."]) == round(kept["bits_per_dim"], 4)
        assert row["is the best"] == f"{100 * kept['probability_best']:.0f}\u202f%"


def test_bits_over_training_with_other_settings_are_in_a_fold(read, workdir, digits):
    own = [load_result(workdir / f"eval/{step}/ode") for step in (5, 10)]
    few = [_lower(workdir, digits, step) for step in (5, 10)]
    for results in (few, own):  # whichever was first
        save_over_training(Workdir(workdir), results)
    page = read(workdir)
    (first, *_) = page.table("Steps by ode")
    assert number(first["bits/dim ± s.e."]) == round(own[0].summary["bits_per_dim"], 4)
    (folded,) = [e for e in page.all("details") if "With other settings" in "".join(e.itertext())]
    assert f"{few[0].summary['bits_per_dim']:.4f}" in "".join(folded.itertext())


def _lower(workdir, digits, step):
    """Save a result with other settings, whose bits are lower."""
    where, other = (Workdir(workdir), "ode", step, digits.fingerprint), {"likelihood.eps": 0.1}
    return save_fake_result(*where, seed=1, shift=50, **other)


def test_headline_has_the_settings_of_the_run(read, workdir, digits):
    before = read(workdir)
    value, rows = before.of_class("value")[0], before.table("Bits per dimension of the test set")
    others = [_lower(workdir, digits, step) for step in (5, 10, 15)]  # more of them
    page = read(workdir)
    assert page.of_class("value")[0] == value
    assert any("the lowest of 2 results" in line for line in page.of_class("detail"))
    assert page.table("Bits per dimension of the test set") == rows
    for row, other in zip(page.table("With other settings"), others, strict=True):
        assert number(row["bits/dim ± s.e."]) == round(other.summary["bits_per_dim"], 4)
        assert number(row["bits/dim ± s.e."]) < number(value)
        assert row["where it differs"] == "likelihood.eps = 0.1"


def test_other_folders_are_refused_in_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "absent", tmp_path / "notes.txt"):
        with pytest.raises(WorkdirError, match=r"neither .* nor ") as raised:
            report(Options("report", str(folder)))
        assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_next_estimator_provides_the_headline(read, workdir):
    summary = json.loads((workdir / "eval/10/ode/bits_per_dim.json").read_text())
    assert summary["failed"]  # the others are there
    for step in (5, 10):
        shutil.rmtree(workdir / f"eval/{step}/ode")
    page = read(workdir)
    assert any(line.startswith("bound at step") for line in page.of_class("detail"))
