"""Guidance: scores that move samples toward a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax
from jaxtyping import Array, Float, Int

from gradlog.models import BoundModel
from gradlog.models.bound_model import ScoreFn
from gradlog.sampling.base import Scalar

Condition = Int[Array, ""] | None
# ``log p(class | x_t)`` in nats at x, t.
LogClassProb = Callable[[Float[Array, "*D"], Scalar], Float[Array, ""]]


def classifier_free_score(conditional: ScoreFn, unconditional: ScoreFn, weight: float) -> ScoreFn:
    """Return ``s_c + w (s_c - s_0)`` (Ho & Salimans 2022, arXiv:2207.12598, eq. 6).

    This is the score of ``p(x_t | c) p(c | x_t)^w``: the score of the class for w = 0, that of no
    class for w = -1. For other w these distributions are not the marginals of one forward process,
    and the samples have none of them: they are sharper and less varied.
    """

    def score(x, t):
        class_score = conditional(x, t)
        return class_score + weight * (class_score - unconditional(x, t))

    return score


def classifier_score(score_fn: ScoreFn, log_class_prob: LogClassProb, weight: float) -> ScoreFn:
    """Return ``s + w grad log p(c | x_t)`` (Song et al. 2021, arXiv:2011.13456, eq. 14).

    The weight w is that of Dhariwal & Nichol 2021, arXiv:2105.05233, section 4. By Bayes' rule w =
    1 gives the score of ``p(x_t | c)``, exact if s and the classifier are.
    """
    class_gradient = jax.grad(log_class_prob)
    return lambda x, t: score_fn(x, t) + weight * class_gradient(x, t)


class Guidance(Protocol):
    """Guidance changes the score of a model for one class, before a sampler uses it.

    Attributes:
      needs_classifier: whether guidance needs a classifier of noisy data.
      evaluations: network evaluations for one evaluation of the guided score.
    """

    needs_classifier: ClassVar[bool]
    evaluations: ClassVar[int]

    def __call__(
        self, model: BoundModel, log_class_prob: LogClassProb | None, condition: Condition
    ) -> BoundModel:
        """Return the guided model.

        Args:
          model: a model without a condition.
          log_class_prob: ``log p(class | x_t)`` of the class, for a guidance that needs it.
          condition: the class; None for no class.
        """
        ...


@dataclass(frozen=True)
class NoGuidance:
    """The model's own score of the class, or of no class."""

    needs_classifier: ClassVar[bool] = False
    evaluations: ClassVar[int] = 1

    def __call__(self, model: BoundModel, log_class_prob, condition: Condition) -> BoundModel:
        del log_class_prob
        return model.conditioned(condition)


@dataclass(frozen=True)
class ClassifierFree:
    """Guidance of a class-conditional model by its own scores; see ``classifier_free_score``."""

    guidance_weight: float = 1.0
    needs_classifier: ClassVar[bool] = False
    evaluations: ClassVar[int] = 2

    def __call__(self, model: BoundModel, log_class_prob, condition: Condition) -> BoundModel:
        del log_class_prob
        conditional = model.conditioned(condition).score
        guided = classifier_free_score(conditional, model.score, self.guidance_weight)
        return model.replace(score_fn=guided)


@dataclass(frozen=True)
class ClassifierGuidance:
    """Guidance of an unconditional model by a noisy-data classifier; see ``classifier_score``."""

    guidance_weight: float = 1.0
    needs_classifier: ClassVar[bool] = True
    evaluations: ClassVar[int] = 1

    def __call__(
        self, model: BoundModel, log_class_prob: LogClassProb | None, condition: Condition
    ) -> BoundModel:
        del condition
        assert log_class_prob is not None
        guided = classifier_score(model.score, log_class_prob, self.guidance_weight)
        return model.replace(score_fn=guided)


GUIDANCES: dict[str, type] = {
    "classifier": ClassifierGuidance,
    "classifier_free": ClassifierFree,
    "none": NoGuidance,
}
