"""Likelihoods under a run's checkpoints, by the estimators of its configuration."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradlog.evaluation import LikelihoodEvaluator
from gradlog.evaluation.results import Result
from gradlog.run.classification import class_log_probs, classify, conditional_log_prob
from gradlog.run.drivers import likelihood_evaluator
from gradlog.run.evaluation import EstimatorRun
from gradlog.run.own import check_stored

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory


class LikelihoodRun:
    """Of data given by hand by the first estimator, of the test set by each."""

    def __init__(self, run: "RunDirectory"):
        self._run = run
        self._experiment = run.experiment

    def log_prob(self, x: np.ndarray, step: int | None, condition: Any) -> np.ndarray:
        """Nats of data as stored; see ``RunDirectory.log_prob``."""
        x, params = check_stored(x, self._experiment.dataset), self._run.params(step)
        if condition is not None:
            return conditional_log_prob(self._experiment, self._first, params, x, condition)
        found = self._first(params, x, self._experiment.streams["eval"])
        return np.where(found.good, found.account.nats, np.nan)

    def class_log_probs(self, x: np.ndarray, step: int | None) -> np.ndarray:
        """Nats of data as stored, by class; see ``RunDirectory.class_log_probs``."""
        x, params = check_stored(x, self._experiment.dataset), self._run.params(step)
        return class_log_probs(self._experiment, self._first, params, x)

    def results(self, step: int) -> list[Result]:
        """Of each estimator at a step, computed where not yet done."""
        params = self._run.params(step)  # once: it may be deleted before the last of them
        return [runner(step, params) for runner in self._runners]

    def classify(self, step: int) -> list[dict[str, Any]]:
        """Accuracy on the test set, by each estimator."""
        run = self._run
        return classify(run.workdir, self._experiment, step, run.params(step))

    @cached_property
    def _runners(self) -> list[EstimatorRun]:
        """Kept, so that further checkpoints do not compile again."""
        return [
            EstimatorRun(self._run.workdir, self._experiment, name, estimator)
            for name, estimator in self._experiment.estimators.items()
        ]

    @cached_property
    def _first(self) -> LikelihoodEvaluator:
        """Kept, so that further data of a size do not compile again."""
        first = next(iter(self._experiment.estimators.values()))
        return likelihood_evaluator(self._experiment, first)
