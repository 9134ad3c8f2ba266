"""Conditions on samples: a class, or the known part of a datum."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num, Shaped

from gradlog.evaluation import pictures
from gradlog.evaluation.classifier_run import ClassifierRun
from gradlog.experiment.experiment import Experiment
from gradlog.models import BoundModel, NoisyClassifier
from gradlog.sampling import (
    Guidance,
    KnownPart,
    KnownPixels,
    KnownTokens,
    NoGuidance,
    PredictorCorrector,
    Projection,
    ReplacementSampler,
    Sampler,
)
from gradlog.sde_lib import Discrete
from gradlog.storage import digest_arrays

_KNOWN = 2  # address of the key of the known datum, beside those of a sample's prior and path


@dataclass(frozen=True)
class Conditioning:
    """The conditions on a sample; by default there are none.

    Attributes:
      guidance: makes the score of a class.
      classifier: for a guidance that needs one.
      projection: the part of a known datum that the sample must have; None for no such part.
      particles: the number of particles from which a sample with a known part is chosen.
    """

    guidance: Guidance = field(default_factory=NoGuidance)
    classifier: NoisyClassifier | None = None
    projection: Projection | None = None
    particles: int = 1

    @classmethod
    def of(cls, experiment: Experiment, classifier: ClassifierRun) -> "Conditioning":
        """Return the conditioning of an experiment.

        Raises:
          DataError: a classifier is needed, and the data have no classes.
        """
        settings = experiment.conditional_sampling
        needed = settings.guidance.needs_classifier
        return cls(
            settings.guidance,
            classifier.classifier if needed else None,
            settings.projection,
            settings.particles,
        )

    def guide(self, model: BoundModel, params: Any, label: Int[Array, ""] | None) -> BoundModel:
        """Return the model of a class; params are the classifier's."""

        def log_class_prob(x, t):
            assert self.classifier is not None
            return self.classifier.log_probs(model.process, params["network"], x, t)[label]

        return self.guidance(model, log_class_prob, label)

    def keep_known(
        self, sampler: Sampler, model: BoundModel, key: jax.Array, known: Num[Array, "*D"] | None
    ) -> Sampler:
        """Return the sampler, changed to keep the known part of a datum as stored."""
        if self.projection is None or known is None:
            return sampler
        x0, _ = model.dequantize(jax.random.fold_in(key, _KNOWN), known)
        if isinstance(model.process, Discrete):
            assert isinstance(self.projection, KnownPixels)
            return KnownTokens(sampler, self.projection.known, x0)
        assert isinstance(sampler, PredictorCorrector)
        known_part = KnownPart(self.projection, self.projection(x0))
        return ReplacementSampler(sampler, known_part, self.particles)


def guide_params(experiment: Experiment, classifier: ClassifierRun) -> Any:
    """Return the parameters of the classifier, or None if the guidance needs no classifier.

    Raises:
      CheckpointError: it needs one, and it is not trained.
    """
    return (
        classifier.params() if experiment.conditional_sampling.guidance.needs_classifier else None
    )


@dataclass(frozen=True)
class Targets:
    """The class of each sample, and the datum of which it has a known part; or None for neither.

    Attributes:
      labels: the number of each class.
      known: data as stored.
      names: the name of each class, if the classes have names.
    """

    labels: Int[np.ndarray, " n"] | None
    known: Num[np.ndarray, "n *D"] | None
    names: Shaped[np.ndarray, " n"] | None = None

    @classmethod
    def of(cls, experiment: Experiment, count: int) -> "Targets":
        """Return the targets of ``count`` samples.

        Sample i has the i-th class of the config, in turn, and the i-th test datum.

        Raises:
          DataError: test data are needed and are not there.
        """
        settings = experiment.conditional_sampling
        numbers = np.arange(count)
        labels = known = names = None
        if settings.classes:
            labels = np.asarray(settings.classes, np.int32)[numbers % len(settings.classes)]
            if classes := experiment.dataset.classes:
                names = np.asarray(list(classes))[labels]
        if settings.projection is not None:
            test = experiment.dataset.test
            known = np.asarray(test[numbers % max(len(test), 1)])
        return cls(labels, known, names)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the targets that there are, by their name in a file."""
        named = {"classes": self.labels, "class_names": self.names, "originals": self.known}
        return {name: array for name, array in named.items() if array is not None}


def condition_settings(experiment: Experiment) -> dict[str, Any]:
    """Return what samples depend on by content: the file of a mask may change behind its path."""
    projection = experiment.conditional_sampling.projection
    if projection is None:
        return {}
    mask = projection.known if isinstance(projection, KnownPixels) else ()
    return {
        "sampling.mask": digest_arrays(mask),
        "data.fingerprint": experiment.dataset.fingerprint,
    }


def save_sample_picture(
    path: Path, experiment: Experiment, x: Num[np.ndarray, "n *D"], targets: Targets
) -> None:
    """Save samples; images with a known part beside that part and the original."""
    levels, projection = experiment.dataset.levels, experiment.conditional_sampling.projection
    originals = targets.known
    if projection is None or originals is None or x.ndim != 4:
        pictures.save_samples(path, x, levels)
        return
    middle = (levels - 1) / 2 if levels else 0.0
    shown = np.asarray(projection(jnp.asarray(originals - middle))) + middle
    pictures.save_triples(path, shown.astype(originals.dtype), x, originals, levels)
