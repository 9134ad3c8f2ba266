"""Classes by Bayes, from given likelihoods."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import stats

from gradlog.evaluation.classification import Classification, class_log_probs
from gradlog.evaluation.uncertainty import wilson_interval

LIKELIHOODS = np.log([[0.2, 0.1, 0.4], [0.3, 0.3, 0.3], [0.1, 0.8, 0.1], [0.5, 0.1, 0.1]])
PRIOR = np.array([0.5, 0.3, 0.2])


def made(likelihoods=LIKELIHOODS, prior=PRIOR, labels=(0, 0, 1, 1)):
    with np.errstate(divide="ignore"):
        return Classification(likelihoods, np.log(prior), np.asarray(labels))


def test_the_posterior_is_that_of_bayes():
    joint = np.exp(LIKELIHOODS) * PRIOR
    want = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(made().log_posterior), want, rtol=1e-12)


def test_only_differences_of_log_likelihoods_count_however_large_they_are():
    shifted = made(LIKELIHOODS + np.array([[-900.0], [900.0], [0.0], [5.0]]))
    np.testing.assert_allclose(shifted.log_posterior, made().log_posterior, atol=1e-10)


def test_a_class_that_is_never_seen_is_never_taken():
    found = made(prior=np.array([0.0, 0.5, 0.5]))
    assert 0 not in found.predicted
    assert np.all(np.isneginf(found.log_posterior[:, 0]))
    told = np.mean(found.log_posterior[2:, 1])  # the first two images are of that class
    np.testing.assert_allclose(found.summary()["log_posterior_of_true_class"], told)


def test_the_summary_counts_what_is_right():
    summary = made().summary()
    assert made().predicted.tolist() == [0, 0, 1, 0]
    assert summary["accuracy"] == 0.75
    np.testing.assert_allclose(summary["standard_error"], 0.5 / 2)  # sd of 1, 1, 1, 0 over root 4
    assert summary["wrong"] == [3]
    assert summary["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    told = np.mean([made().log_posterior[i, k] for i, k in enumerate((0, 0, 1, 1))])
    np.testing.assert_allclose(summary["log_posterior_of_true_class"], told)


def test_images_that_failed_for_a_class_are_listed_and_not_counted():
    broken = LIKELIHOODS.copy()
    broken[1, 2] = np.nan
    summary = made(broken).summary()
    assert (summary["failed"], summary["num_images"]) == ([1], 3)
    assert summary["mean_over"] == "3 of 4 images; 1 failed"
    np.testing.assert_allclose(summary["accuracy"], 2 / 3)
    assert np.sum(summary["confusion"]) == 3


def test_an_interval_of_accuracy_has_a_length_where_all_are_right():
    interval = made(labels=(0, 0, 1, 0)).summary()["interval"]
    z = 1.959963984540054
    np.testing.assert_allclose(interval["low"], 4 / (4 + z**2))  # of (1 - p)/p = z^2/n
    assert (interval["level"], interval["high"]) == (0.95, 1.0)


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 4), (17, 40), (290, 297)])
def test_the_interval_is_scipys(right, count):
    found = wilson_interval(right, count)
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose((found["low"], found["high"]), expected, rtol=1e-12, atol=1e-15)


def test_no_trials_have_no_interval():
    assert np.isnan([wilson_interval(0, 0)[end] for end in ("low", "high")]).all()


class Planning:
    """An evaluator that counts its plans, and keeps those that it is called with."""

    model = SimpleNamespace(num_classes=3)

    def __init__(self):
        self.plans, self.used = [], []

    def plan(self, params, shape):
        self.plans.append(shape)
        return object()

    def __call__(self, params, source, stream, progress, *, cache, condition, plan):
        self.used.append(plan)
        return SimpleNamespace(nats=np.full(len(source), -condition))


def test_all_classes_are_evaluated_with_one_plan():
    evaluator = Planning()
    found = class_log_probs(evaluator, {}, np.zeros((5, 8, 8, 1)), jax.random.key(0))
    np.testing.assert_array_equal(found, np.tile([0, -1, -2], (5, 1)))
    assert evaluator.plans == [(8, 8, 1)]
    assert len(evaluator.used) == 3
    assert len(set(map(id, evaluator.used))) == 1
    assert evaluator.used[0] is not None
