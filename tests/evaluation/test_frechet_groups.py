"""The moments without a group of the samples, from which FID has its error and its limit."""

import numpy as np

from gradlog.evaluation.quality import moments
from gradlog.evaluation.quality.frechet import _left_out


def test_moments_without_a_group_are_those_of_the_rest():
    x = np.random.default_rng(0).normal(3.0, 1.0, (11, 2))
    for group, found in enumerate(_left_out(x, 4)):
        rest = moments(np.delete(x, np.s_[group::4], axis=0))
        assert found.count == rest.count
        np.testing.assert_allclose(found.mean, rest.mean, rtol=1e-12)
        np.testing.assert_allclose(found.covariance, rest.covariance, rtol=1e-12, atol=1e-12)
