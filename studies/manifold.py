"""Sliced score matching on data that lie on a manifold, with and without a little noise.

Song & Ermon 2019, arXiv:1907.05600, figure 1: on a manifold the data have no density, the loss has
no minimum, and goes on falling and jumping; a little noise gives them a score.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.reader import Reader
from gradlog.losses import OneLevel, ReducedVarianceScoreMatching, SlicedScoreMatching
from gradlog.run import RunDirectory
from gradlog.sde_lib import VE
from gradlog.storage import write_json
from gradlog.studies.needs import need
from gradlog.studies.runs import folder_of, variant

NO_NOISE = 1e-8  # of coordinates of order one: lost in float32


@dataclass(frozen=True)
class Manifold:
    """Trains twice, with ``sde.sigma_min`` as it is and as good as zero; draws both losses.

    Attributes:
      window: logged points over which a running median is drawn; all, where there are fewer.

    Raises:
      ConfigError: another process or loss than the picture tells of, or no window.
    """

    window: int = 15

    def __call__(self, run: RunDirectory) -> None:
        self._check(run)
        sigma = Reader(run.config).get("sde.sigma_min")
        curves = {}
        for name, level in (("with_noise", sigma), ("without_noise", NO_NOISE)):
            trained = variant(run, name, {"sde.sigma_min": level})
            trained.train()
            logged = trained.metrics()
            curves[name] = {key: logged[key].tolist() for key in ("step", "loss")}
        figure = Figure(figsize=(9, 3.5), layout="constrained")
        titles = (f"with noise of std {sigma:g}: it converges", "without noise: there is no score")
        for axes, curve, title in zip(figure.subplots(1, 2), curves.values(), titles, strict=True):
            self._draw(axes, curve, title)
        save_figure(folder_of(run) / "manifold.png", figure)
        write_json(folder_of(run) / "manifold.json", curves)
        for name, curve in curves.items():
            terminal.say(f"{name.replace('_', ' ')}: {_spread(curve['loss'])}")
        terminal.say(f"wrote {folder_of(run)}")

    def _check(self, run: RunDirectory) -> None:
        loss = run.experiment.loss
        sliced = (SlicedScoreMatching, ReducedVarianceScoreMatching)
        need(isinstance(run.experiment.sde, VE), "config.sde.name = 've'")
        need(isinstance(loss.objective, sliced), "config.objective.name = 'ssm' or 'ssm_vr'")
        need(isinstance(loss.proposal, OneLevel), "config.objective.levels = 'one'")
        need(self.window >= 1, "config.study.window of at least 1")

    def _draw(self, axes, curve: dict[str, list[float]], title: str) -> None:
        steps, loss = np.array(curve["step"]), np.array(curve["loss"])
        axes.plot(steps, loss, linewidth=0.6, alpha=0.6)
        window = min(self.window, len(loss))
        windows = np.lib.stride_tricks.sliding_window_view(loss, window)
        middle = window // 2
        axes.plot(steps[middle : middle + len(windows)], np.median(windows, axis=1))
        axes.set(xlabel="step", ylabel="SSM loss (nats / dimension)")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)


def _spread(loss: list[float]) -> str:
    last = np.array(loss[len(loss) // 2 :])
    return (
        f"loss of the second half of training: median {np.median(last):.4g}, "
        f"from {last.min():.4g} to {last.max():.4g}"
    )
