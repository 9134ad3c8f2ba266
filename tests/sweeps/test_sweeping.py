"""Grids, lists, draws and seeds."""

import math

import pytest

from gradlog.sweeps.overrides import (
    choice,
    drawn,
    grid,
    integers,
    log_uniform,
    product,
    seeds,
    uniform,
)


def test_a_grid_has_every_combination_the_last_key_fastest():
    assert grid({"sde.name": ["vp", "ve"], "seed": (1, 2)}) == [
        {"sde.name": "vp", "seed": 1},
        {"sde.name": "vp", "seed": 2},
        {"sde.name": "ve", "seed": 1},
        {"sde.name": "ve", "seed": 2},
    ]
    assert grid({}) == [{}]


def test_a_product_joins_and_the_later_wins():
    found = product([{"a": 1, "b": 1}, {"b": 2}], grid({"b": [3]}), seeds(2))
    assert found == [
        {"a": 1, "b": 3, "seed": 0},
        {"a": 1, "b": 3, "seed": 1},
        {"b": 3, "seed": 0},
        {"b": 3, "seed": 1},
    ]


def test_draws_are_the_same_for_a_seed_and_the_first_stay_when_there_are_more():
    laws = {"a": uniform(2, 3), "b": log_uniform(1e-4, 1e-2), "c": choice("x", "y")}
    assert drawn(4, 1, laws) == drawn(9, 1, laws)[:4]
    assert drawn(4, 1, laws) != drawn(4, 2, laws)


def test_draws_have_their_laws():
    laws = {"a": uniform(2, 3), "b": log_uniform(1e-4, 1e-2), "c": choice("x", "y")}
    found = drawn(4000, 0, laws | {"d": integers(1, 3)})
    assert all(2 <= each["a"] <= 3 for each in found)
    assert sum(each["a"] for each in found) / 4000 == pytest.approx(2.5, abs=0.02)
    logs = [math.log10(each["b"]) for each in found]
    assert -4 <= min(logs) <= max(logs) <= -2
    assert sum(logs) / 4000 == pytest.approx(-3, abs=0.04)
    assert sum(each["c"] == "x" for each in found) / 4000 == pytest.approx(0.5, abs=0.04)
    assert {each["d"] for each in found} == {1, 2, 3}


def test_a_logarithm_needs_positive_numbers():
    with pytest.raises(ValueError, match=r"log_uniform needs positive numbers, got 0 and 1"):
        log_uniform(0, 1)
