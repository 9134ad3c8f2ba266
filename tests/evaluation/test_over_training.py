"""Bits over training: which step is best, and how sure that is, against known answers."""

import math
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from scipy import stats

from gradlog.evaluation.bits_per_dim import Result
from gradlog.evaluation.comparison import IncomparableError
from gradlog.evaluation.over_training import (
    figure,
    over_training,
    probabilities_best,
    save_over_training,
)
from gradlog.evaluation.tables import show_over_training
from gradlog.evaluation.uncertainty import mean
from gradlog.storage import (
    Workdir,
    read_sealed,
    replace_nonfinite,
    write_json,
    write_npz,
    write_sealed,
)

EMPTY = MappingProxyType({})
RNG = np.random.default_rng(1)
HARD = 3 + RNG.normal(size=400)  # what makes an image hard at every step


def result(step, bits, ok=None, estimator="ode", fingerprint="same"):
    bits = np.asarray(bits, float)
    ok = np.ones(len(bits), bool) if ok is None else ok
    total = mean(bits[ok])
    summary = {
        "step": step,
        "estimator": estimator,
        "data_fingerprint": fingerprint,
        "bits_per_dim": total.value,
        "standard_error": total.standard_error,
        "interval": total.interval,
        "num_images": total.count,
    }
    return Result(replace_nonfinite(summary), {"bits_per_dim": bits, "ok": ok})


def kept(workdir, found, settings=EMPTY):
    """The result as a file; its parameters are of its step."""
    step, name = found.summary["step"], found.summary["estimator"]
    settings = {"likelihood.probes": 1, **settings, "parameters": f"of {step}", "devices": step}
    folder = workdir.result("eval", step, name, settings=settings)
    write_npz(folder / "per_image.npz", {"bits_per_dim": found.bits_per_dim, "ok": found.ok})
    write_json(folder / "settings.json", settings)
    write_sealed(folder / "bits_per_dim.json", found.summary, ["per_image.npz", "settings.json"])
    return replace(found, folder=folder)


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 2.0])
def test_of_two_steps_it_is_the_normal_law_of_their_difference(gap):
    """Whatever the images have in common, which is a hundred times as much."""
    difference = 0.01 * RNG.normal(size=400)
    error = difference.std() / math.sqrt(400)  # of the bootstrap, which divides by n
    difference += gap * error - difference.mean()
    found = probabilities_best(np.stack([HARD, HARD + difference], 1))
    wanted = stats.norm.cdf(gap)
    assert found[0] == pytest.approx(wanted, abs=4 * 0.5 / math.sqrt(10_000))
    assert found.sum() == pytest.approx(1)


def test_of_three_steps_it_is_the_share_of_the_normal_law_of_their_means():
    """Drawn from that law by itself, with the correlations that images in common give."""
    bits = HARD[:, None] + 0.02 * RNG.normal(size=(400, 3)) + [0.0, 0.0005, 0.002]
    law = np.random.default_rng(2).multivariate_normal(
        bits.mean(0), np.cov(bits.T, ddof=0) / 400, 200_000, method="cholesky"
    )
    wanted = np.bincount(law.argmin(1), minlength=3) / len(law)
    np.testing.assert_allclose(probabilities_best(bits), wanted, atol=4 * 0.5 / math.sqrt(10_000))


def test_steps_that_are_the_same_share_what_they_win():
    found = probabilities_best(np.stack([HARD, HARD, HARD + 1], 1))
    np.testing.assert_array_equal(found, [0.5, 0.5, 0])


def test_the_order_of_the_steps_changes_nothing():
    bits = HARD[:, None] + 0.02 * RNG.normal(size=(400, 4))
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(
        probabilities_best(bits)[order], probabilities_best(bits[:, order])
    )


def test_one_image_tells_nothing():
    assert np.isnan(probabilities_best(np.ones((1, 3)))).all()


def test_rows_are_by_step_with_differences_to_the_best():
    gap = 0.1 + 0.01 * RNG.normal(size=400)
    found = over_training([result(20, HARD), result(10, HARD + gap)])["estimators"]["ode"]
    assert (found["best"], found["num_images"]) == (20, 400)
    first, best = found["rows"]
    assert (first["step"], best["step"]) == (10, 20)
    assert first["minus_best"]["bits_per_dim"] == pytest.approx(gap.mean())
    assert first["minus_best"]["standard_error"] == pytest.approx(gap.std(ddof=1) / 20)
    assert (best["minus_best"]["bits_per_dim"], best["probability_best"]) == (0, 1)
    assert best["interval"] == mean(HARD).interval


def test_steps_are_compared_on_the_images_that_succeeded_at_each():
    """The first step is best on its own images, and not on those of both."""
    easy = np.arange(400) < 200
    bits = np.where(easy, 1.0, 5.0)
    found = over_training([result(1, np.where(easy, bits + 0.1, np.nan), easy), result(2, bits)])
    each = found["estimators"]["ode"]
    assert [row["bits_per_dim"] for row in each["rows"]] == pytest.approx([1.1, 3.0])
    assert (each["best"], each["num_images"]) == (2, 200)


def test_other_images_are_refused():
    with pytest.raises(IncomparableError, match="step 2 is of the data other, step 1 of same"):
        over_training([result(1, HARD), result(2, HARD, fingerprint="other")])


def test_files_hold_what_is_found_and_the_table_names_the_best(tmp_path, capsys):
    results = [
        result(step, HARD + gap, estimator=name)
        for name in ("ode", "bound")
        for step, gap in ((100, 0.3), (200, 0.0), (300, 0.001 * RNG.normal(size=400)))
    ]
    workdir = Workdir(tmp_path)
    results = [kept(workdir, each) for each in results]
    show_over_training(save_over_training(workdir, results))
    told = read_sealed(tmp_path / "eval" / "over_training.json")
    assert list(told["estimators"]) == ["ode", "bound"]
    for each in told["estimators"].values():
        best = next(row for row in each["rows"] if row["step"] == each["best"])
        assert best["bits_per_dim"] == min(row["bits_per_dim"] for row in each["rows"])
        assert sum(row["probability_best"] for row in each["rows"]) == pytest.approx(1)
    assert (tmp_path / "eval" / "over_training.png").read_bytes().startswith(b"\x89PNG")
    output = capsys.readouterr().out
    probability = best["probability_best"]
    assert f"bound: step {best['step']} is the best with probability {probability:.2f}" in output
    assert "A training with another seed may rank its steps differently" in output
    assert figure(told).axes[0].get_legend_handles_labels()[1] == ["ode", "bound"]


def test_of_one_step_there_is_a_note_and_no_file(tmp_path, capsys):
    workdir = Workdir(tmp_path)
    show_over_training(save_over_training(workdir, [kept(workdir, result(100, HARD))]))
    assert capsys.readouterr().out == (
        "note: bits over training need two checkpoints that were evaluated\n"
    )
    assert not workdir.over_training({}).exists()


def test_the_file_is_of_all_steps_with_these_settings_whichever_were_asked_for(tmp_path):
    workdir = Workdir(tmp_path)
    first, second, best = (
        kept(workdir, result(step, HARD + gap)) for step, gap in ((15, 0.3), (30, 0.2), (60, 0.0))
    )
    save_over_training(workdir, [first, second, best])
    before = (tmp_path / "eval/over_training.json").read_bytes()
    found = save_over_training(workdir, [first, second])["estimators"]["ode"]
    assert ([row["step"] for row in found["rows"]], found["best"]) == ([15, 30, 60], 60)
    assert (tmp_path / "eval/over_training.json").read_bytes() == before


def test_other_settings_have_a_file_of_their_own(tmp_path):
    workdir = Workdir(tmp_path)
    save_over_training(workdir, [kept(workdir, result(step, HARD + step)) for step in (1, 2)])
    before = (tmp_path / "eval/over_training.json").read_bytes()
    few = [kept(workdir, result(step, HARD[:1] - step), {"eval.num_images": 1}) for step in (1, 2)]
    for _ in range(2):
        save_over_training(workdir, few)
        names = {path.name for path in (tmp_path / "eval").glob("*.json")}
        assert len(names) == 2
        (other,) = names - {"over_training.json"}
        assert read_sealed(tmp_path / "eval" / other)["estimators"]["ode"]["best"] == 2
    assert (tmp_path / "eval/over_training.json").read_bytes() == before


def test_a_damaged_result_of_another_step_is_told_and_left_out(tmp_path, capsys):
    workdir = Workdir(tmp_path)
    found = [kept(workdir, result(step, HARD + step)) for step in (1, 2, 3)]
    (found[0].folder / "per_image.npz").write_bytes(b"")
    told = save_over_training(workdir, found[1:])["estimators"]["ode"]
    assert [row["step"] for row in told["rows"]] == [2, 3]
    assert f"warning: not compared: the result in {found[0].folder} is damaged" in (
        " ".join(capsys.readouterr().out.split())
    )


def test_of_one_image_no_probability_is_told(capsys):
    show_over_training(over_training([result(1, HARD[:1]), result(2, HARD[:1] + 1)]))
    said = capsys.readouterr().out
    assert "ode: one image is too few" in said
    assert "with probability" not in said
