"""Guidance: scores that steer samples towards a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax
from jaxtyping import Array, Float, Int

from gradlog.sampling.base import Scalar, ScoreFn

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
    """Makes the score of a sampler from that of the model for each class."""

    needs_classifier: ClassVar[bool]
    evaluations: ClassVar[int]  # of the network, to one of the score

    def __call__(
        self,
        score_of: Callable[[Condition], ScoreFn],
        log_class_prob: LogClassProb | None,
        condition: Condition,
    ) -> ScoreFn: ...


@dataclass(frozen=True)
class NoGuidance:
    """The model's own score of the class, or of none."""

    needs_classifier: ClassVar[bool] = False
    evaluations: ClassVar[int] = 1

    def __call__(self, score_of, log_class_prob, condition) -> ScoreFn:
        del log_class_prob
        return score_of(condition)


@dataclass(frozen=True)
class ClassifierFree:
    """A class-conditional model guided by itself; see ``classifier_free_score``."""

    guidance_weight: float = 1.0
    needs_classifier: ClassVar[bool] = False
    evaluations: ClassVar[int] = 2

    def __call__(self, score_of, log_class_prob, condition) -> ScoreFn:
        del log_class_prob
        return classifier_free_score(score_of(condition), score_of(None), self.guidance_weight)


@dataclass(frozen=True)
class ClassifierGuidance:
    """A model that is told no class, guided by a classifier of noisy data; ``classifier_score``."""

    guidance_weight: float = 1.0
    needs_classifier: ClassVar[bool] = True
    evaluations: ClassVar[int] = 1

    def __call__(self, score_of, log_class_prob, condition) -> ScoreFn:
        del condition
        assert log_class_prob is not None
        return classifier_score(score_of(None), log_class_prob, self.guidance_weight)


GUIDANCES: dict[str, type] = {
    "classifier": ClassifierGuidance,
    "classifier_free": ClassifierFree,
    "none": NoGuidance,
}
