"""Which class an example has, by what each class says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from gradlog.data import Source
from gradlog.evaluation.likelihood import LikelihoodEvaluator, Nowhere, Progress, Store
from gradlog.evaluation.uncertainty import mean, of_all, wilson_interval


@dataclass(frozen=True)
class Classification:
    """Examples with what each class says of them, and the class that they have.

    Attributes:
      log_likelihoods: ``log p(x | c)`` in nats, by the same draws for all classes.
      log_prior: ``log p(c)`` in nats; -inf for a class that is never seen.
      labels: the true class of each.
    """

    log_likelihoods: Float[np.ndarray, "n classes"]
    log_prior: Float[np.ndarray, " classes"]
    labels: Int[np.ndarray, " n"]

    @cached_property
    def log_posterior(self) -> Float[np.ndarray, "n classes"]:
        """``log p(c | x) = log p(x | c) + log p(c) - log sum_k p(x | k) p(k)`` in nats (Bayes)."""
        joint = self.log_likelihoods.astype(np.float64) + self.log_prior
        largest = joint.max(axis=1, keepdims=True)
        return joint - largest - np.log(np.exp(joint - largest).sum(axis=1, keepdims=True))

    @property
    def good(self) -> Bool[np.ndarray, " n"]:
        """Examples of which every class had something finite to say."""
        return np.asarray(np.isfinite(self.log_likelihoods).all(axis=1))

    @property
    def predicted(self) -> Int[np.ndarray, " n"]:
        """The likeliest class of each."""
        return np.argmax(self.log_posterior, axis=1)

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """How many examples of each class (a row) are taken for each class (a column)."""
        counts = np.zeros((len(self.log_prior),) * 2, int)
        np.add.at(counts, (self.labels[self.good], self.predicted[self.good]), 1)
        return counts

    def summary(self) -> dict[str, Any]:
        """Accuracy with its errors, and the mean ``log p(true class | x)`` in nats."""
        good, labels = self.good, self.labels
        correct = (self.predicted == labels)[good]
        right = mean(correct.astype(float))
        told = mean(self.log_posterior[np.arange(len(labels)), labels][good])
        return {
            "accuracy": right.value,
            "standard_error": right.standard_error,
            "interval": wilson_interval(int(correct.sum()), len(correct)),
            "log_posterior_of_true_class": told.value,
            "num_images": int(good.sum()),
            "wrong": np.flatnonzero(good & (self.predicted != labels)).tolist(),
            "failed": np.flatnonzero(~good).tolist(),
            "mean_over": of_all(int(good.sum()), int((~good).sum())),
            "confusion": self.confusion.tolist(),
        }


def class_log_likelihoods(
    evaluator: LikelihoodEvaluator,
    params: Any,
    source: Source,
    stream: jax.Array,
    progress: Progress = lambda *_: None,
    store_of: Callable[[int], Store] = lambda _: Nowhere(),
) -> Float[np.ndarray, "n classes"]:
    """``log p(x | c)`` of every example for every class c, in nats; NaN where it failed.

    For all classes an example is dequantized alike, and its noises and probes are the same: what is
    random goes out of the comparison as far as the classes agree on it.

    Args:
      evaluator: of a class-conditional model.
      params: its parameters.
      source: examples as stored.
      stream: root of the examples' keys.
      progress: told how many pairs of an example and a class are done, and of how many.
      store_of: where the finished batches of a class are kept.
    """
    classes, count = evaluator.model.num_classes, len(source)

    def nats_of(label: int) -> Float[np.ndarray, " n"]:
        tell = lambda done, _: progress(label * count + done, classes * count)  # noqa: E731
        found = evaluator(params, source, stream, tell, store=store_of(label), condition=label)
        return np.where(found.good, found.account.nats, np.nan)

    return np.stack([nats_of(label) for label in range(classes)], axis=1)


def conditional_log_likelihood(
    evaluator: LikelihoodEvaluator,
    params: Any,
    source: Source,
    stream: jax.Array,
    labels: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """``log p(x | c)`` in nats of every example for a class of its own.

    Each example is evaluated once, with the draws it has in ``class_log_likelihoods``.
    """
    nats = np.full(len(source), np.nan)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        found = evaluator(params, source, stream, condition=int(label), only=of_class)
        nats[of_class] = np.where(found.good, found.account.nats, np.nan)
    return nats
