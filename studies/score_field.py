"""The true score of a mixture, the one learned from its samples, and where they differ.

Song & Ermon 2019, arXiv:1907.05600, figure 2: score matching weighs errors by the density, so a
score is learned where data are, and is inaccurate between and around the modes.
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.evaluation.pictures import save_figure
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.fields import Grid, draw_arrows, draw_contours, draw_map
from gradlog.studies.modes import mixture_of
from gradlog.studies.runs import folder_of

_RARE = np.log(1e-4)  # below the greatest density: hardly a training point lies there


@dataclass(frozen=True)
class ScoreField:
    """Trains, and draws both fields and the size of their difference at ``objective.eps``.

    Attributes:
      extent: half the side of the square that is drawn, in the data's units.
    """

    extent: float = 8.0

    def __call__(self, run: RunDirectory) -> None:
        law, sde, eps = mixture_of(run), run.experiment.sde, run.experiment.loss.eps
        run.train()
        learned = run.experiment.model.score_fn(sde, run.params())
        exact, log_density = law.score_fn(sde), law.log_density_fn(sde)
        coarse, fine = Grid(self.extent, 17), Grid(self.extent, 120)

        def error(x):
            return jax.numpy.linalg.norm(learned(x, eps) - exact(x, eps))

        errors, densities = fine.values(error), fine.values(lambda x: log_density(x, eps))
        figure = Figure(figsize=(12, 4), layout="constrained")
        axes = figure.subplots(1, 3)
        draw_arrows(axes[0], coarse, coarse.values(lambda x: exact(x, eps)), "true score")
        draw_arrows(axes[1], coarse, coarse.values(lambda x: learned(x, eps)), "learned score")
        title = "error: large where data are rare"
        image = draw_map(axes[2], fine, errors, title, norm=LogNorm(0.01, 10), cmap="viridis")
        figure.colorbar(image, ax=axes[2], label="|learned - true|")
        for panel in axes:
            draw_contours(panel, fine, densities)
        save_figure(folder_of(run) / "score_field.png", figure)
        _report(run, errors, densities)


def _report(run: RunDirectory, errors: np.ndarray, log_density: np.ndarray) -> None:
    """Root mean squares of the error, weighted by the density and where it is low."""
    depth = log_density - log_density.max()
    found = {
        "rms_error_under_the_density": _rms(errors, np.exp(depth)),
        "rms_error_where_rare": _rms(errors, depth < _RARE),
    }
    write_json(folder_of(run) / "score_field.json", found)
    for name, value in found.items():
        terminal.say(f"{name.replace('_', ' ')}: {value:.3f}")
    terminal.say(f"wrote {folder_of(run)}")


def _rms(errors: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sqrt(np.average(errors**2, weights=weights)))
