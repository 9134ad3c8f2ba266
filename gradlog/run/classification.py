"""Classes of images by the likelihoods that a class-conditional model gives them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Num

from gradlog import terminal
from gradlog.data import class_frequencies
from gradlog.distributed import there, writes
from gradlog.evaluation import LikelihoodEvaluator
from gradlog.evaluation.classification import (
    Classification,
    class_log_likelihoods,
    conditional_log_likelihood,
)
from gradlog.evaluation.results import PER_IMAGE, SETTINGS, whole
from gradlog.evaluation.unfinished import Unfinished
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.reader import ConfigError
from gradlog.run.drivers import evaluated_source, likelihood_evaluator
from gradlog.run.holding import held
from gradlog.storage import (
    Workdir,
    digest_arrays,
    read_sealed,
    versions,
    write_json,
    write_npz,
    write_sealed,
)

RESULT = "accuracy.json"


def class_log_probs(
    experiment: Experiment,
    evaluator: LikelihoodEvaluator,
    params: Any,
    x: Num[np.ndarray, "n *D"],
) -> Float[np.ndarray, "n classes"]:
    """``log p(x | c)`` in nats of data as stored.

    Raises:
      ConfigError: the model is told no class.
    """
    check_conditional(experiment)
    return class_log_likelihoods(evaluator, params, x, experiment.streams["eval"])


def conditional_log_prob(
    experiment: Experiment,
    evaluator: LikelihoodEvaluator,
    params: Any,
    x: Num[np.ndarray, "n *D"],
    condition: Any,
) -> Float[np.ndarray, " n"]:
    """``log p(x | c)`` in nats for one class of all x, or one of each.

    Raises:
      ConfigError: the model is told no class, or knows no such class.
    """
    check_conditional(experiment)
    labels = np.broadcast_to(np.asarray(condition), len(x))
    _check_labels(labels, experiment.model.num_classes)
    return conditional_log_likelihood(evaluator, params, x, experiment.streams["eval"], labels)


def classify(
    workdir: Workdir, experiment: Experiment, step: int, params: Any
) -> list[dict[str, Any]]:
    """Classifies the test set at a step by each estimator of the config; writes what is found.

    In ``classify/STEP/ESTIMATOR``: ``accuracy.json`` has the summary, ``per_image.npz`` the classes
    with what every class says of every image. What is there with the same settings is read; what
    was interrupted goes on from its finished batches.

    Raises:
      ConfigError: the model is told no class.
      DataError: the data have no classes.
    """
    check_conditional(experiment)
    return [_classify_by(workdir, experiment, name, step, params) for name in experiment.estimators]


def check_conditional(experiment: Experiment) -> None:
    """Raises ConfigError where the model is told no class."""
    if not experiment.model.num_classes:
        raise ConfigError(
            "this model is not told the class: train one with config.model.num_classes, such as "
            "configs/conditional/digits.py"
        )


def _check_labels(labels: Int[np.ndarray, " n"], num_classes: int) -> None:
    if not np.issubdtype(labels.dtype, np.integer):
        raise ConfigError(f"classes are whole numbers, got {labels.dtype}")
    if np.any((labels < 0) | (labels >= num_classes)):
        raise ConfigError(f"classes must lie in 0 .. {num_classes - 1}, got {np.unique(labels)}")


def _classify_by(
    workdir: Workdir, experiment: Experiment, name: str, step: int, params: Any
) -> dict[str, Any]:
    settings = _settings(experiment, name, params)
    folder = workdir.classification(step, name, settings)
    known = _known(folder)
    if known is not None:
        return known
    with held(folder):  # which another process may have finished meanwhile
        return _known(folder) or _classified(experiment, name, step, params, settings, folder)


def _known(folder: Path) -> dict[str, Any] | None:
    """The result in a folder, if there is one."""
    if not there(folder / RESULT):
        return None
    terminal.say(f"already classified: {folder}")
    Unfinished(folder / "partial").discard()  # of a process killed before it could
    with whole(folder, "classify"):
        return read_sealed(folder / RESULT)


def _classified(
    experiment: Experiment, name: str, step: int, params: Any, settings: dict, folder: Path
) -> dict[str, Any]:
    """Classifies, and writes the result to the folder."""
    if writes():
        write_json(folder / SETTINGS, settings)
    found = _compute(experiment, name, step, params, settings, folder)
    where = {"estimator": name, "step": step, "prior": np.exp(found.log_prior).tolist()}
    summary = where | found.summary() | {"versions": versions()}
    if writes():
        _save(folder, found, summary)
    return summary


def _compute(
    experiment: Experiment, name: str, step: int, params: Any, settings: dict, folder: Path
) -> Classification:
    """Classifies by one estimator, keeping finished batches in the folder until all are."""
    evaluator = likelihood_evaluator(experiment, experiment.estimators[name])
    source = evaluated_source(experiment)
    made_with = {"settings": settings, "versions": versions()}
    store = Unfinished.open(folder / "partial", made_with)
    total = len(source) * experiment.model.num_classes
    log_prior = _log_prior(experiment)
    with terminal.progress(f"classes by {name} at step {step}", 0, total) as update:
        nats = class_log_likelihoods(
            evaluator,
            params,
            source,
            experiment.streams["eval"],
            lambda done, _: update(done, "images and classes"),
            lambda label: store.within(str(label)),
        )
    labels = np.asarray(experiment.dataset.test_labels)[: len(source)]
    return Classification(nats, log_prior, labels)


def _log_prior(experiment: Experiment) -> Float[np.ndarray, " classes"]:
    with np.errstate(divide="ignore"):
        return np.log(class_frequencies(experiment.dataset))


def _settings(experiment: Experiment, name: str, params: Any) -> dict[str, Any]:
    return {
        **experiment.estimators[name].settings,
        "seed": experiment.identity["seed"],
        "eval.batch_size": experiment.eval.batch_size,
        "eval.num_images": experiment.eval.num_images,
        "data.fingerprint": experiment.dataset.fingerprint,
        "parameters": digest_arrays(params),
        "devices": jax.local_device_count(),
    }


def _save(folder: Path, found: Classification, summary: dict[str, Any]) -> None:
    arrays = {
        "labels": found.labels,
        "predicted": found.predicted,
        "log_likelihoods": found.log_likelihoods,
        "log_posterior": found.log_posterior,
        "ok": found.good,
    }
    write_npz(folder / PER_IMAGE, arrays)
    write_sealed(folder / RESULT, summary, [PER_IMAGE, SETTINGS])
    Unfinished(folder / "partial").discard()
    terminal.say(f"wrote {folder}")
