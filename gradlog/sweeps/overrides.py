"""Lists of overrides for a sweep: grids, random draws, seeds, and their products.

An override is ``{"section.key": value}``, and a sweep is a list of overrides. Join lists by ``+``::

    def sweep():
        losses = grid({"objective.weighting": ["likelihood", "edm"]})
        rates = draw(5, 0, {"optimizer.learning_rate": log_uniform(1e-4, 1e-2)})
        return product(losses + [{"objective.name": "ssm"}], rates, seeds(3))
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

Override = dict[str, Any]
Distribution = Callable[[Random], Any]


def grid(axes: Mapping[str, Iterable[Any]]) -> list[Override]:
    """Return every combination of the values of each key. The last key changes fastest.

    >>> grid({"sde.name": ["vp", "ve"], "training.steps": [100]})
    [{'sde.name': 'vp', 'training.steps': 100}, {'sde.name': 've', 'training.steps': 100}]
    """
    combinations = itertools.product(*axes.values())
    return [dict(zip(axes, values, strict=True)) for values in combinations]


def seeds(count: int) -> list[Override]:
    """Return the seeds 0 to count - 1. The results average runs that differ in the seed only."""
    return grid({"seed": range(count)})


def draw(count: int, seed: int, distributions: Mapping[str, Distribution]) -> list[Override]:
    """Draw random values of each key. The same seed gives the same values.

    A larger ``count`` adds values and keeps the first ones.
    """
    random = Random(seed)
    return [
        {key: distribution(random) for key, distribution in distributions.items()}
        for _ in range(count)
    ]


def product(*lists: Iterable[Mapping[str, Any]]) -> list[Override]:
    """Return every combination of one override from each list.

    If two overrides have the same key, the later one wins.
    """
    return [
        {key: value for override in overrides for key, value in override.items()}
        for overrides in itertools.product(*lists)
    ]


def uniform(low: float, high: float) -> Distribution:
    """Return the uniform distribution between two numbers."""
    return lambda random: random.uniform(low, high)


def log_uniform(low: float, high: float) -> Distribution:
    """Return the distribution between two positive numbers whose logarithm is uniform.

    Raises:
      ValueError: a number is not positive.
    """
    if min(low, high) <= 0:
        raise ValueError(f"log_uniform needs positive numbers, got {low} and {high}")
    return lambda random: math.exp(random.uniform(math.log(low), math.log(high)))


def integers(low: int, high: int) -> Distribution:
    """Return the uniform distribution over the whole numbers from low to high, both included."""
    return lambda random: random.randint(low, high)


def choice(*values: Any) -> Distribution:
    """Return the uniform distribution over these values."""
    return lambda random: random.choice(values)
