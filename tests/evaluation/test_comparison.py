"""Paired differences are of the same images, or are refused."""

import dataclasses
import errno
import math

import numpy as np
import pytest
from scipy import stats

from gradlog.evaluation.bits_per_dim import Result
from gradlog.evaluation.comparison import (
    IncomparableError,
    between_estimators,
    paired,
    save_differences,
)
from gradlog.evaluation.tables import show_comparison, show_differences, show_results
from gradlog.storage import Workdir, read_sealed

RNG = np.random.default_rng(0)
IMAGES = 3 + RNG.normal(size=40)


def result(bits, ok=None, fingerprint="same"):
    bits = np.asarray(bits, float)
    ok = np.ones(len(bits), bool) if ok is None else ok
    summary = {"data_fingerprint": fingerprint, "step": 7, "estimator": "x"}
    return Result(summary, {"bits_per_dim": bits, "ok": ok})


def test_a_difference_is_paired():
    """The images vary by one bit, the difference by a hundredth."""
    gap = 0.01 + 0.01 * RNG.normal(size=40)
    got = paired(result(IMAGES + gap), result(IMAGES), ("bound", "ode"))
    low, high = stats.t.interval(0.95, 39, gap.mean(), gap.std(ddof=1) / math.sqrt(40))
    assert got["bits_per_dim"] == pytest.approx(gap.mean())
    assert got["standard_error"] == pytest.approx(gap.std(ddof=1) / math.sqrt(40))
    assert (got["interval"]["low"], got["interval"]["high"]) == pytest.approx((low, high))
    assert (got["minuend"], got["subtrahend"], got["num_images"]) == ("bound", "ode", 40)


def test_images_that_failed_in_either_are_in_neither():
    ok = np.arange(40) != 3
    bits = np.where(ok, IMAGES, np.nan)
    got = paired(result(bits + 1, ok), result(IMAGES), ("a", "b"))
    assert (got["num_images"], got["bits_per_dim"]) == (39, pytest.approx(1))


def test_other_images_are_refused():
    with pytest.raises(IncomparableError, match="40 images, b has 39"):
        paired(result(IMAGES), result(IMAGES[:39]), ("a", "b"))
    with pytest.raises(IncomparableError, match="a is of the data same, b of other"):
        paired(result(IMAGES), result(IMAGES, fingerprint="other"), ("a", "b"))
    with pytest.raises(IncomparableError, match="no image that succeeded in both"):
        paired(result(IMAGES), result(IMAGES, np.zeros(40, bool)), ("a", "b"))


def test_bounds_come_minus_flows_and_then_each_kind_among_itself():
    found = {name: result(IMAGES) for name in ("quadrature", "bound", "ode", "vlb")}
    pairs = [(row["minuend"], row["subtrahend"]) for row in between_estimators(found)]
    assert pairs == [
        ("bound", "quadrature"),
        ("bound", "ode"),
        ("vlb", "quadrature"),
        ("vlb", "ode"),
        ("quadrature", "ode"),
        ("bound", "vlb"),
    ]
    assert between_estimators({"ode": result(IMAGES)}) == []


def test_a_pair_without_a_common_image_is_left_out_and_the_others_stay(capsys):
    found = {name: result(IMAGES) for name in ("exact", "ode")}
    rows = between_estimators(found | {"vlb": result(IMAGES, np.zeros(40, bool))})
    assert [(row["minuend"], row["subtrahend"]) for row in rows] == [("exact", "ode")]
    for line, name in zip(capsys.readouterr().out.splitlines(), ("exact", "ode"), strict=True):
        assert line.startswith(f"warning: vlb and {name} have no image")


def test_rows_of_the_same_two_folders_take_each_others_place(tmp_path):
    """Other settings, in folders of their own, leave them."""
    workdir = Workdir(tmp_path)

    def save(gap, folder):
        bound = dataclasses.replace(result(IMAGES + gap), folder=tmp_path / folder)
        ode = dataclasses.replace(result(IMAGES), folder=tmp_path / "ode")
        bound.summary["estimator"], ode.summary["estimator"] = "bound", "ode"
        save_differences(workdir, [bound, ode])

    for gap, folder in ((1, "bound"), (2, "bound-1a2b3c4d"), (3, "bound")):
        save(gap, folder)
    rows = read_sealed(workdir.differences(7))["rows"]
    assert [
        (row["minuend_folder"], row["subtrahend_folder"], round(row["bits_per_dim"]))
        for row in rows
    ] == [("bound", "ode", 3), ("bound-1a2b3c4d", "ode", 2)]
    for damaged in ("{", '{"rows": [1]}', "[]"):
        workdir.differences(7).write_text(damaged)
        save(4, "bound")
        (row,) = read_sealed(workdir.differences(7))["rows"]
        assert row["bits_per_dim"] == pytest.approx(4)


def test_a_read_only_folder_has_its_differences_written_only_if_they_are_others(
    tmp_path, capsys, monkeypatch
):
    workdir = Workdir(tmp_path)
    found = [
        dataclasses.replace(result(IMAGES + i), folder=tmp_path / n) for i, n in enumerate("ab")
    ]
    for each, name in zip(found, ("bound", "ode"), strict=True):
        each.summary["estimator"] = name
    rows = save_differences(workdir, found)

    def refuse(dir, prefix):
        raise OSError(errno.EROFS, "Read-only file system", f"{dir}/{prefix}random")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    before = workdir.differences(7).read_bytes()
    assert save_differences(workdir, found) == rows
    assert capsys.readouterr().out == ""
    other = dataclasses.replace(found[0], per_image=result(IMAGES + 5).per_image)
    assert len(save_differences(workdir, [other, found[1]])) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: differences are not saved: [Errno 30] Read-only file system: ")
    assert str(workdir.differences(7)) in line
    assert workdir.differences(7).read_bytes() == before


def test_a_negative_gap_is_a_line_like_any_other(capsys):
    rows = between_estimators({"bound": result(IMAGES - 0.5), "ode": result(IMAGES)})
    show_differences([{"step": 7, **row} for row in rows])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "  step 7: bound - ode: -0.5000 ± 0.0000, 95 % [-0.5000, -0.5000], 40 images"
    )
    assert lines[2].startswith("note: the bound's bits are an upper bound on the SDE's bits")


def test_two_flows_need_no_word_on_bounds(capsys):
    rows = between_estimators({"exact": result(IMAGES + 1), "ode": result(IMAGES)})
    show_differences([{"step": 7, **row} for row in rows])
    assert "note" not in capsys.readouterr().out
    show_differences([])
    assert capsys.readouterr().out == ""


def test_a_comparison_names_the_estimator_and_both_checkpoints(capsys):
    row = paired(result(IMAGES + 1), result(IMAGES), ("step 20", "step 10"))
    show_comparison([{"estimator": "ode"} | row])
    assert "ode: step 20 - step 10: 1.0000 ± 0.0000, 95 % [1.0000, 1.0000], 40 images" in (
        capsys.readouterr().out
    )


SUMMARY = {
    "step": 7,
    "estimator": "ode",
    "bits_per_dim": 3.0,
    "standard_error": None,
    "interval": {"level": 0.95, "low": None, "high": None},
    "estimator_standard_error": None,
    "num_images": 1,
    "failed": [],
    "nfe": 85.0,
    "seconds": 1.0,
    "account": [{"term": "eps", "bits_per_dim": 0.0, "standard_error": None, "nats": 0.0}],
}


def test_what_is_not_known_is_a_dash_and_old_results_are_shown_too(capsys):
    show_results([{k: v for k, v in SUMMARY.items() if k != "interval"}, SUMMARY])
    assert capsys.readouterr().out.count("ode at step 7: 3.0000 bits/dim, 95 % -") == 2


def test_the_remarks_below_an_account(capsys):
    more = {
        "interval": {"level": 0.95, "low": 2.8, "high": 3.2},
        "eps": {"evaluated": 1e-3, "trained": 1e-3, "start": "as_sample"},
        "error_split": [
            {"source": "test set", "standard_error": 0.1, "share": 0.9},
            {"source": "probes", "standard_error": None, "share": None},
        ],
        "discretization": {"bits_per_dim": 0.0012, "standard_error": 0.0001},
        "convergence": {
            "change_bits_per_dim": -1e-5,
            "standard_error": 2e-6,
            "images": 4,
            "tightened": {"solver.rtol": 1e-6},
        },
    }
    show_results([SUMMARY | more])
    out = capsys.readouterr().out
    assert "eps (x is the sample at eps)" in out
    assert "ode at step 7: 3.0000 bits/dim, 95 % [2.8000, 3.2000]" in out
    assert "parts of the standard error: test set 0.1000 (90 %), probes unknown" in out
    assert "at no extra evaluations; all nodes change it by 0.00120 ± 0.00010 bits/dim" in out
    assert "with solver.rtol = 1e-06 the first 4 images change by -0.000010 ± " in out


def _shown(capsys, **more):
    show_results([SUMMARY | more])
    return capsys.readouterr().out


def _part(source, error, share=None):
    return {"source": source, "standard_error": error, "share": share}


def test_what_another_row_holds_is_not_unknown_beside_it(capsys):
    split = [_part("test set", 0.1, 0.8), _part("dequantization and probes", 0.05, 0.2)]
    out = _shown(capsys, error_split=[*split, _part("probes", None)])
    assert "test set 0.1000 (80 %), dequantization and probes 0.0500 (20 %)\n" in out


def test_parts_larger_than_the_whole_have_no_shares(capsys):
    split = [_part("probes", 0.3), _part("test set", 0.0)]
    out = _shown(capsys, standard_error=0.1, error_split=split)
    assert "standard error 0.1000 is smaller than the part from random draws 0.3000" in out
    assert "%)" not in out


def test_a_convergence_of_no_image_is_one_warning(capsys):
    nothing = {"change_bits_per_dim": None, "standard_error": None, "images": 0, "tightened": {}}
    out = _shown(capsys, convergence=nothing)
    assert out.count("warning: ode at step 7: no image succeeded with both tolerances") == 1
    assert "images change by" not in out


def test_a_mean_over_the_rest_is_shown_as_such_wherever_it_is_shown(capsys):
    out = _shown(capsys, num_images=10, failed=[3, 7])
    assert out.count("; mean over 10 of 12 images; 2 failed") == 2  # the account and the summary
    assert "│ 10 of 12 │" in out
    assert "; mean over" not in _shown(capsys)


def test_a_mean_over_the_first_images_says_of_how_many(capsys):
    assert "│ 32 of 297 │" in _shown(capsys, num_images=32, test_set_size=297)


def test_two_runs_are_two_networks_and_two_steps_are_not(capsys):
    row = {"estimator": "ode"} | paired(result(IMAGES), result(IMAGES), ("a", "b"))
    folders = ("/runs/a/eval/7/ode", "/runs/b/eval/7/ode", "/runs/a/eval/8/ode")
    show_comparison([row | {"minuend_folder": folders[0], "subtrahend_folder": folders[1]}])
    assert "two runs of one seed each are two networks" in capsys.readouterr().out
    show_comparison([row | {"minuend_folder": folders[0], "subtrahend_folder": folders[2]}])
    assert "note" not in capsys.readouterr().out


def test_the_words_for_costs_and_errors_are_defined_below_the_table(capsys):
    out = _shown(capsys)
    for word in ("± s.e.:", "± draws:", "NFE: score evaluations", "JVPs: Jacobian-vector products"):
        assert word in out


def test_a_difference_over_the_rest_is_shown_as_such(capsys):
    some = result(IMAGES + 1, ok=np.arange(40) != 7)
    show_comparison([{"estimator": "ode"} | paired(some, result(IMAGES), ("a", "b"))])
    assert ", 39 of 40 images; 1 failed" in capsys.readouterr().out
