"""A network that was trained with DDPM's loss, sampled by NCSN's annealed Langevin dynamics.

DDPM's simple loss is denoising score matching with the weighting sigma^2 (`theory/ddpm.py`), so its
network is a score at every noise level of NCSN's ladder (Ho et al. 2020, arXiv:2006.11239, section
3.2; Song & Ermon 2019, arXiv:1907.05600, algorithm 1).
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.losses import DenoisingScoreMatching, Sigma2, UniformTime
from gradlog.models import Noise
from gradlog.run import RunDirectory
from gradlog.sampling import AnnealedLangevin, NoCorrector, PredictorCorrector, ReverseDiffusion
from gradlog.sde_lib import VP
from gradlog.storage import write_json
from gradlog.studies.modes import (
    annealed_of,
    draw_exact,
    draw_points,
    draw_samples,
    mixture_of,
    share_of_first_mode,
    spread_of_modes,
)
from gradlog.studies.runs import folder_of


@dataclass(frozen=True)
class DDPMLangevin:
    """Trains, then samples by DDPM's own steps and by ``config.sampling``'s annealed chain.

    DDPM's steps are the reverse diffusion of VP, ``config.sampling.num_steps`` of them, to the same
    eps.

    Attributes:
      samples: of which the weights are told.
    """

    samples: int = 10_000

    def __call__(self, run: RunDirectory) -> None:
        _check_loss(run)
        law, annealed = mixture_of(run), annealed_of(run)
        run.train()
        score_fn = run.experiment.model.score_fn(run.experiment.sde, run.params())
        samplers = {"own_steps": _own_steps(run, annealed), "annealed_langevin": annealed}
        drawn = {"exact": draw_exact(run, law, annealed, self.samples)}
        for name, sampler in samplers.items():
            drawn[name] = draw_samples(run, sampler, score_fn, self.samples)
        save_figure(folder_of(run) / "ddpm_langevin.png", _panels(law, drawn))
        _report(run, law, drawn, self.samples)


def _own_steps(run: RunDirectory, annealed: AnnealedLangevin) -> PredictorCorrector:
    """DDPM's steps, to where the annealed chain ends; the last adds its noise too."""
    steps = Reader(run.config).get("sampling.num_steps")
    return PredictorCorrector(
        ReverseDiffusion(), NoCorrector(), steps, annealed.eps, annealed.denoise
    )


def _panels(law: GaussianMixture, drawn: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    network = "DDPM's network,\n"
    titles = ("exact samples", f"{network}DDPM's steps", f"{network}annealed Langevin")
    for axes, x, title in zip(figure.subplots(1, 3), drawn.values(), titles, strict=True):
        draw_points(axes, law, x, title)
    return figure


def _report(
    run: RunDirectory, law: GaussianMixture, drawn: dict[str, np.ndarray], samples: int
) -> None:
    found = {}
    for name, x in drawn.items():
        share, error = share_of_first_mode(law, x)
        spread = spread_of_modes(law, x)
        found[name] = {"share": share, "standard_error": error, "std_within_modes": spread}
        found[name]["diverged"] = samples - len(x)
        terminal.say(
            f"{name.replace('_', ' ')}: weight of the first mode {share:.4f} +- {error:.4f}, "
            f"std within modes {spread:.4f}"
        )
    write_json(folder_of(run) / "ddpm_langevin.json", found)
    terminal.say(f"wrote {folder_of(run)}")


def _check_loss(run: RunDirectory) -> None:
    """Raises ConfigError if the loss is not DDPM's."""
    loss = run.experiment.loss
    parts = (loss.objective, loss.weighting, loss.proposal, run.experiment.model.parametrization)
    ddpm = (DenoisingScoreMatching, Sigma2, UniformTime, Noise)
    if not isinstance(run.experiment.sde, VP) or tuple(map(type, parts)) != ddpm:
        raise ConfigError(
            "this study needs DDPM's loss: config.sde.name = 'vp', config.model.parametrization = "
            "'noise', config.objective.name = 'dsm', weighting = 'sigma2', levels = 'continuous'"
        )
