"""Sliced score matching on data that lie on a manifold, with and without a little noise.

Song & Ermon 2019, arXiv:1907.05600, figure 1. On a manifold the data have no density, so the loss
has no minimum: it keeps falling and jumping. With a little noise the data have a score.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.experiment.reader import Reader
from gradlog.experiment.run import Run
from gradlog.losses import OneLevel, ReducedVarianceScoreMatching, SlicedScoreMatching
from gradlog.sde_lib import VE
from gradlog.studies.common import open_variant, require, write_results

NO_NOISE = 1e-8  # lost in float32 beside coordinates of order one


@dataclass(frozen=True)
class Manifold:
    """Train twice, with ``sde.sigma_min`` and with almost no noise, and draw both losses.

    Attributes:
      window: number of logged points in a running median; all, if there are fewer.

    Raises:
      ConfigError: the process or the loss is not that of the claim, or the window is empty.
    """

    window: int = 15

    def __call__(self, run: Run) -> None:
        objective = run.experiment.objective
        sliced = isinstance(objective.integrand, SlicedScoreMatching | ReducedVarianceScoreMatching)
        require(isinstance(run.experiment.model.process, VE), "config.sde.name = 've'")
        require(sliced, "config.objective.name = 'ssm' or 'ssm_vr'")
        require(isinstance(objective.proposal, OneLevel), "config.objective.levels = 'one'")
        require(self.window >= 1, "config.study.window of at least 1")

        sigma = Reader(run.config).get("sde.sigma_min")
        curves = {}
        for name, level in (("with_noise", sigma), ("without_noise", NO_NOISE)):
            variant = open_variant(run, name, {"sde.sigma_min": level})
            variant.train()
            logged = variant.metrics()
            curves[name] = {key: logged[key].tolist() for key in ("step", "loss")}

        figure = Figure(figsize=(9, 3.5), layout="constrained")
        names = (f"with noise of std {sigma:g}", "without noise")
        for axes, curve, name in zip(figure.subplots(1, 2), curves.values(), names, strict=True):
            steps, loss = np.array(curve["step"]), np.array(curve["loss"])
            quarter = max(1, len(loss) // 4)
            before, after = np.median(loss[-2 * quarter : -quarter]), np.median(loss[-quarter:])
            axes.plot(steps, loss, linewidth=0.6, alpha=0.6)
            window = min(self.window, len(loss))
            windows = np.lib.stride_tricks.sliding_window_view(loss, window)
            middle = window // 2
            axes.plot(steps[middle : middle + len(windows)], np.median(windows, axis=1))
            axes.set(xlabel="step", ylabel="SSM loss (nats / dimension)")
            axes.set_title(
                f"{name}: median {before:.3g} in the third quarter,\n{after:.3g} in the last, "
                f"from {loss[-quarter:].min():.3g} to {loss[-quarter:].max():.3g}",
                fontsize=10,
            )
            axes.grid(alpha=0.3)

        for name, curve in curves.items():
            second_half = np.array(curve["loss"][len(curve["loss"]) // 2 :])
            terminal.say(
                f"{name.replace('_', ' ')}: loss in the second half of training: median "
                f"{np.median(second_half):.4g}, from {second_half.min():.4g} to "
                f"{second_half.max():.4g}"
            )
        dataset = run.experiment.dataset
        of_images = len(dataset.shape) == 3
        name = f"manifold_{dataset.name}" if of_images else "manifold"
        write_results(run, name, figure, curves)
