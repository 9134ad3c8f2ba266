"""The density that an energy gives, against the likelihood of the same model by the ODE.

Two ways from one network to ``log p_eps(x) - log p_eps(x')``: the energy at eps alone, and the
probability flow through all noise levels. They agree where the score is right everywhere. Within a
mode both are good; across modes the energy must integrate a score through the valley between,
where few data have trained it: at low noise it cannot see the weights of far modes.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from evaluation import terminal
from evaluation.pictures import save_figure
from models import Energy
from oracles import GaussianMixture
from run import RunDirectory
from storage import write_json
from studies.densities import Densities, nearest_mode, pair_errors
from studies.fields import Grid, draw_contours, draw_map
from studies.runs import folder_of
from wiring.reader import ConfigError

_CUT = 61  # points of the line through the modes
_COLOURS = {"energy": "tab:blue", "ode": "tab:orange", "truth": "black"}


@dataclass(frozen=True)
class EnergyAgainstODE:
    """Trains an energy; compares log densities at ``likelihood.eps`` over all pairs of points.

    Needs a Gaussian mixture, and the estimator 'ode' with start 'as_sample'.

    Raises:
      ConfigError: other data, or a model without a density.

    Attributes:
      extent: half the side of the square that is drawn, in the data's units.
      points: draws of p_eps that the pairs are made of.
    """

    extent: float = 8.0
    points: int = 500

    def __call__(self, run: RunDirectory) -> None:
        law = run.experiment.dataset.law
        if not isinstance(law, GaussianMixture):
            raise ConfigError("this study needs the law of a mixture: config.data.name = 'mixture'")
        if not isinstance(run.experiment.model.parametrisation, Energy):
            raise ConfigError("this study needs config.model.parametrisation = 'energy'")
        run.train()
        densities = Densities(run, law)
        xs = densities.draws(self.points)
        values = densities(xs)
        found = pair_errors(values, nearest_mode(xs, law))
        write_json(folder_of(run) / "energy.json", {"eps": densities.eps, "rms_nats": found})
        save_figure(folder_of(run) / "energy.png", self._figure(densities, xs, values, found))
        for name, (within, across) in found.items():
            terminal.say(f"{name}: rms {within:.3f} nats within a mode, {across:.3f} across")
        terminal.say(f"wrote {folder_of(run)}")

    def _figure(self, densities: Densities, xs, values, found) -> Figure:
        figure = Figure(figsize=(12, 3.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        grid = Grid(self.extent, 100)
        energy = grid.values(densities.energy)
        true = grid.values(densities.truth)
        shown = np.maximum(energy - energy.max(), -16)
        image = draw_map(left, grid, shown, "energy, and contours of the truth")
        figure.colorbar(image, ax=left, label=r"$\log q(x)$ (nats), greatest = 0")
        draw_contours(left, grid, true)
        _draw_cut(middle, densities, self.extent)
        within, across = found["energy - ode"]
        _draw_differences(right, values, nearest_mode(xs, densities.law))
        right.set_title(
            f"rms of pairs: {within:.3f} within a mode, {across:.3f} across", fontsize=10
        )
        return figure


def _draw_cut(axes, densities: Densities, extent: float) -> None:
    along = np.linspace(-extent, extent, _CUT)
    means = np.asarray(densities.law.means)
    direction = (means[-1] - means[0]) / np.linalg.norm(means[-1] - means[0])
    values = densities(jnp.asarray(along[:, None] * direction, jnp.float32))
    weight = np.exp(values["truth"])
    for name, colour in _COLOURS.items():
        # The energy's constant is chosen, as the ODE's is not, to agree with the truth.
        shift = np.average(values["truth"] - values[name], weights=weight)
        style = ":" if name == "truth" else "-"
        shown = values[name] + (shift if name == "energy" else 0.0)
        axes.plot(along, shown, style, color=colour, label=name)
    axes.set(xlabel="along the line through the modes", ylabel=r"$\log p(x)$ (nats)")
    axes.set_title("one network, two ways to its density", fontsize=10)
    axes.set_ylim(bottom=values["truth"].max() - 12)
    axes.legend()


def _draw_differences(axes, values, mode: Int[np.ndarray, " n"]) -> None:
    difference = values["energy"] - values["ode"]
    difference = difference - difference.mean()
    low, high = np.quantile(difference, [0.005, 0.995])
    bins = np.linspace(low, high, 40)
    for index in np.unique(mode):
        axes.hist(difference[mode == index], bins, density=True, alpha=0.6, label=f"mode {index}")
    axes.set(xlabel="energy - ODE (nats), mean 0", ylabel="density of the points")
    axes.legend()
