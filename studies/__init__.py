"""Studies: each shows one claim of the theory, by ``main.py --mode=study``."""

from studies.base import Study
from studies.ddpm_langevin import DDPMLangevin
from studies.denoising_density import DenoisingDensity
from studies.energy import EnergyAgainstODE
from studies.entropy import Entropy
from studies.fisher import Fisher
from studies.gradient_variance import GradientVariance
from studies.kl_bound import KLBound
from studies.kl_rates import KLRates
from studies.langevin import Langevin
from studies.manifold import Manifold
from studies.score_field import ScoreField

STUDIES: dict[str, type] = {
    "ddpm_langevin": DDPMLangevin,
    "denoising_density": DenoisingDensity,
    "energy": EnergyAgainstODE,
    "entropy": Entropy,
    "fisher": Fisher,
    "gradient_variance": GradientVariance,
    "kl_bound": KLBound,
    "kl_rates": KLRates,
    "langevin": Langevin,
    "manifold": Manifold,
    "score_field": ScoreField,
}

__all__ = ["STUDIES", "Study"]
