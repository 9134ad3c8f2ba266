"""Bits per dimension of a workdir's checkpoints, as files beside them."""

from pathlib import Path
from typing import Any

import jax

from build import Estimator, Experiment
from evaluation import LikelihoodEvaluator, results, terminal
from run.drivers import evaluated_source, likelihood_evaluator, writes
from storage import Workdir, versions


class EstimatorRun:
    """One estimator of an experiment on the test set, for the parameters of any step.

    A result that is there with the same settings is read, not computed again; one with other
    settings is left alone and the new one put beside it.
    """

    def __init__(self, workdir: Workdir, experiment: Experiment, name: str, estimator: Estimator):
        self._workdir = workdir
        self._experiment = experiment
        self._name = name
        self._settings = _settings(experiment, estimator)
        self._evaluator = likelihood_evaluator(experiment, estimator.likelihood)

    def known(self, step: int) -> dict[str, Any] | None:
        """The summary of a step, if it has been evaluated."""
        folder = self._folder(step)
        summary = results.load_result(folder)
        if summary is not None:
            terminal.say(f"already evaluated: {folder}")
        return summary

    def evaluate(self, step: int, params: Any) -> dict[str, Any]:
        """Evaluates the parameters of a step and returns the summary, written to its folder."""
        source = evaluated_source(self._experiment)
        evaluation = _with_progress(
            self._evaluator, f"{self._name} at step {step}", params, source, self._experiment
        )
        provenance = results.Provenance(
            self._name, step, self._experiment.dataset.fingerprint, self._settings, versions()
        )
        if not writes():
            return results.summarise(evaluation, provenance)
        folder = self._folder(step)
        summary = results.save_result(folder, evaluation, provenance)
        _say(folder, summary)
        return summary

    def _folder(self, step: int) -> Path:
        return self._workdir.result(step, self._name, self._settings)


def _settings(experiment: Experiment, estimator: Estimator) -> dict[str, Any]:
    """All that a result may depend on, and what its cost depends on."""
    return {
        **estimator.settings,
        "seed": experiment.identity["seed"],
        "eval.batch_size": experiment.eval.batch_size,
        "eval.num_images": experiment.eval.num_images,
        "data.fingerprint": experiment.dataset.fingerprint,
        "devices": jax.local_device_count(),
    }


def _with_progress(
    evaluator: LikelihoodEvaluator, title: str, params: Any, source, experiment: Experiment
):
    with terminal.progress(title, 0, len(source)) as update:
        stream = experiment.streams["eval"]
        return evaluator(params, source, stream, lambda done, _: update(done, "images"))


def _say(folder: Path, summary: dict[str, Any]) -> None:
    failed = len(summary["failed"])
    if failed:
        terminal.say(
            f"warning: {failed} of {failed + summary['num_images']} images failed and are not in "
            f"the mean; {folder / results.RESULT} lists them"
        )
    terminal.say(f"wrote {folder}")
