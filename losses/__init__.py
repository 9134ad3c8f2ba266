"""Objectives, their weightings over time, and the distributions of training times."""

from collections import ChainMap
from collections.abc import MutableMapping

from gradlog.losses.base import (
    Integrand as Integrand,
    Loss as Loss,
    Metrics as Metrics,
    Objective as Objective,
    add_noise as add_noise,
)
from gradlog.losses.chain_bound import ChainBound as ChainBound, simulate_chain as simulate_chain
from gradlog.losses.denoising import (
    DenoisingScoreMatching as DenoisingScoreMatching,
    denoising_integrand as denoising_integrand,
)
from gradlog.losses.elbo import ELBO_FORMS as ELBO_FORMS, EvidenceBound as EvidenceBound
from gradlog.losses.explicit import ExplicitScoreMatching as ExplicitScoreMatching
from gradlog.losses.finite_difference import (
    FiniteDifferenceScoreMatching as FiniteDifferenceScoreMatching,
)
from gradlog.losses.generator import GeneratorKL as GeneratorKL
from gradlog.losses.implicit import ImplicitScoreMatching as ImplicitScoreMatching
from gradlog.losses.kernels import (
    KERNELS as KERNELS,
    AnisotropicKernel as AnisotropicKernel,
    GaussianKernel as GaussianKernel,
    LaplaceKernel as LaplaceKernel,
)
from gradlog.losses.level_masked import (
    LevelMaskedBound as LevelMaskedBound,
    clip_time as clip_time,
    masked_cost as masked_cost,
)
from gradlog.losses.masked import (
    DRAWS as DRAWS,
    MaskedCrossEntropy as MaskedCrossEntropy,
    cross_entropy as cross_entropy,
    draw_by_count as draw_by_count,
    log_probs as log_probs,
)
from gradlog.losses.neural_bound import (
    NeuralBound as NeuralBound,
    drift_error as drift_error,
    reconstruction_cost as reconstruction_cost,
)
from gradlog.losses.noisy_cross_entropy import NoisyCrossEntropy as NoisyCrossEntropy
from gradlog.losses.random_keys import ExampleKeys as ExampleKeys, example_keys as example_keys
from gradlog.losses.scalings import (
    SCALINGS as SCALINGS,
    Integral as Integral,
    Scaling as Scaling,
    ScoreFlow as ScoreFlow,
)
from gradlog.losses.score_entropy import (
    ScoreEntropy as ScoreEntropy,
    score_entropy as score_entropy,
)
from gradlog.losses.score_matching import ScoreMatching as ScoreMatching
from gradlog.losses.second_order import SecondOrderDenoising as SecondOrderDenoising
from gradlog.losses.sliced import (
    SLICE_LAWS as SLICE_LAWS,
    ReducedVarianceScoreMatching as ReducedVarianceScoreMatching,
    SlicedScoreMatching as SlicedScoreMatching,
    SliceLaw as SliceLaw,
)
from gradlog.losses.times import (
    Ladder as Ladder,
    OneLevel as OneLevel,
    Steps as Steps,
    Tabulated as Tabulated,
    TimeProposal as TimeProposal,
    UniformLogRho as UniformLogRho,
    UniformTime as UniformTime,
    stratified as stratified,
)
from gradlog.losses.variance import train_inside_for_variance as train_inside_for_variance
from gradlog.losses.weightings import (
    Likelihood as Likelihood,
    LogNormal as LogNormal,
    Sigma2 as Sigma2,
    Unweighted as Unweighted,
    Weighting as Weighting,
)
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
