"""How fast a process forgets which of two laws it began with, and what a wrong score costs in KL.

``d/dt KL(p_t || q_t) = -1/2 g^2 E||grad log p_t - grad log q_t||^2``, and of Gaussian data and a
model with a wrong linear score its KL as an integral of scores (``theory.linear_kl``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, Gaussian, GaussianMixture
from gradlog.evaluation.pictures import save_figure
from gradlog.run import RunDirectory
from gradlog.storage import write_json
from gradlog.studies.curves import (
    Drawn,
    along,
    as_json,
    draw_line,
    draw_points,
    finish,
    levels_of,
    rms_deviation,
)
from gradlog.studies.modes import mixture_of
from gradlog.studies.runs import folder_of
from gradlog.theory.divergences import kl, kl_rate, kl_slope
from gradlog.theory.linear_kl import Ledger, ledger
from gradlog.theory.linear_model import LinearScore


class Curves(NamedTuple):
    """Over rho = sigma/alpha: KL in nats, and how it falls in nats per unit of log rho."""

    rho: Float[np.ndarray, " n"]
    kl: Drawn
    fall_by_scores: Drawn
    fall_by_itself: Drawn


@dataclass(frozen=True)
class KLRates:
    """Draws the first for the data's mixture and one of equal weights, the second for a Gaussian.

    The Gaussian has the data's mean and variances; the wrong scores are its own times a gain.

    Attributes:
      samples: draws behind each point.
      times: noise levels, even in log rho.
      gains: wrong scores.
    """

    samples: int = 10_000
    times: int = 40
    gains: int = 25

    def __call__(self, run: RunDirectory) -> None:
        law = mixture_of(run)
        curves, gains = self._curves(run, law), np.linspace(0.7, 1.3, self.gains)
        table = _table(run, law, gains)
        save_figure(folder_of(run) / "kl_rates.png", _figure(curves, gains, table))
        _report(run, curves, gains, table)

    def _curves(self, run: RunDirectory, law: GaussianMixture) -> Curves:
        sde, levels = run.experiment.sde, levels_of(run, self.times)
        other = replace(law, weights=jnp.full_like(law.weights, 1 / len(law.weights)))
        keys = jax.random.split(run.experiment.streams["eval"], 3)

        def at(t, key) -> Estimate:
            return kl(law, other, key, sde.alpha(t), sde.sigma(t), samples=self.samples)

        def fall(estimate: Callable[..., Estimate], key) -> Drawn:
            draw = lambda t, one: estimate(law, other, sde, t, one, samples=self.samples)  # noqa: E731
            mean, error = along(levels.times, key, draw)
            return -mean * levels.time_per_log_rho, error * levels.time_per_log_rho

        return Curves(
            rho=levels.rho,
            kl=along(levels.times, keys[0], at, common=True),
            fall_by_scores=fall(kl_rate, keys[1]),
            fall_by_itself=fall(kl_slope, keys[2]),
        )


def _table(run: RunDirectory, law: GaussianMixture, gains: Float[np.ndarray, " n"]) -> Ledger:
    """Columns of numbers for the Gaussian with the mixture's moments, a row for each gain."""
    mean = law.weights @ law.means
    variance = law.weights @ (law.stds[:, None] ** 2 + (law.means - mean) ** 2)
    data = Gaussian(mean, jnp.sqrt(variance))
    sde, eps = run.experiment.sde, run.experiment.loss.eps
    rows = [ledger(data, sde, LinearScore(data, gain), eps) for gain in gains]
    return Ledger(*np.array(rows).T)


def _figure(curves: Curves, gains: Float[np.ndarray, " n"], table: Ledger) -> Figure:
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    level, rate, cost = figure.subplots(1, 3)
    ratio = r"noise to signal $\rho = \sigma/\alpha$"
    draw_line(level, curves.rho, curves.kl, r"$KL(p_t\,\|\,q_t)$")
    title = "Two mixtures with other weights\nbecome one law"
    finish(level, title, ratio, "KL (nats)", xscale="log")
    identity = r"$\frac{1}{2} g^2 E\|\nabla\log p_t - \nabla\log q_t\|^2$"
    draw_line(rate, curves.rho, curves.fall_by_scores, identity)
    draw_points(rate, curves.rho, curves.fall_by_itself, "slope of KL itself", color="k", zorder=3)
    rate.margins(y=0.4)
    labels = (ratio, r"$-dKL/d\log\rho$ (nats)")
    title = "... as fast as\ntheir scores differ"
    finish(rate, title, *labels, legend="upper right", xscale="log")
    cost.plot(gains, table.kl_flow, color="C0", label="KL of the flow")
    cost.plot(gains, table.kl_sde, color="C1", label="KL of the SDE")
    cost.plot(gains, table.bound, "--", color="C1", label="the SDE's bound")
    dots = {"markersize": 4, "zorder": 3}
    cost.plot(gains, table.kl_flow_by_scores, "k.", **dots, label="by integrals of scores")
    cost.plot(gains, table.kl_sde_by_scores, "k.", **dots)
    cost.set_ylim(bottom=1e-6)
    title = "A linear score times a gain: the bound\nholds for the SDE, not for the flow"
    finish(cost, title, "gain", "KL (nats)", legend="lower left", yscale="log")
    return figure


def _report(
    run: RunDirectory, curves: Curves, gains: Float[np.ndarray, " n"], table: Ledger
) -> None:
    deviation = rms_deviation(curves.fall_by_scores, curves.fall_by_itself)
    off = np.max(np.abs(table.kl_flow - table.kl_flow_by_scores) / table.kl_flow)
    found = as_json(curves._asdict() | {"gain": gains} | table._asdict())
    write_json(
        folder_of(run) / "kl_rates.json",
        found | {"rms_deviation_in_standard_errors": deviation},
    )
    terminal.say(f"KL from {curves.kl[0][0]:.4f} to {curves.kl[0][-1]:.1e} nats")
    terminal.say(
        f"both rates at {len(curves.rho)} levels: {deviation:.2f} standard errors (rms) apart"
    )
    terminal.say(f"KL of a linear flow and its integral of scores: at most {off:.0e} of it apart")
    terminal.say(
        f"gain {gains[0]:g}: KL of the SDE {table.kl_sde[0]:.4f}, its bound "
        f"{table.bound[0]:.4f}, KL of the flow {table.kl_flow[0]:.4f} nats"
    )
    terminal.say(f"wrote {folder_of(run)}")
