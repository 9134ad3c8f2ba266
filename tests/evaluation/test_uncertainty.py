"""The split of the error of a mean, against data whose variances are known."""

import math

import numpy as np
import pytest

from gradlog.evaluation.likelihood import Evaluation
from gradlog.evaluation.uncertainty import changed_fields, convergence, error_split, mean
from gradlog.likelihood import ODELikelihood, OneDraw, Rademacher
from gradlog.ode import Adaptive, LogRhoFlow

DIMS = 3
STDS = {"test set": 0.5, "dequantization": 0.2, "probes": 0.3, "time": 0.1}  # bits/dim
N = 4000


def make(bits, ok=None, **errors):
    """An evaluation with these bits per dimension, and errors in bits per dimension."""
    to_nats = DIMS * math.log(2)
    count = len(bits)
    values = {
        "parts": {"prior": -to_nats * np.asarray(bits)},
        "errors": {name: to_nats * np.asarray(error) for name, error in errors.items()},
        "ok": np.ones(count, bool) if ok is None else ok,
    }
    return Evaluation(values, log_scale=0.0, dims=DIMS, seconds=0.0, compile_seconds=0.0)


def looks(seed=0, drawn=("dequantization", "probes", "time")):
    """Two looks at the same images, each source with its standard deviation."""
    rng = np.random.default_rng(seed)
    image = STDS["test set"] * rng.normal(size=N)
    noise = lambda: sum(STDS[name] * rng.normal(size=N) for name in drawn)  # noqa: E731
    return 2 + image + noise(), 2 + image + noise()


def by_source(rows):
    return {row["source"]: row for row in rows}


def told(*names):
    return {name: np.full(N, STDS[name]) for name in names}


def test_every_source_gets_its_own_variance():
    first, second = (make(bits, **told("probes", "time")) for bits in looks())
    rows = by_source(error_split(first, second))
    assert set(rows) == set(STDS)
    for name, std in STDS.items():
        # A variance from N normal values has a relative standard error of sqrt(2/N); the smaller
        # sources are differences of larger ones, whose errors they inherit.
        whole = sum(s**2 for s in STDS.values())
        error = 4 * math.sqrt(2 / N) * whole
        assert abs(rows[name]["standard_error"] ** 2 * N - std**2) < error, name
    assert rows["probes"]["standard_error"] == pytest.approx(STDS["probes"] / math.sqrt(N))
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)


def test_the_parts_add_up_to_the_standard_error_of_the_mean():
    first, second = (make(bits, **told("probes", "time")) for bits in looks(1))
    rows = error_split(first, second)
    total = math.sqrt(sum(row["standard_error"] ** 2 for row in rows))
    assert total == pytest.approx(mean(first.account.bits_per_dim).standard_error)
    shares = [row["share"] for row in rows]
    assert shares == sorted(shares, reverse=True)


def test_a_second_look_of_few_images_is_of_those_images():
    first, second = looks(2)
    few = make(second[:50], probes=np.full(50, STDS["probes"]))
    rows = by_source(error_split(make(first, **told("probes")), few))
    want = np.mean((first[:50] - second[:50]) ** 2) / 2 - STDS["probes"] ** 2
    assert rows["dequantization"]["standard_error"] == pytest.approx(math.sqrt(want / N))


def test_where_one_probe_tells_no_error_the_looks_give_both_together():
    first, second = (make(bits, probes=np.full(N, np.nan)) for bits in looks(3))
    rows = by_source(error_split(first, second))
    assert math.isnan(rows["probes"]["standard_error"])
    both = rows["dequantization and probes"]["standard_error"] ** 2 * N
    want = sum(STDS[name] ** 2 for name in ("dequantization", "probes", "time"))
    assert abs(both - want) < 4 * want * math.sqrt(2 / N)


def test_without_a_second_look_what_is_not_told_stays_with_the_test_set():
    first = make(looks(4)[0], **told("probes"))
    rows = by_source(error_split(first, None))
    assert set(rows) == {"test set and dequantization", "probes"}
    total = first.account.bits_per_dim.var(ddof=1)
    want = math.sqrt((total - STDS["probes"] ** 2) / N)
    assert rows["test set and dequantization"]["standard_error"] == pytest.approx(want)


def test_a_row_is_named_by_all_that_it_holds():
    bits, again = looks(7)
    unknown = make(bits, probes=np.full(N, np.nan))
    both = ("dequantization", "noise at eps")
    (row, none) = error_split(unknown, None, both)
    assert row["source"] == "test set, dequantization and probes"
    assert (row["share"], none["source"]) == (1, "probes")
    told_ones = make(bits, **told("probes"))
    rows = by_source(error_split(told_ones, None, ("noise at eps",)))
    assert set(rows) == {"test set and noise at eps", "probes"}
    weighted = make(bits, **told("probes", "dequantization"))
    assert set(by_source(error_split(weighted, None, both))) == {
        "test set and noise at eps",
        "probes",
        "dequantization",
    }
    assert set(by_source(error_split(told_ones, None, ()))) == {"test set", "probes"}
    second = make(again, **told("probes"))
    rows = by_source(error_split(told_ones, second, ("noise at eps",)))
    assert set(rows) == {"test set", "noise at eps", "probes"}


def test_a_second_look_without_an_image_tells_nothing():
    bits, again = looks(8)
    second = make(again, np.zeros(N, bool), **told("probes"))
    rows = error_split(make(bits, **told("probes")), second)
    assert set(by_source(rows)) == {"test set and dequantization", "probes"}


def test_no_part_is_below_zero_and_none_is_a_share_of_less_than_itself():
    """Errors that are told larger than what is seen."""
    bits = np.random.default_rng(0).normal(size=N)
    first, second = (make(bits, probes=np.full(N, 5.0)) for _ in range(2))
    rows = by_source(error_split(first, second))
    assert rows["dequantization"]["standard_error"] == rows["test set"]["standard_error"] == 0
    assert all(math.isnan(row["share"]) for row in rows.values())


def test_one_image_has_no_shares():
    (row, probes) = error_split(make([2.0], probes=[0.3]), None)
    assert (row["source"], probes["source"]) == ("probes", "test set and dequantization")
    assert row["standard_error"] == pytest.approx(0.3)
    assert math.isnan(row["share"])
    assert math.isnan(probes["standard_error"])


def test_images_that_failed_in_either_look_are_in_neither():
    first, second = looks(5)
    ok = np.arange(N) % 3 > 0
    broken = np.where(ok, second, 1e6)
    got = error_split(make(first, **told("probes")), make(broken, ok, **told("probes")))
    kept = np.mean((first - second)[ok] ** 2) / 2 - STDS["probes"] ** 2
    found = by_source(got)["dequantization"]["standard_error"]
    assert found == pytest.approx(math.sqrt(kept / N))


def test_the_interval_covers_the_expectation_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    repeats = 2000
    inside = 0
    for _ in range(repeats):
        interval = mean(rng.normal(size=6)).interval
        inside += interval["low"] < 0 < interval["high"]
    assert abs(inside / repeats - 0.95) < 4 * math.sqrt(0.95 * 0.05 / repeats)


def test_one_image_has_no_interval():
    only = mean(np.array([2.0]))
    assert only.value == 2
    assert math.isnan(only.interval["low"])


def test_convergence_is_the_change_of_the_first_images():
    bits = looks(6)[0]
    change = 1e-3 * np.arange(5)
    got = convergence(make(bits), make(bits[:5] + change), {"solver.rtol": 1e-6})
    assert got["change_bits_per_dim"] == pytest.approx(2e-3)
    assert got["standard_error"] == pytest.approx(change.std(ddof=1) / math.sqrt(5))
    assert (got["images"], got["tightened"]) == (5, {"solver.rtol": 1e-6})


def test_what_was_tightened_is_named():
    solver = Adaptive(rtol=1e-4, atol=1e-5)
    estimate = OneDraw(ODELikelihood(solver, LogRhoFlow(), Rademacher(), eps=1e-3))
    changed = changed_fields(estimate, estimate.tightened())
    assert changed == pytest.approx({"solver.rtol": 1e-5, "solver.atol": 1e-6})
