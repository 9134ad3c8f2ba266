"""Grids, lists, draws and seeds."""

import math

import pytest

from gradlog.sweeps.overrides import (
    choice,
    draw,
    grid,
    integers,
    log_uniform,
    product,
    seeds,
    uniform,
)


def test_last_key_of_a_grid_changes_fastest():
    assert grid({"sde.name": ["vp", "ve"], "seed": (1, 2)}) == [
        {"sde.name": "vp", "seed": 1},
        {"sde.name": "vp", "seed": 2},
        {"sde.name": "ve", "seed": 1},
        {"sde.name": "ve", "seed": 2},
    ]
    assert grid({}) == [{}]


def test_later_override_wins_in_a_product():
    found = product([{"a": 1, "b": 1}, {"b": 2}], grid({"b": [3]}), seeds(2))
    assert found == [
        {"a": 1, "b": 3, "seed": 0},
        {"a": 1, "b": 3, "seed": 1},
        {"b": 3, "seed": 0},
        {"b": 3, "seed": 1},
    ]


def test_draws_depend_on_the_seed_and_more_draws_keep_the_first():
    distributions = {"a": uniform(2, 3), "b": log_uniform(1e-4, 1e-2), "c": choice("x", "y")}
    assert draw(4, 1, distributions) == draw(9, 1, distributions)[:4]
    assert draw(4, 1, distributions) != draw(4, 2, distributions)


def test_draws_follow_their_distributions():
    distributions = {"a": uniform(2, 3), "b": log_uniform(1e-4, 1e-2), "c": choice("x", "y")}
    found = draw(4000, 0, distributions | {"d": integers(1, 3)})
    assert all(2 <= each["a"] <= 3 for each in found)
    assert sum(each["a"] for each in found) / 4000 == pytest.approx(2.5, abs=0.02)
    logs = [math.log10(each["b"]) for each in found]
    assert -4 <= min(logs) <= max(logs) <= -2
    assert sum(logs) / 4000 == pytest.approx(-3, abs=0.04)
    assert sum(each["c"] == "x" for each in found) / 4000 == pytest.approx(0.5, abs=0.04)
    assert {each["d"] for each in found} == {1, 2, 3}


def test_log_uniform_needs_positive_numbers():
    with pytest.raises(ValueError, match=r"log_uniform needs positive numbers, got 0 and 1"):
        log_uniform(0, 1)
