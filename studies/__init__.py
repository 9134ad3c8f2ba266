"""Studies: each shows one claim of the theory, by ``main.py --mode=study``."""

from gradlog.studies.boundary import Boundary
from gradlog.studies.common import Study as Study
from gradlog.studies.contrastive_divergence import ContrastiveDivergence
from gradlog.studies.ddpm_langevin import DDPMLangevin
from gradlog.studies.denoising_density import DenoisingDensity
from gradlog.studies.energy import EnergyAgainstODE
from gradlog.studies.entropy import Entropy
from gradlog.studies.few_steps import FewSteps
from gradlog.studies.fisher import Fisher
from gradlog.studies.gmm import TrainingMixture
from gradlog.studies.gradient_variance import GradientVariance
from gradlog.studies.kl_bound import KLBound
from gradlog.studies.kl_rates import KLRates
from gradlog.studies.langevin import Langevin
from gradlog.studies.learned_gradients import LearnedGradients
from gradlog.studies.learned_noise import LearnedNoise
from gradlog.studies.manifold import Manifold
from gradlog.studies.score_field import ScoreField

STUDIES: dict[str, type] = {
    "boundary": Boundary,
    "contrastive_divergence": ContrastiveDivergence,
    "ddpm_langevin": DDPMLangevin,
    "denoising_density": DenoisingDensity,
    "energy": EnergyAgainstODE,
    "entropy": Entropy,
    "few_steps": FewSteps,
    "fisher": Fisher,
    "gmm": TrainingMixture,
    "gradient_variance": GradientVariance,
    "kl_bound": KLBound,
    "kl_rates": KLRates,
    "langevin": Langevin,
    "learned_gradients": LearnedGradients,
    "learned_noise": LearnedNoise,
    "manifold": Manifold,
    "score_field": ScoreField,
}
