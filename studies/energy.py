"""The density of an energy, compared with the likelihood of the same model by the ODE.

One network gives ``log p_eps(x) - log p_eps(x')`` in two ways: by the energy at eps alone, and by
the probability flow through all noise levels. They agree if the score is right everywhere. Within a
mode both are good. Across modes the energy depends on the score in the valley between them, where
training had few data. At low noise it cannot determine the weights of distant modes.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.experiment.reader import Reader
from gradlog.experiment.run import Run
from gradlog.likelihood import AsSample, Exact, ODELikelihood, OneDraw
from gradlog.studies.common import require, require_energy, write_results
from gradlog.studies.plane import (
    PlaneGrid,
    draw_contours,
    draw_map,
    draw_noisy,
    nearest_mode,
    require_mixture,
)
from gradlog.theory.normalizers import log_normalizer_by_importance, log_normalizer_by_quadrature

_CUT = 61  # points of the line through the modes
_COLORS = {"energy": "tab:blue", "ode": "tab:orange", "truth": "black"}
Numbers = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class EnergyAgainstODE:
    """Train an energy; compare log densities at ``likelihood.eps`` over all pairs of points.

    Attributes:
      extent: half the side of the drawn square, in the data's units.
      points: number of draws of p_eps; all pairs of them are compared.

    Raises:
      ConfigError: the data are no mixture in the plane; the model has no density; the estimator is
        not the exact ODE of p_eps; or the points make no pairs within a mode or none across.
    """

    extent: float = 8.0
    points: int = 500

    def __call__(self, run: Run) -> None:
        law, sde = require_mixture(run), run.experiment.initial_process
        eps = Reader(run.config).get("likelihood.eps")
        require_energy(run)
        stored = next(iter(run.experiment.estimators.values())).likelihood
        ode = stored.likelihood if isinstance(stored, OneDraw) else None
        require(
            isinstance(ode, ODELikelihood)
            and isinstance(ode.divergence, Exact)
            and isinstance(ode.start, AsSample),
            "config.likelihood.name = 'ode', divergence = 'exact', start = 'as_sample'",
        )
        xs = draw_noisy(law, sde, eps, jax.random.key(1), self.points)
        mode = nearest_mode(law, np.asarray(xs))
        require(has_both_pairs(mode), "pairs within a mode and across: raise config.study.points")
        run.train()

        densities = LogDensities(run, law)
        values = densities(xs)
        errors = pair_errors(values, mode)
        log_z = log_normalizer_by_quadrature(densities.energy, 2, 2 * self.extent)
        drawn = run.sample(None, self.points, log_prob=True)
        by_flow, error = log_normalizer_by_importance(
            jax.jit(jax.vmap(densities.energy))(jnp.asarray(drawn.x)), jnp.asarray(drawn.log_prob)
        )
        bits, true_bits = (
            -float(np.mean(nats)) / (2 * np.log(2))
            for nats in (values["energy"] - log_z, values["truth"])
        )

        figure = Figure(figsize=(12, 3.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        grid = PlaneGrid(self.extent, 100)
        energy = grid.evaluate(densities.energy)
        shown = np.maximum(energy - energy.max(), -16)
        title = f"energy: log Z {log_z:.3f} nats,\nby its flow {by_flow:.3f} ± {error:.3f}"
        image = draw_map(left, grid, shown, title)
        figure.colorbar(image, ax=left, label=r"$\log q(x)$ (nats), greatest = 0")
        draw_contours(left, grid, grid.evaluate(densities.truth))
        _draw_cut(middle, densities, self.extent)
        middle.set_title(
            f"bits/dim of {self.points} points:\nenergy {bits:.3f}, truth {true_bits:.3f}",
            fontsize=10,
        )
        _draw_differences(right, values, mode)
        within, across = errors["energy - ode"]
        right.set_title(
            f"energy - ODE, rms over pairs:\n{within:.3f} within a mode, {across:.3f} across",
            fontsize=10,
        )
        terminal.say(
            f"log Z of the energy: {log_z:.3f} nats by quadrature, {by_flow:.3f} +- {error:.3f} by "
            f"importance from its flow; then it has {bits:.4f} bits/dim, the truth {true_bits:.4f}"
        )
        constants = {"log_z": log_z, "by_importance": float(by_flow), "error": float(error)}
        for name, (within, across) in errors.items():
            terminal.say(f"{name}: rms {within:.3f} nats within a mode, {across:.3f} across")
        write_results(run, "energy", figure, {"eps": eps, "rms_nats": errors} | constants)


class LogDensities:
    """Log densities of a run at one noise level by the energy, by the ODE, and true, in nats."""

    def __init__(self, run: Run, law: GaussianMixture):
        eps, params = Reader(run.config).get("likelihood.eps"), run.params()
        log_q = run.experiment.model.log_density_fn(params)
        log_p = law.log_density_fn(run.experiment.initial_process)
        ode = run.log_density_fn()
        self.law = law
        self.energy = lambda x: log_q(x, eps)
        self.ode = lambda x: ode(params, x, jax.random.key(0))
        self.truth = lambda x: log_p(x, eps)

    def __call__(self, xs: Float[Array, "n d"]) -> dict[str, Numbers]:
        """Return each of them at each point, by name; the energy's constant is arbitrary."""
        fs = {"energy": self.energy, "ode": self.ode, "truth": self.truth}
        return {name: np.asarray(jax.jit(jax.vmap(f))(xs)) for name, f in fs.items()}


def has_both_pairs(mode: Int[np.ndarray, " n"]) -> bool:
    """Return whether there are pairs within a mode and pairs across modes."""
    counts = np.bincount(mode)
    return bool(np.any(counts > 1) and np.sum(counts > 0) > 1)


def pair_errors(
    values: dict[str, Numbers], mode: Int[np.ndarray, " n"]
) -> dict[str, tuple[float, float]]:
    """Return the rms of ``(a(x) - a(x')) - (b(x) - b(x'))`` in nats, within a mode and across.

    The keys are the pairs "a - b" of log densities.
    """
    first, second = np.triu_indices(len(mode), 1)
    same = mode[first] == mode[second]
    rms = lambda x: float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))  # noqa: E731
    errors = {}
    for a, b in (("energy", "ode"), ("energy", "truth"), ("ode", "truth")):
        error = values[a] - values[b]
        pairs = error[first] - error[second]
        errors[f"{a} - {b}"] = (rms(pairs[same]), rms(pairs[~same]))
    return errors


def _draw_cut(axes, densities: LogDensities, extent: float) -> None:
    """Draw the log densities along the line through the modes."""
    along = np.linspace(-extent, extent, _CUT)
    means = np.asarray(densities.law.means)
    direction = (means[-1] - means[0]) / np.linalg.norm(means[-1] - means[0])
    values = densities(jnp.asarray(along[:, None] * direction, jnp.float32))
    weight = np.exp(values["truth"])
    for name, color in _COLORS.items():
        # The energy's constant is arbitrary: choose it to fit the truth. The ODE's is not.
        shift = np.average(values["truth"] - values[name], weights=weight)
        style = ":" if name == "truth" else "-"
        shown = values[name] + (shift if name == "energy" else 0.0)
        axes.plot(along, shown, style, color=color, label=name)
    axes.set(xlabel="along the line through the modes", ylabel=r"$\log p(x)$ (nats)")
    axes.set_ylim(bottom=values["truth"].max() - 12)
    axes.legend()


def _draw_differences(axes, values: dict[str, Numbers], mode: Int[np.ndarray, " n"]) -> None:
    """Draw histograms of the difference between energy and ODE, one for each mode."""
    difference = values["energy"] - values["ode"]
    difference = difference - difference.mean()
    low, high = np.quantile(difference, [0.005, 0.995])
    bins = np.linspace(low, high, 40)
    for index in np.unique(mode):
        axes.hist(difference[mode == index], bins, density=True, alpha=0.6, label=f"mode {index}")
    axes.set(xlabel="energy - ODE (nats), mean 0", ylabel="density of the points")
    axes.locator_params(axis="x", nbins=5)
    axes.legend()
