"""Bits per dimension of a workdir's checkpoints, as files beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradlog import terminal
from gradlog.data import Source
from gradlog.distributed import there, writes
from gradlog.evaluation import Evaluation, LikelihoodEvaluator, results
from gradlog.evaluation.settings import changed_fields
from gradlog.evaluation.uncertainty import DEQUANTIZATION, NOISE_AT_EPS, convergence
from gradlog.evaluation.unfinished import Unfinished
from gradlog.experiment.experiment import Estimator, Experiment
from gradlog.likelihood import Continuous, Noised, tightened
from gradlog.run.drivers import evaluated_source, likelihood_evaluator
from gradlog.run.holding import held
from gradlog.storage import Workdir, digest_arrays, versions, write_json

_PARTIAL = "partial"


class EstimatorRun:
    """One estimator of an experiment on the test set, for the parameters of any step.

    A result that is there with the same settings is read, not computed again; one that was
    interrupted goes on from its finished batches; one with other settings is left alone and the new
    one put beside it.
    """

    def __init__(self, workdir: Workdir, experiment: Experiment, name: str, estimator: Estimator):
        self._workdir = workdir
        self._experiment = experiment
        self._name = name
        self._estimator = estimator
        self._evaluator = likelihood_evaluator(experiment, estimator)

    def __call__(self, step: int, params: Any) -> results.Result:
        """The result for the parameters of a step, from its folder or computed and written."""
        settings = self._settings(params)
        folder = self._workdir.result(step, self._name, settings)
        known = self._known(folder)
        if known is not None:
            return known
        with held(folder):  # which another process may have finished meanwhile
            return self._known(folder) or self.evaluate(step, params, settings, folder)

    @staticmethod
    def _known(folder: Path) -> results.Result | None:
        """The result in a folder, if there is one."""
        if not there(folder / results.RESULT):
            return None
        terminal.say(f"already evaluated: {folder}")
        Unfinished(folder / _PARTIAL).discard()  # of a process killed before it could
        return results.load_result(folder)

    def evaluate(self, step: int, params: Any, settings: dict, folder: Path) -> results.Result:
        """Evaluates parameters and writes the result to a folder."""
        if writes():
            write_json(
                folder / "settings.json", settings
            )  # from now on the folder is this result's
        made_with = {"settings": settings, "versions": versions()}
        store = Unfinished.open(folder / _PARTIAL, made_with)
        title = f"{self._name} at step {step}"
        source = evaluated_source(self._experiment)
        evaluation = self._evaluate(self._evaluator, title, params, source, store)
        second = self._second_look(evaluation, title, params, store)
        change = self._convergence(evaluation, title, params, store)
        provenance = self._provenance(step, settings)
        summary = results.summarize(evaluation, provenance, second, change)
        if writes():
            results.save_result(folder, evaluation, provenance, summary)
            store.discard()
            _say(folder, summary)
        return results.Result(summary, evaluation.account.bits_per_dim, evaluation.good, folder)

    def _evaluate(
        self,
        evaluator: LikelihoodEvaluator,
        title: str,
        params: Any,
        source: Source,
        store: Unfinished,
        look: int = 0,
    ) -> Evaluation:
        stream = self._experiment.streams["eval"]
        with terminal.progress(title, 0, len(source)) as update:
            tell = lambda done, _: update(done, "images")  # noqa: E731
            return evaluator(params, source, stream, tell, store=store, look=look)

    def _second_look(
        self, evaluation: Evaluation, title: str, params: Any, store: Unfinished
    ) -> Evaluation | None:
        """The first images with another draw of all that is random; None where nothing else is."""
        count = min(self._experiment.eval.second_look, len(evaluation.ok))
        if not count or not self._hides_a_draw(evaluation):
            return None
        source, within = self._first(count), store.within("second_look")
        return self._evaluate(
            self._evaluator, f"{title}, second look", params, source, within, look=1
        )

    def _hides_a_draw(self, evaluation: Evaluation) -> bool:
        """Whether something is drawn whose error the estimator does not tell."""
        errors = [error[evaluation.good] for error in evaluation.errors.values()]
        return bool(self._drawn) or any(np.isnan(error).any() for error in errors)

    @property
    def _drawn(self) -> tuple[str, ...]:
        """What places a datum; a bound tells its noise at eps with its times."""
        inner = getattr(self._estimator.likelihood, "likelihood", None)
        noised = isinstance(getattr(inner, "start", None), Noised)
        dequantized = not isinstance(self._estimator.dequantization, Continuous)
        return (DEQUANTIZATION,) * dequantized + (NOISE_AT_EPS,) * noised

    def _convergence(
        self, evaluation: Evaluation, title: str, params: Any, store: Unfinished
    ) -> dict[str, Any] | None:
        """The change of the first images' mean with tighter numerics and the same draws."""
        count = min(self._experiment.eval.convergence_images, len(evaluation.ok))
        tighter = tightened(self._estimator.likelihood)
        if not count or tighter is None:
            if count:
                terminal.say(f"{self._name}: there is nothing to tighten")
            return None
        source, within = self._first(count), store.within("tightened")
        evaluator = replace(self._evaluator, likelihood=tighter)
        again = self._evaluate(evaluator, f"{title}, tightened", params, source, within)
        return convergence(evaluation, again, changed_fields(self._estimator.likelihood, tighter))

    def _first(self, count: int) -> Source:
        return self._experiment.dataset.test[np.arange(count)]

    def _provenance(self, step: int, settings: dict) -> results.Provenance:
        eps = {
            "evaluated": settings["likelihood.eps"],
            "trained": self._experiment.loss.eps,
            "start": settings.get("likelihood.start", "noised"),  # as every bound does
        }
        fingerprint = self._experiment.dataset.fingerprint
        return results.Provenance(
            self._name, step, fingerprint, eps, settings, versions(), self._drawn
        )

    def _settings(self, params: Any) -> dict[str, Any]:
        """All that a result depends on, and what its cost depends on."""
        experiment = self._experiment
        return {
            **self._estimator.settings,
            "seed": experiment.identity["seed"],
            **{f"eval.{name}": value for name, value in vars(experiment.eval).items()},
            "data.fingerprint": experiment.dataset.fingerprint,
            "parameters": digest_arrays(params),
            "devices": jax.local_device_count(),
        }


def _say(folder: Path, summary: dict[str, Any]) -> None:
    if summary["failed"]:
        path = folder / results.RESULT
        terminal.say(f"warning: the mean is over {summary['mean_over']}; {path} lists them")
    terminal.say(f"wrote {folder}")
