"""What a sweep's overrides are made of: grids, lists, random draws and seeds, and their products.

An override is ``{"section.key": value}``; a sweep is a list of them. Lists are chained by ``+``::

    def sweep():
        losses = grid({"objective.weighting": ["likelihood", "edm"]})
        rates = drawn(5, 0, {"optimizer.learning_rate": log_uniform(1e-4, 1e-2)})
        return product(losses + [{"objective.name": "ssm"}], rates, seeds(3))
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

Override = dict[str, Any]
Law = Callable[[Random], Any]


def grid(axes: Mapping[str, Iterable[Any]]) -> list[Override]:
    """Every combination of the values of each key; the last key changes fastest."""
    combinations = itertools.product(*axes.values())
    return [dict(zip(axes, values, strict=True)) for values in combinations]


def seeds(count: int) -> list[Override]:
    """The seeds 0 .. count - 1: runs that differ in them alone are averaged."""
    return grid({"seed": range(count)})


def drawn(count: int, seed: int, laws: Mapping[str, Law]) -> list[Override]:
    """Random values of each key, the same ones for the same seed.

    The first ones stay as they are when ``count`` is raised.
    """
    random = Random(seed)
    return [{key: law(random) for key, law in laws.items()} for _ in range(count)]


def product(*lists: Iterable[Mapping[str, Any]]) -> list[Override]:
    """Every combination of one override of each list; where two have a key, the later one wins."""
    return [_joined(each) for each in itertools.product(*lists)]


def _joined(overrides: Iterable[Mapping[str, Any]]) -> Override:
    return {key: value for override in overrides for key, value in override.items()}


def uniform(low: float, high: float) -> Law:
    """Even between two numbers."""
    return lambda random: random.uniform(low, high)


def log_uniform(low: float, high: float) -> Law:
    """Even in the logarithm between two positive numbers.

    Raises:
      ValueError: they are not positive.
    """
    if min(low, high) <= 0:
        raise ValueError(f"log_uniform needs positive numbers, got {low} and {high}")
    return lambda random: math.exp(random.uniform(math.log(low), math.log(high)))


def integers(low: int, high: int) -> Law:
    """Even over the whole numbers from low to high, both included."""
    return lambda random: random.randint(low, high)


def choice(*values: Any) -> Law:
    """One of these, each as likely."""
    return lambda random: random.choice(values)
