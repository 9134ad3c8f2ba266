"""The true score of a mixture, the score learned from its samples, and where they differ.

Song & Ermon 2019, arXiv:1907.05600, figure 2. Score matching weights errors by the density. So the
learned score is accurate near the data, and inaccurate between and around the modes.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.experiment.run import Run
from gradlog.studies.common import write_results
from gradlog.studies.plane import PlaneGrid, draw_arrows, draw_contours, draw_map, require_mixture

_LOG_RARE = np.log(1e-4)  # relative to the maximum density: hardly any training points


@dataclass(frozen=True)
class ScoreField:
    """Train, then draw both fields and the size of their difference at ``objective.eps``.

    Attributes:
      extent: half the side of the drawn square, in the data's units.
    """

    extent: float = 8.0

    def __call__(self, run: Run) -> None:
        law, sde = require_mixture(run), run.experiment.initial_process
        eps = run.experiment.objective.eps
        run.train()
        learned = run.experiment.model.bind(run.params()).score
        exact, log_density = law.score_fn(sde), law.log_density_fn(sde)
        coarse, fine = PlaneGrid(self.extent, 17), PlaneGrid(self.extent, 120)
        errors = fine.evaluate(lambda x: jnp.linalg.norm(learned(x, eps) - exact(x, eps)))
        log_densities = fine.evaluate(lambda x: log_density(x, eps))

        figure = Figure(figsize=(12, 4), layout="constrained")
        axes = figure.subplots(1, 3)
        depth = log_densities - log_densities.max()
        rms = lambda weights: float(np.sqrt(np.average(errors**2, weights=weights)))  # noqa: E731
        numbers = {
            "rms_error_under_the_density": rms(np.exp(depth)),
            "rms_error_where_rare": rms(depth < _LOG_RARE),
        }
        under, rare = numbers.values()
        exact_field, field = (
            coarse.evaluate(lambda x, score=score: score(x, eps)) for score in (exact, learned)
        )
        longest = np.linalg.norm(exact_field, axis=-1).max()
        draw_arrows(axes[0], coarse, exact_field, f"true score: up to {longest:.1f} long")
        draw_arrows(axes[1], coarse, field, f"learned score: off by {under:.2f} under the density")
        title = f"error: {rare:.1f} where the density is below {np.exp(_LOG_RARE):.0e}"
        image = draw_map(axes[2], fine, errors, title, norm=LogNorm(0.01, 10), cmap="viridis")
        figure.colorbar(image, ax=axes[2], label="|learned - true|")
        for panel in axes:
            draw_contours(panel, fine, log_densities)

        for name, value in numbers.items():
            terminal.say(f"{name.replace('_', ' ')}: {value:.3f}")
        write_results(run, "score_field", figure, numbers)
