"""Which results have the same settings, so that the lowest of them means something."""

import json
from collections.abc import Mapping
from typing import Any

from gradlog.evaluation.results import Result, common_settings


def comparable(results: list[Result], own: Mapping[str, Any]) -> dict[str, list[Result]]:
    """By estimator the results of one group of settings: the one that counts.

    That is one with a number, on the most images, with the fewest settings that are not the run's
    own, with the most steps; in this order.

    Args:
      results: in their order, which is kept.
      own: the run's settings by dotted key.
    """
    stored, found = json.loads(json.dumps(dict(own))), {}
    for (name, _), group in _groups(results).items():
        rank = _rank(group, stored)
        if name not in found or rank > found[name][0]:
            found[name] = rank, group
    return {name: group for name, (_, group) in found.items()}


def differing(result: Result, like: Result) -> dict[str, Any]:
    """The settings of a result that another has not, by dotted key; None where it has no such."""
    ours, theirs = (common_settings(each.folder) for each in (result, like))
    return {name: ours.get(name) for name in theirs | ours if ours.get(name) != theirs.get(name)}


def _groups(results: list[Result]) -> dict[tuple[str, str], list[Result]]:
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        settings = json.dumps(common_settings(result.folder), sort_keys=True)
        found.setdefault((result.summary["estimator"], settings), []).append(result)
    return found


def _rank(group: list[Result], own: Mapping[str, Any]) -> tuple[bool, int, int, int]:
    settings = common_settings(group[0].folder)
    foreign = sum(own.get(name, value) != value for name, value in settings.items())
    numbers = [result.summary["bits_per_dim"] for result in group]
    return any(n is not None for n in numbers), len(group[0].ok), -foreign, len(group)
