"""What the samples of a run are wanted to be, one by one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Num

from gradlog.evaluation import Samples, Steering, pictures
from gradlog.experiment.experiment import Experiment
from gradlog.run.classifier import ClassifierRun
from gradlog.sampling import Kept
from gradlog.storage import digest_arrays


@dataclass(frozen=True)
class Wanted:
    """Of each sample its class and the datum of which a part is known; None where not wanted."""

    labels: Int[np.ndarray, " n"] | None
    known: Num[np.ndarray, "n *D"] | None

    def arrays(self) -> dict[str, np.ndarray]:
        """What there is, by name: for a file."""
        named = {"classes": self.labels, "originals": self.known}
        return {name: array for name, array in named.items() if array is not None}


def steering_of(experiment: Experiment, classifier: ClassifierRun) -> Steering:
    """How the samples are steered.

    Raises:
      DataError: a classifier is needed, and the data have no classes.
    """
    settings = experiment.steering
    needed = settings.guidance.needs_classifier
    return Steering(
        settings.guidance,
        classifier.classifier if needed else None,
        settings.projection,
        settings.particles,
    )


def guide_of(experiment: Experiment, classifier: ClassifierRun) -> Any:
    """The classifier's parameters, or None where it is not needed.

    Raises:
      CheckpointError: it is needed and not trained.
    """
    return classifier.params() if experiment.steering.guidance.needs_classifier else None


def wanted_of(experiment: Experiment, count: int) -> Wanted:
    """Sample i has the i-th of the classes, which begin again after the last, and test datum i.

    Raises:
      DataError: test data are needed, and are not there.
    """
    settings = experiment.steering
    numbers = np.arange(count)
    labels = known = None
    if settings.classes:
        labels = np.asarray(settings.classes, np.int32)[numbers % len(settings.classes)]
    if settings.projection is not None:
        test = experiment.dataset.test
        known = np.asarray(test[numbers % max(len(test), 1)])
    return Wanted(labels, known)


def known_part(experiment: Experiment) -> dict[str, Any]:
    """What of which data samples are told, by content: a mask's file may change behind its path."""
    projection = experiment.steering.projection
    if projection is None:
        return {}
    mask = projection.mask if isinstance(projection, Kept) else ()
    return {
        "sampling.mask": digest_arrays(mask),
        "data.fingerprint": experiment.dataset.fingerprint,
    }


def save_picture(path: Path, experiment: Experiment, samples: Samples, wanted: Wanted) -> None:
    """The samples; of images with a known part that part, the sample and the original in a row."""
    levels, projection = experiment.dataset.levels, experiment.steering.projection
    if projection is None or wanted.known is None or samples.x.ndim != 4:
        pictures.save_samples(path, samples.x, levels)
        return
    originals = wanted.known
    middle = (levels - 1) / 2 if levels else 0.0
    shown = np.asarray(projection(jnp.asarray(originals - middle))) + middle
    pictures.save_triples(path, shown.astype(originals.dtype), samples.x, originals, levels)
