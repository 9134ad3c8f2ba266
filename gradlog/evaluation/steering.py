"""What samples are steered towards: a class, or a part that is known."""

from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Int, Num

from gradlog.likelihood import Dequantization
from gradlog.models import NoisyClassifier, ScoreModel
from gradlog.sampling import (
    Conditioned,
    Guidance,
    KnownPart,
    NoGuidance,
    PredictorCorrector,
    Projection,
    Sampler,
)
from gradlog.sampling.base import ScoreFn
from gradlog.sde_lib import SDE

_KNOWN = 2  # the address of its key, beside those of a sample's prior and path


@dataclass(frozen=True)
class Steering:
    """How a sample is steered; by default it is not.

    Attributes:
      guidance: towards its class, where it is told one.
      classifier: for a guidance that needs one.
      projection: the part of a known datum that the sample shall have; None for no such part.
      particles: of which each sample with a known part is chosen.
    """

    guidance: Guidance = field(default_factory=NoGuidance)
    classifier: NoisyClassifier | None = None
    projection: Projection | None = None
    particles: int = 1

    def score_fn(
        self, sde: SDE, model: ScoreModel, params: Any, guide: Any, label: Int[Array, ""] | None
    ) -> ScoreFn:
        """The score of the model's parameters, guided by those of the classifier to a class."""

        def score_of(condition: Int[Array, ""] | None) -> ScoreFn:
            told = {} if condition is None else {"condition": condition}
            return model.score_fn(sde, params, **told)

        def log_class_prob(x, t):
            assert self.classifier is not None
            return self.classifier.log_probs(sde, guide, x, t)[label]

        return self.guidance(score_of, log_class_prob, label)

    def sampler(
        self,
        sampler: Sampler,
        dequantization: Dequantization,
        key: jax.Array,
        known: Num[Array, "*D"] | None,
    ) -> Sampler:
        """The sampler, made to keep the known part of a datum as stored."""
        if self.projection is None or known is None:
            return sampler
        x0, _ = dequantization(jax.random.fold_in(key, _KNOWN), known)
        assert isinstance(sampler, PredictorCorrector)
        known_part = KnownPart(self.projection, self.projection(x0))
        return Conditioned(sampler, known_part, self.particles)
