"""A network trained with DDPM's loss, sampled by NCSN's annealed Langevin dynamics.

DDPM's simple loss is denoising score matching with the weighting sigma^2 (`theory/ddpm.py`). So its
network gives the score at every noise level of NCSN's ladder (Ho et al. 2020, arXiv:2006.11239,
section 3.2; Song & Ermon 2019, arXiv:1907.05600, algorithm 1).
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.experiment.reader import Reader
from gradlog.experiment.run import Run
from gradlog.losses import DenoisingScoreMatching, Sigma2, UniformTime
from gradlog.models import Noise
from gradlog.sampling import NoCorrector, PredictorCorrector, ReverseDiffusion
from gradlog.sde_lib import VP
from gradlog.studies.common import write_results
from gradlog.studies.plane import (
    draw_modes,
    draw_noisy,
    draw_samples,
    require_annealed_langevin,
    require_mixture,
    share_of_first_mode,
    std_within_modes,
)


@dataclass(frozen=True)
class DDPMLangevin:
    """Train, then sample by DDPM's own steps and by the annealed chain of ``config.sampling``.

    DDPM's steps are the reverse diffusion of VP. There are ``config.sampling.num_steps`` of them,
    down to the eps of the annealed chain.

    Attributes:
      samples: number of samples from each sampler.
    """

    samples: int = 10_000

    def __call__(self, run: Run) -> None:
        sde = run.experiment.initial_process
        require_ddpm_loss(run)
        law, annealed = require_mixture(run), require_annealed_langevin(run)
        run.train()
        model = run.experiment.model.bind(run.params())
        # The last step adds its noise too, so that both samplers end at the law with noise eps.
        num_steps = Reader(run.config).get("sampling.num_steps")
        own_steps = PredictorCorrector(
            ReverseDiffusion(), NoCorrector(), num_steps, annealed.eps, annealed.denoise
        )
        exact = draw_noisy(law, sde, annealed.eps, run.experiment.streams["eval"], self.samples)
        samples = {
            "exact": np.asarray(exact),
            "own_steps": draw_samples(run, own_steps, model, self.samples),
            "annealed_langevin": draw_samples(run, annealed, model, self.samples),
        }

        figure = Figure(figsize=(10, 3.9), layout="constrained")
        nfe = {"own_steps": own_steps.evaluations, "annealed_langevin": annealed.evaluations}
        names = ("exact samples", "DDPM's steps", "annealed Langevin")
        truth, numbers = float(law.weights[0]), {}
        for axes, (key, x), name in zip(figure.subplots(1, 3), samples.items(), names, strict=True):
            share, error = share_of_first_mode(law, x)
            std = std_within_modes(law, x)
            numbers[key] = {"share": share, "standard_error": error, "std_within_modes": std}
            numbers[key] |= {"diverged": self.samples - len(x), "nfe": nfe.get(key, 0)}
            title = f"{name}, {nfe.get(key, 0)} NFE:\nweight off by {share - truth:+.3f}"
            draw_modes(axes, law, x, title)
            terminal.say(
                f"{name}, {nfe.get(key, 0)} NFE: weight of the first mode {share:.4f} +- "
                f"{error:.4f}, std within modes {std:.4f}"
            )
        write_results(run, "ddpm_langevin", figure, numbers)


def require_ddpm_loss(run: Run) -> None:
    """Raise ConfigError unless the loss is DDPM's."""
    objective, model = run.experiment.objective, run.experiment.model
    weighting = getattr(objective, "weighting", None)  # the bound has none
    parts = (objective.integrand, weighting, objective.proposal, model.parametrization)
    ddpm = (DenoisingScoreMatching, Sigma2, UniformTime, Noise)
    if not isinstance(model.process, VP) or tuple(map(type, parts)) != ddpm:
        raise ConfigError(
            "this study needs DDPM's loss: config.sde.name = 'vp', config.model.parametrization = "
            "'noise', config.objective.name = 'dsm', weighting = 'sigma2', levels = 'continuous'"
        )
