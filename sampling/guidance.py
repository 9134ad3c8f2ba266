"""Guidance: scores that steer samples towards a class."""

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
    """``s_c + w (s_c - s_0)``: the class exaggerated (Ho & Salimans 2022, arXiv:2207.12598, eq. 6).

    The score of ``p(x_t | c) p(c | x_t)^w``: with w = 0 that of the class, w = -1 of no class. With
    another w those laws are not the marginals of one forward process, and the samples are of none
    of them: sharper and less varied.
    """

    def score(x, t):
        told = conditional(x, t)
        return told + weight * (told - unconditional(x, t))

    return score


def classifier_score(score_fn: ScoreFn, log_class_prob: LogClassProb, weight: float) -> ScoreFn:
    """``s + w grad log p(c | x_t)`` (Song et al. 2021, arXiv:2011.13456, eq. 14; with w Dhariwal &
    Nichol 2021, arXiv:2105.05233, section 4).

    By Bayes w = 1 is the score of ``p(x_t | c)``, exactly where s and the classifier are.
    """
    slope = jax.grad(log_class_prob)
    return lambda x, t: score_fn(x, t) + weight * slope(x, t)


class Guidance(Protocol):
    """Changes the score of a model for one class, before a sampler sees it.

    Attributes:
      needs_classifier: whether a classifier of noisy data must be there.
      evaluations: network evaluations for one evaluation of the guided score.
    """

    needs_classifier: ClassVar[bool]
    evaluations: ClassVar[int]

    def __call__(
        self, model: BoundModel, log_class_prob: LogClassProb | None, condition: Condition
    ) -> BoundModel:
        """Return the guided model.

        Args:
          model: without a condition.
          log_class_prob: ``log p(class | x_t)`` of the class, for a guidance that needs it.
          condition: the class; None for no class.
        """
        ...


@dataclass(frozen=True)
class NoGuidance:
    """The model's own score of the class, or of none."""

    needs_classifier: ClassVar[bool] = False
    evaluations: ClassVar[int] = 1

    def __call__(self, model: BoundModel, log_class_prob, condition: Condition) -> BoundModel:
        del log_class_prob
        return model.conditioned(condition)


@dataclass(frozen=True)
class ClassifierFree:
    """A class-conditional model guided by itself; see ``classifier_free_score``."""

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
    """A model that is told no class, guided by a classifier of noisy data; ``classifier_score``."""

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
