"""The distance between the laws of neighbors."""

import numpy as np
import pytest

from gradlog.studies.few_steps import pair_distance

LAW = np.array([[0.4, 0.1], [0.2, 0.3]])


def test_one_pair_alone_has_the_distance_of_all_others():
    distance, error = pair_distance(np.zeros((50, 4), int), LAW)
    assert distance == pytest.approx(0.6)
    assert error == pytest.approx(0)


def test_the_error_is_the_spread_of_repetitions():
    """Pairs are drawn far from the law, so that no sign of a difference changes."""
    rng, law = np.random.default_rng(0), [0.25, 0.25, 0.35, 0.15]
    drawn = rng.choice(4, p=law, size=(400, 200))
    found = np.array([pair_distance(np.stack([row // 2, row % 2], 1), LAW) for row in drawn])
    assert found[:, 0].mean() == pytest.approx(0.3, abs=0.01)
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.15)
