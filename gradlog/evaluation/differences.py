"""Paired differences between results on the same images."""

from collections.abc import Iterable
from itertools import combinations, product
from typing import Any

from gradlog.evaluation.results import Result
from gradlog.evaluation.uncertainty import mean
from gradlog.terminal import say

# Estimators of a bound on the SDE's likelihood; the others compute the ODE's.
BOUNDS = frozenset({"bound", "vlb"})
WHAT_A_BOUND_BOUNDS = (
    "a bound holds for the SDE's likelihood while the ODE computes its own: with an imperfect "
    "score a gap of either sign is possible, and a negative one is not an error"
)


class IncomparableError(ValueError):
    """Results that are not of the same images, or fewer than two."""


class NothingInCommonError(IncomparableError):
    """Results of the same images, none of which succeeded in both."""


def paired(minuend: Result, subtrahend: Result, names: tuple[str, str]) -> dict[str, Any]:
    """The mean difference in bits/dim over the images that succeeded in both, with its interval.

    Raises:
      IncomparableError: the two are of other images.
      NothingInCommonError: no image succeeded in both.
    """
    check_same_images(minuend, subtrahend, names)
    both = minuend.ok & subtrahend.ok
    difference = mean(minuend.bits_per_dim[both] - subtrahend.bits_per_dim[both])
    if not difference.count:
        raise NothingInCommonError(
            f"{names[0]} and {names[1]} have no image that succeeded in both"
        )
    return {
        "minuend": names[0],
        "subtrahend": names[1],
        "bits_per_dim": difference.value,
        "standard_error": difference.standard_error,
        "interval": difference.interval,
        "num_images": difference.count,
        "failed_in_either": int((~both).sum()),
        "minuend_folder": minuend.folder.name,
        "subtrahend_folder": subtrahend.folder.name,
    }


def all_paired(pairs: Iterable[tuple[Result, Result, tuple[str, str]]]) -> list[dict[str, Any]]:
    """A row for each pair, named; a pair without a common image is left out and told in a line."""
    rows = []
    for minuend, subtrahend, names in pairs:
        try:
            rows.append(paired(minuend, subtrahend, names))
        except NothingInCommonError as error:
            say(f"warning: {error}: there is no difference between them")
    return rows


def check_same_images(a: Result, b: Result, names: tuple[str, str]) -> None:
    """Raises IncomparableError where the two are not of the same images."""
    fingerprints = [result.summary["data_fingerprint"] for result in (a, b)]
    if fingerprints[0] != fingerprints[1]:
        raise IncomparableError(
            f"{names[0]} is of the data {fingerprints[0]}, {names[1]} of {fingerprints[1]}: "
            "only results on the same data can be compared"
        )
    if len(a.ok) != len(b.ok):
        raise IncomparableError(
            f"{names[0]} has {len(a.ok)} images, {names[1]} has {len(b.ok)}: evaluate the same "
            "config.eval.num_images in both"
        )


def between_estimators(results: dict[str, Result]) -> list[dict[str, Any]]:
    """Every bound minus every estimate of the ODE's likelihood, then each kind among itself.

    Args:
      results: of one checkpoint, by the estimator's name.
    """
    bounds = [name for name in results if name in BOUNDS]
    flows = [name for name in results if name not in BOUNDS]
    pairs = [*product(bounds, flows), *combinations(flows, 2), *combinations(bounds, 2)]
    return all_paired((results[a], results[b], (a, b)) for a, b in pairs)
