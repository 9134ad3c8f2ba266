"""Objectives, weightings and the drawing of time."""

from losses.base import Objective
from losses.denoising import DenoisingScoreMatching, denoising_integrand
from losses.loss import ScoreMatchingLoss
from losses.scalings import SCALINGS, Integral, Scaling, ScoreFlow
from losses.sliced import SlicedScoreMatching
from losses.times import (
    Tabulated,
    TimeProposal,
    UniformLogRho,
    UniformTime,
    stratified,
)
from losses.weightings import Likelihood, LogNormal, Sigma2, Weighting

OBJECTIVES: dict[str, type] = {"dsm": DenoisingScoreMatching, "ssm_vr": SlicedScoreMatching}
WEIGHTINGS: dict[str, type] = {"edm": LogNormal, "likelihood": Likelihood, "sigma2": Sigma2}

__all__ = [
    "OBJECTIVES",
    "SCALINGS",
    "WEIGHTINGS",
    "Integral",
    "Likelihood",
    "LogNormal",
    "Objective",
    "Scaling",
    "ScoreFlow",
    "ScoreMatchingLoss",
    "Sigma2",
    "Tabulated",
    "TimeProposal",
    "UniformLogRho",
    "UniformTime",
    "Weighting",
    "denoising_integrand",
    "stratified",
]
