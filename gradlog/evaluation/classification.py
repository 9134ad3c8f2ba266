"""Classes of images by the likelihoods that a class-conditional model gives them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Num

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.data import Source, class_frequencies, names_of_classes
from gradlog.distributed import is_writer
from gradlog.evaluation.batch_cache import BatchCache
from gradlog.evaluation.bits_per_dim import (
    PER_IMAGE,
    SETTINGS,
    finish_once,
    reading_result,
    result_settings,
)
from gradlog.evaluation.devices import Progress
from gradlog.evaluation.likelihood import (
    LikelihoodEvaluator,
    evaluated_source,
    likelihood_evaluator,
)
from gradlog.evaluation.uncertainty import count_of, mean, wilson_interval
from gradlog.experiment.experiment import Experiment
from gradlog.storage import (
    Workdir,
    digest_params,
    list_versions,
    read_sealed,
    write_json,
    write_npz,
    write_sealed,
)

RESULT = "accuracy.json"


@dataclass(frozen=True)
class Classification:
    """Examples with their likelihoods under each class, and their true class.

    Attributes:
      log_likelihoods: ``log p(x | c)`` in nats, by the same draws for all classes.
      log_prior: ``log p(c)`` in nats; -inf for a class that never occurs.
      labels: the true class of each example.
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
        """The examples whose likelihoods are finite under every class."""
        return np.asarray(np.isfinite(self.log_likelihoods).all(axis=1))

    @property
    def predicted(self) -> Int[np.ndarray, " n"]:
        """The likeliest class of each example."""
        return np.argmax(self.log_posterior, axis=1)

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """The number of examples of each true class (row) by predicted class (column)."""
        counts = np.zeros((len(self.log_prior),) * 2, int)
        np.add.at(counts, (self.labels[self.good], self.predicted[self.good]), 1)
        return counts

    def summary(self) -> dict[str, Any]:
        """Return the accuracy with its errors, and the mean ``log p(true class | x)`` in nats.

        That mean is over the examples whose class occurs in training; elsewhere it is -inf.
        """
        good, labels = self.good, self.labels
        correct = (self.predicted == labels)[good]
        right = mean(correct.astype(float))
        possible = good & np.isfinite(self.log_prior[labels])
        of_true_class = mean(self.log_posterior[np.arange(len(labels)), labels][possible])
        return {
            "accuracy": right.value,
            "standard_error": right.standard_error,
            "interval": wilson_interval(int(correct.sum()), len(correct)),
            "log_posterior_of_true_class": of_true_class.value,
            "num_images": int(good.sum()),
            "wrong": np.flatnonzero(good & (self.predicted != labels)).tolist(),
            "failed": np.flatnonzero(~good).tolist(),
            "mean_over": count_of(int(good.sum()), int((~good).sum())),
            "confusion": self.confusion.tolist(),
        }


def class_log_probs(
    evaluator: LikelihoodEvaluator,
    params: Any,
    source: Source | Num[np.ndarray, "n *D"],
    stream: jax.Array,
    progress: Progress = lambda done: None,
    cache_of: Callable[[int], BatchCache | None] = lambda label: None,
) -> Float[np.ndarray, "n classes"]:
    """Return ``log p(x | c)`` of every example for every class c, in nats; NaN where it failed.

    An example has the same dequantization, noises and probes for all classes. So what is random
    cancels in their comparison as far as the classes agree on it.

    Args:
      evaluator: of a class-conditional model.
      params: its parameters.
      source: examples as stored.
      stream: root of the keys of the examples.
      progress: is called with the number of finished pairs of an example and a class.
      cache_of: returns the cache of finished batches of a class.

    Raises:
      ConfigError: the model is not class-conditional.
    """
    classes, count = _num_classes(evaluator), len(source)
    plan = evaluator.plan(params, np.shape(source[np.arange(1)])[1:])
    columns = []
    for label in range(classes):
        tell = lambda done, label=label: progress(label * count + done)  # noqa: E731
        found = evaluator(
            params, source, stream, tell, cache=cache_of(label), condition=label, plan=plan
        )
        columns.append(found.nats)
    return np.stack(columns, axis=1)


def conditional_log_prob(
    evaluator: LikelihoodEvaluator,
    params: Any,
    source: Source | Num[np.ndarray, "n *D"],
    stream: jax.Array,
    condition: Int[np.ndarray, " n"] | int,
) -> Float[np.ndarray, " n"]:
    """Return ``log p(x | c)`` in nats of every example, for one class or for a class of its own.

    Each example is evaluated once, with the draws that it has in `class_log_probs`.

    Raises:
      ConfigError: the model is not class-conditional, or has no such class.
    """
    classes = _num_classes(evaluator)
    labels = np.broadcast_to(np.asarray(condition), len(source))
    if not np.issubdtype(labels.dtype, np.integer):
        raise ConfigError(f"a class is a whole number, got {labels.dtype}")
    if np.any((labels < 0) | (labels >= classes)):
        raise ConfigError(f"classes must lie in 0 .. {classes - 1}, got {np.unique(labels)}")
    nats = np.full(len(source), np.nan)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        found = evaluator(params, source, stream, condition=int(label), only=of_class)
        nats[of_class] = found.nats
    return nats


def _num_classes(evaluator: LikelihoodEvaluator) -> int:
    if classes := evaluator.model.num_classes:
        return classes
    raise ConfigError(
        "config.model.num_classes is 0: classes need a class-conditional model, such as "
        "configs/conditional/digits.py trains"
    )


def classify(
    workdir: Workdir, experiment: Experiment, step: int, params: Any
) -> list[dict[str, Any]]:
    """Classify the test set at a step by each estimator of the config, and write the results.

    The folder ``classify/STEP/ESTIMATOR`` has the summary, ``accuracy.json``, and
    ``per_image.npz``, the classes and likelihoods of each image. A result with the same settings is
    read; an interrupted one resumes from its finished batches.

    Raises:
      ConfigError: the model is not class-conditional.
      DataError: the data have no classes.
    """
    return [_classify_by(name, workdir, experiment, step, params) for name in experiment.estimators]


def _classify_by(
    name: str, workdir: Workdir, experiment: Experiment, step: int, params: Any
) -> dict[str, Any]:
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    classes = _num_classes(evaluator)
    settings = result_settings(experiment, experiment.estimators[name], digest_params(params)) | {
        "eval.batch_size": experiment.eval.batch_size,
        "eval.num_images": experiment.eval.num_images,
    }
    folder = workdir.result("classify", step, name, settings=settings)

    def load(folder: Path) -> dict[str, Any]:
        with reading_result(folder, "classify"):
            return read_sealed(folder / RESULT, (PER_IMAGE, SETTINGS))

    def compute() -> dict[str, Any]:
        if is_writer():
            write_json(folder / SETTINGS, settings)  # this claims the folder for these settings
        with np.errstate(divide="ignore"):
            log_prior = np.log(class_frequencies(experiment.dataset))
        source, cache = evaluated_source(experiment), BatchCache.open(folder, settings)
        title = f"classes by {name} at step {step}"
        with terminal.progress(title, 0, len(source) * classes) as update:
            nats = class_log_probs(
                evaluator,
                params,
                source,
                experiment.streams["eval"],
                lambda done: update(done, "images and classes"),
                lambda label: cache.within(str(label)),
            )
        labels = np.asarray(experiment.dataset.test_labels)[: len(source)]
        found = Classification(nats, log_prior, labels)
        where = {"estimator": name, "step": step, "prior": np.exp(log_prior).tolist()}
        if unseen := int(np.isneginf(log_prior[labels]).sum()):
            terminal.say(
                f"warning: {unseen} of {len(labels)} images have a class without a training "
                "example; they can't be found right"
            )
        names = names_of_classes(experiment.dataset, classes)
        summary = where | found.summary() | {"classes": names, "versions": list_versions()}
        if is_writer():
            arrays = {
                "classes": np.asarray(names),
                "labels": found.labels,
                "predicted": found.predicted,
                "log_likelihoods": found.log_likelihoods,
                "log_posterior": found.log_posterior,
                "ok": found.good,
            }
            write_npz(folder / PER_IMAGE, arrays)
            write_sealed(folder / RESULT, summary, [PER_IMAGE, SETTINGS])
            cache.discard()
            terminal.say(f"wrote {folder}")
        return summary

    return finish_once(folder / RESULT, "classified", load, compute)
