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
    from gradlog.fitting import FittedModel as FittedModel, fit as fit
    from gradlog.likelihood import (
        ODELikelihood as ODELikelihood,
        OneDraw as OneDraw,
        VariationalBound as VariationalBound,
    )
    from gradlog.losses import (
        DenoisingScoreMatching as DenoisingScoreMatching,
        EvidenceBound as EvidenceBound,
        ScoreMatching as ScoreMatching,
    )
    from gradlog.models import (
        BoundModel as BoundModel,
        DiffusionModel as DiffusionModel,
        Noise as Noise,
        NoiseLevel as NoiseLevel,
        Preconditioned as Preconditioned,
        QuarterLogRho as QuarterLogRho,
        ScaledTime as ScaledTime,
        Score as Score,
        Uniform as Uniform,
        Velocity as Velocity,
    )
    from gradlog.models.networks import MLP as MLP, NCSNpp as NCSNpp
    from gradlog.sampling import (
        DPMSolver2M as DPMSolver2M,
        PredictorCorrector as PredictorCorrector,
    )
    from gradlog.sde_lib import (
        VE as VE,
        VP as VP,
        LearnedGamma as LearnedGamma,
        LearnedNumbers as LearnedNumbers,
        LogSNR as LogSNR,
        Straight as Straight,
        SubVP as SubVP,
    )

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
