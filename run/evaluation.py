"""Bits per dimension of a workdir's checkpoints, as files beside them."""

from pathlib import Path
from typing import Any

import jax

from evaluation import LikelihoodEvaluator, results, terminal
from run.drivers import evaluated_source, likelihood_evaluator, writes
from storage import Workdir, digest_arrays, versions
from wiring.experiment import Estimator, Experiment


class EstimatorRun:
    """One estimator of an experiment on the test set, for the parameters of any step.

    A result that is there with the same settings is read, not computed again; one with other
    settings is left alone and the new one put beside it.
    """

    def __init__(self, workdir: Workdir, experiment: Experiment, name: str, estimator: Estimator):
        self._workdir = workdir
        self._experiment = experiment
        self._name = name
        self._own_settings = estimator.settings
        self._evaluator = likelihood_evaluator(experiment, estimator.likelihood)

    def __call__(self, step: int, params: Any) -> dict[str, Any]:
        """The summary for the parameters of a step, from its folder or computed and written."""
        settings = self._settings(params)
        folder = self._workdir.result(step, self._name, settings)
        known = results.load_result(folder)
        if known is not None:
            terminal.say(f"already evaluated: {folder}")
            return known
        return self.evaluate(step, params, settings, folder)

    def evaluate(self, step: int, params: Any, settings: dict, folder: Path) -> dict[str, Any]:
        """Evaluates parameters and writes the result to a folder."""
        source = evaluated_source(self._experiment)
        evaluation = _with_progress(
            self._evaluator, f"{self._name} at step {step}", params, source, self._experiment
        )
        provenance = results.Provenance(
            self._name, step, self._experiment.dataset.fingerprint, settings, versions()
        )
        if not writes():
            return results.summarise(evaluation, provenance)
        summary = results.save_result(folder, evaluation, provenance)
        _say(folder, summary)
        return summary

    def _settings(self, params: Any) -> dict[str, Any]:
        """All that a result depends on, and what its cost depends on."""
        experiment = self._experiment
        return {
            **self._own_settings,
            "seed": experiment.identity["seed"],
            "eval.batch_size": experiment.eval.batch_size,
            "eval.num_images": experiment.eval.num_images,
            "data.fingerprint": experiment.dataset.fingerprint,
            "parameters": digest_arrays(params),
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
