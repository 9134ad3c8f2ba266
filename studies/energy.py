"""The density that an energy gives, against the likelihood of the same model by the ODE.

Two ways from one network to ``log p_eps(x) - log p_eps(x')``: the energy at eps alone, and the
probability flow through all noise levels. They agree where the score is right everywhere. Within a
mode both are good; across modes the energy must integrate a score through the valley between,
where few data have trained it: at low noise it cannot see the weights of far modes.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.reader import Reader
from gradlog.likelihood import AsSample, Exact, ODELikelihood, OneDraw
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.densities import Densities, both_kinds_of_pairs, pair_errors
from gradlog.studies.fields import Grid, draw_contours, draw_map
from gradlog.studies.modes import draw_noisy, mixture_of, nearest_mode
from gradlog.studies.needs import need, need_energy
from gradlog.studies.runs import folder_of

_CUT = 61  # points of the line through the modes
_COLORS = {"energy": "tab:blue", "ode": "tab:orange", "truth": "black"}


@dataclass(frozen=True)
class EnergyAgainstODE:
    """Trains an energy; compares log densities at ``likelihood.eps`` over all pairs of points.

    Attributes:
      extent: half the side of the square that is drawn, in the data's units.
      points: draws of p_eps that the pairs are made of.

    Raises:
      ConfigError: the data are no mixture in the plane, the model has no density, the estimator is
        not the ODE's of p_eps itself, or the points make no pairs within a mode or none across.
    """

    extent: float = 8.0
    points: int = 500

    def __call__(self, run: RunDirectory) -> None:
        law, eps = mixture_of(run), Reader(run.config).get("likelihood.eps")
        need_energy(run)
        _need_exact_ode(run)
        xs = draw_noisy(law, run.experiment.sde, eps, jax.random.key(1), self.points)
        mode = nearest_mode(law, np.asarray(xs))
        need(both_kinds_of_pairs(mode), "pairs within a mode and across: raise config.study.points")
        run.train()
        densities = Densities(run, law)
        values = densities(xs)
        found = pair_errors(values, mode)
        write_json(folder_of(run) / "energy.json", {"eps": densities.eps, "rms_nats": found})
        save_figure(folder_of(run) / "energy.png", self._figure(densities, mode, values, found))
        for name, (within, across) in found.items():
            terminal.say(f"{name}: rms {within:.3f} nats within a mode, {across:.3f} across")
        terminal.say(f"wrote {folder_of(run)}")

    def _figure(self, densities: Densities, mode, values, found) -> Figure:
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
        _draw_differences(right, values, mode)
        right.set_title(
            f"rms over pairs:\n{within:.3f} within a mode, {across:.3f} across", fontsize=10
        )
        return figure


def _need_exact_ode(run: RunDirectory) -> None:
    """Raises ConfigError unless ``run.log_density_fn`` is that of p_eps, without probes."""
    stored = next(iter(run.experiment.estimators.values())).likelihood
    ode = stored.likelihood if isinstance(stored, OneDraw) else None
    need(
        isinstance(ode, ODELikelihood)
        and isinstance(ode.divergence, Exact)
        and isinstance(ode.start, AsSample),
        "config.likelihood.name = 'ode', divergence = 'exact', start = 'as_sample'",
    )


def _draw_cut(axes, densities: Densities, extent: float) -> None:
    along = np.linspace(-extent, extent, _CUT)
    means = np.asarray(densities.law.means)
    direction = (means[-1] - means[0]) / np.linalg.norm(means[-1] - means[0])
    values = densities(jnp.asarray(along[:, None] * direction, jnp.float32))
    weight = np.exp(values["truth"])
    for name, color in _COLORS.items():
        # The energy's constant is chosen, as the ODE's is not, to agree with the truth.
        shift = np.average(values["truth"] - values[name], weights=weight)
        style = ":" if name == "truth" else "-"
        shown = values[name] + (shift if name == "energy" else 0.0)
        axes.plot(along, shown, style, color=color, label=name)
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
    axes.locator_params(axis="x", nbins=5)
    axes.legend()
