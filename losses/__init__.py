"""Objectives, their weightings over time, and the distributions of training times."""

from collections import ChainMap
from collections.abc import MutableMapping

from gradlog.losses.base import Integrand as Integrand
from gradlog.losses.base import Loss as Loss
from gradlog.losses.base import Metrics as Metrics
from gradlog.losses.base import Objective as Objective
from gradlog.losses.base import add_noise as add_noise
from gradlog.losses.chain_bound import ChainBound as ChainBound
from gradlog.losses.chain_bound import simulate_chain as simulate_chain
from gradlog.losses.denoising import DenoisingScoreMatching as DenoisingScoreMatching
from gradlog.losses.denoising import denoising_integrand as denoising_integrand
from gradlog.losses.elbo import ELBO_FORMS as ELBO_FORMS
from gradlog.losses.elbo import EvidenceBound as EvidenceBound
from gradlog.losses.explicit import ExplicitScoreMatching as ExplicitScoreMatching
from gradlog.losses.finite_difference import (
    FiniteDifferenceScoreMatching as FiniteDifferenceScoreMatching,
)
from gradlog.losses.generator import GeneratorKL as GeneratorKL
from gradlog.losses.implicit import ImplicitScoreMatching as ImplicitScoreMatching
from gradlog.losses.kernels import KERNELS as KERNELS
from gradlog.losses.kernels import AnisotropicKernel as AnisotropicKernel
from gradlog.losses.kernels import GaussianKernel as GaussianKernel
from gradlog.losses.kernels import LaplaceKernel as LaplaceKernel
from gradlog.losses.level_masked import LevelMaskedBound as LevelMaskedBound
from gradlog.losses.level_masked import clip_time as clip_time
from gradlog.losses.level_masked import masked_cost as masked_cost
from gradlog.losses.masked import DRAWS as DRAWS
from gradlog.losses.masked import MaskedCrossEntropy as MaskedCrossEntropy
from gradlog.losses.masked import cross_entropy as cross_entropy
from gradlog.losses.masked import draw_by_count as draw_by_count
from gradlog.losses.masked import log_probs as log_probs
from gradlog.losses.neural_bound import NeuralBound as NeuralBound
from gradlog.losses.neural_bound import drift_error as drift_error
from gradlog.losses.neural_bound import reconstruction_cost as reconstruction_cost
from gradlog.losses.noisy_cross_entropy import NoisyCrossEntropy as NoisyCrossEntropy
from gradlog.losses.random_keys import ExampleKeys as ExampleKeys
from gradlog.losses.random_keys import example_keys as example_keys
from gradlog.losses.scalings import SCALINGS as SCALINGS
from gradlog.losses.scalings import Integral as Integral
from gradlog.losses.scalings import Scaling as Scaling
from gradlog.losses.scalings import ScoreFlow as ScoreFlow
from gradlog.losses.score_entropy import ScoreEntropy as ScoreEntropy
from gradlog.losses.score_entropy import score_entropy as score_entropy
from gradlog.losses.score_matching import ScoreMatching as ScoreMatching
from gradlog.losses.second_order import SecondOrderDenoising as SecondOrderDenoising
from gradlog.losses.sliced import SLICE_LAWS as SLICE_LAWS
from gradlog.losses.sliced import ReducedVarianceScoreMatching as ReducedVarianceScoreMatching
from gradlog.losses.sliced import SlicedScoreMatching as SlicedScoreMatching
from gradlog.losses.sliced import SliceLaw as SliceLaw
from gradlog.losses.times import Ladder as Ladder
from gradlog.losses.times import OneLevel as OneLevel
from gradlog.losses.times import Steps as Steps
from gradlog.losses.times import Tabulated as Tabulated
from gradlog.losses.times import TimeProposal as TimeProposal
from gradlog.losses.times import UniformLogRho as UniformLogRho
from gradlog.losses.times import UniformTime as UniformTime
from gradlog.losses.times import stratified as stratified
from gradlog.losses.variance import train_inside_for_variance as train_inside_for_variance
from gradlog.losses.weightings import Likelihood as Likelihood
from gradlog.losses.weightings import LogNormal as LogNormal
from gradlog.losses.weightings import Sigma2 as Sigma2
from gradlog.losses.weightings import Unweighted as Unweighted
from gradlog.losses.weightings import Weighting as Weighting
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
