"""Objectives, weightings and the drawing of time."""

from losses.base import Objective, ScoreFn
from losses.classification import NoisyCrossEntropy
from losses.denoising import DenoisingScoreMatching, denoising_integrand
from losses.explicit import ExplicitScoreMatching
from losses.finite_difference import FiniteDifferenceScoreMatching
from losses.generator import GeneratorKL
from losses.implicit import ImplicitScoreMatching
from losses.loss import ScoreMatchingLoss
from losses.noising import noised
from losses.scalings import SCALINGS, Integral, Scaling, ScoreFlow
from losses.second_order import SecondOrderDenoising
from losses.sliced import ReducedVarianceScoreMatching, SlicedScoreMatching
from losses.slices import SLICE_LAWS, SliceLaw
from losses.times import (
    Ladder,
    OneLevel,
    Steps,
    Tabulated,
    TimeProposal,
    UniformLogRho,
    UniformTime,
    stratified,
)
from losses.weightings import Likelihood, LogNormal, Sigma2, Unweighted, Weighting

OBJECTIVES: dict[str, type] = {
    "dsm": DenoisingScoreMatching,
    "dsm2": SecondOrderDenoising,
    "esm": ExplicitScoreMatching,
    "fsm": FiniteDifferenceScoreMatching,
    "ism": ImplicitScoreMatching,
    "ssm": SlicedScoreMatching,
    "ssm_vr": ReducedVarianceScoreMatching,
}
LEVELS: dict[str, type] = {"ladder": Ladder, "one": OneLevel, "steps": Steps}
WEIGHTINGS: dict[str, type] = {
    "edm": LogNormal,
    "likelihood": Likelihood,
    "one": Unweighted,
    "sigma2": Sigma2,
}

__all__ = [
    "LEVELS",
    "OBJECTIVES",
    "SCALINGS",
    "SLICE_LAWS",
    "WEIGHTINGS",
    "DenoisingScoreMatching",
    "ExplicitScoreMatching",
    "FiniteDifferenceScoreMatching",
    "GeneratorKL",
    "ImplicitScoreMatching",
    "Integral",
    "Ladder",
    "Likelihood",
    "LogNormal",
    "NoisyCrossEntropy",
    "Objective",
    "OneLevel",
    "ReducedVarianceScoreMatching",
    "Scaling",
    "ScoreFlow",
    "ScoreFn",
    "ScoreMatchingLoss",
    "SecondOrderDenoising",
    "Sigma2",
    "SliceLaw",
    "SlicedScoreMatching",
    "Steps",
    "Tabulated",
    "TimeProposal",
    "UniformLogRho",
    "UniformTime",
    "Unweighted",
    "Weighting",
    "denoising_integrand",
    "noised",
    "stratified",
]
