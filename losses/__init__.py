"""Objectives, their weightings over time, and the distributions of training times."""

from collections import ChainMap
from collections.abc import MutableMapping

from gradlog.losses.base import Integrand, Loss, Metrics, Objective, add_noise
from gradlog.losses.chain_bound import ChainBound, simulate_chain
from gradlog.losses.denoising import DenoisingScoreMatching, denoising_integrand
from gradlog.losses.elbo import ELBO_FORMS, EvidenceBound
from gradlog.losses.explicit import ExplicitScoreMatching
from gradlog.losses.finite_difference import FiniteDifferenceScoreMatching
from gradlog.losses.generator import GeneratorKL
from gradlog.losses.implicit import ImplicitScoreMatching
from gradlog.losses.kernels import KERNELS, AnisotropicKernel, GaussianKernel, LaplaceKernel
from gradlog.losses.level_masked import LevelMaskedBound, clip_time, masked_cost
from gradlog.losses.masked import (
    DRAWS,
    MaskedCrossEntropy,
    cross_entropy,
    draw_by_count,
    log_probs,
)
from gradlog.losses.neural_bound import NeuralBound, drift_error, reconstruction_cost
from gradlog.losses.noisy_cross_entropy import NoisyCrossEntropy
from gradlog.losses.random_keys import ExampleKeys, example_keys
from gradlog.losses.scalings import SCALINGS, Integral, Scaling, ScoreFlow
from gradlog.losses.score_entropy import ScoreEntropy, score_entropy
from gradlog.losses.score_matching import ScoreMatching
from gradlog.losses.second_order import SecondOrderDenoising
from gradlog.losses.sliced import (
    SLICE_LAWS,
    ReducedVarianceScoreMatching,
    SlicedScoreMatching,
    SliceLaw,
)
from gradlog.losses.times import (
    Ladder,
    OneLevel,
    Steps,
    Tabulated,
    TimeProposal,
    UniformLogRho,
    UniformTime,
    stratified,
)
from gradlog.losses.variance import train_inside_for_variance
from gradlog.losses.weightings import Likelihood, LogNormal, Sigma2, Unweighted, Weighting
from gradlog.sde_lib import Kind

INTEGRANDS: dict[str, type] = {
    "dsm": DenoisingScoreMatching,
    "dsm2": SecondOrderDenoising,
    "esm": ExplicitScoreMatching,
    "fsm": FiniteDifferenceScoreMatching,
    "ism": ImplicitScoreMatching,
    "ssm": SlicedScoreMatching,
    "ssm_vr": ReducedVarianceScoreMatching,
}
OBJECTIVES: dict[Kind, MutableMapping[str, type]] = {
    "gaussian": ChainMap(INTEGRANDS, {"elbo": EvidenceBound}),
    "masks": {"masked": MaskedCrossEntropy, "score_entropy": ScoreEntropy},
    "level_masks": {"masked": LevelMaskedBound},
    "replacements": {"score_entropy": ScoreEntropy},
    "neural": {"elbo": NeuralBound},
    "chain": {"elbo": ChainBound},
}
LEVELS: dict[str, type] = {"ladder": Ladder, "one": OneLevel, "steps": Steps}
WEIGHTINGS: dict[str, type] = {
    "edm": LogNormal,
    "likelihood": Likelihood,
    "one": Unweighted,
    "sigma2": Sigma2,
}

__all__ = [
    "DRAWS",
    "ELBO_FORMS",
    "INTEGRANDS",
    "KERNELS",
    "LEVELS",
    "OBJECTIVES",
    "SCALINGS",
    "SLICE_LAWS",
    "WEIGHTINGS",
    "AnisotropicKernel",
    "ChainBound",
    "DenoisingScoreMatching",
    "EvidenceBound",
    "ExampleKeys",
    "ExplicitScoreMatching",
    "FiniteDifferenceScoreMatching",
    "GaussianKernel",
    "GeneratorKL",
    "ImplicitScoreMatching",
    "Integral",
    "Integrand",
    "Ladder",
    "LaplaceKernel",
    "LevelMaskedBound",
    "Likelihood",
    "LogNormal",
    "Loss",
    "MaskedCrossEntropy",
    "Metrics",
    "NeuralBound",
    "NoisyCrossEntropy",
    "Objective",
    "OneLevel",
    "ReducedVarianceScoreMatching",
    "Scaling",
    "ScoreEntropy",
    "ScoreFlow",
    "ScoreMatching",
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
    "add_noise",
    "clip_time",
    "cross_entropy",
    "denoising_integrand",
    "draw_by_count",
    "drift_error",
    "example_keys",
    "log_probs",
    "masked_cost",
    "reconstruction_cost",
    "score_entropy",
    "simulate_chain",
    "stratified",
    "train_inside_for_variance",
]
