"""Gradlog: score-based generative models whose likelihoods can be trusted.

>>> from gradlog import VP
>>> float(VP().alpha(0.0))
1.0

The names below are imported at their first use, so that ``import gradlog`` costs nothing. All other
names are found where they are defined, such as ``gradlog.likelihood.VariationalBound``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlog.data import Dataset as Dataset
    from gradlog.experiment.build import load_dataset as load_dataset
    from gradlog.experiment.loading import load_config as load_config
    from gradlog.experiment.run import Run as Run
    from gradlog.fitting import FittedModel as FittedModel
    from gradlog.fitting import fit as fit
    from gradlog.likelihood import ODELikelihood as ODELikelihood
    from gradlog.likelihood import OneDraw as OneDraw
    from gradlog.likelihood import VariationalBound as VariationalBound
    from gradlog.losses import DenoisingScoreMatching as DenoisingScoreMatching
    from gradlog.losses import EvidenceBound as EvidenceBound
    from gradlog.losses import ScoreMatching as ScoreMatching
    from gradlog.models import BoundModel as BoundModel
    from gradlog.models import DiffusionModel as DiffusionModel
    from gradlog.models import Noise as Noise
    from gradlog.models import NoiseLevel as NoiseLevel
    from gradlog.models import Preconditioned as Preconditioned
    from gradlog.models import QuarterLogRho as QuarterLogRho
    from gradlog.models import ScaledTime as ScaledTime
    from gradlog.models import Score as Score
    from gradlog.models import Uniform as Uniform
    from gradlog.models import Velocity as Velocity
    from gradlog.models.networks import MLP as MLP
    from gradlog.models.networks import NCSNpp as NCSNpp
    from gradlog.sampling import DPMSolver2M as DPMSolver2M
    from gradlog.sampling import PredictorCorrector as PredictorCorrector
    from gradlog.sde_lib import VE as VE
    from gradlog.sde_lib import VP as VP
    from gradlog.sde_lib import LearnedGamma as LearnedGamma
    from gradlog.sde_lib import LearnedNumbers as LearnedNumbers
    from gradlog.sde_lib import LogSNR as LogSNR
    from gradlog.sde_lib import Straight as Straight
    from gradlog.sde_lib import SubVP as SubVP

# The module that defines each name.
_MODULES = {
    "gradlog.data": ("Dataset",),
    "gradlog.experiment.build": ("load_dataset",),
    "gradlog.experiment.loading": ("load_config",),
    "gradlog.experiment.run": ("Run",),
    "gradlog.fitting": ("FittedModel", "fit"),
    "gradlog.likelihood": ("ODELikelihood", "OneDraw", "VariationalBound"),
    "gradlog.losses": ("DenoisingScoreMatching", "EvidenceBound", "ScoreMatching"),
    "gradlog.models": (
        *("BoundModel", "DiffusionModel", "Noise", "NoiseLevel", "Preconditioned"),
        *("QuarterLogRho", "ScaledTime", "Score", "Uniform", "Velocity"),
    ),
    "gradlog.models.networks": ("MLP", "NCSNpp"),
    "gradlog.sampling": ("DPMSolver2M", "PredictorCorrector"),
    "gradlog.sde_lib": (
        *("LearnedGamma", "LearnedNumbers", "LogSNR", "Straight", "SubVP", "VE", "VP"),
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gradlog' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
