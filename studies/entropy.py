"""The entropy of the noisy data along the process, and its rate by scores and by itself.

Song et al. 2021, arXiv:2101.09258: ``dH(p_t)/dt = 1/2 g^2 E||grad log p_t||^2 + d f``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, gaussian_entropy
from gradlog.evaluation.pictures import save_figure
from gradlog.experiment.losses import law_of
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
from gradlog.studies.runs import folder_of
from gradlog.theory.entropy import entropy_at, entropy_rate, entropy_slope


class Curves(NamedTuple):
    """Over rho = sigma/alpha: entropy in nats, its rates in nats per unit of log rho."""

    rho: Float[np.ndarray, " n"]
    entropy: Drawn
    rate_by_scores: Drawn
    rate_by_itself: Drawn


@dataclass(frozen=True)
class Entropy:
    """Draws both for the data's law, or for the empirical law of data whose law is not known.

    Attributes:
      samples: draws behind each point.
      times: noise levels, even in log rho.
    """

    samples: int = 10_000
    times: int = 40

    def __call__(self, run: RunDirectory) -> None:
        curves = self._curves(run)
        variances = jnp.full(run.experiment.dataset.shape, run.experiment.sde.prior_std**2)
        figure = _figure(curves, float(gaussian_entropy(variances)))
        save_figure(folder_of(run) / "entropy.png", figure)
        _report(run, curves)

    def _curves(self, run: RunDirectory) -> Curves:
        law, sde = law_of(run.experiment.dataset), run.experiment.sde
        levels = levels_of(run, self.times)

        def curve(estimate: Callable[..., Estimate], key: Array, *, common: bool = False) -> Drawn:
            draw = lambda t, one: estimate(law, sde, t, one, self.samples)  # noqa: E731
            return along(levels.times, key, draw, common=common)

        def rate(estimate: Callable[..., Estimate], key: Array) -> Drawn:
            mean, error = curve(estimate, key)
            return mean * levels.time_per_log_rho, error * levels.time_per_log_rho

        keys = jax.random.split(run.experiment.streams["eval"], 3)
        return Curves(
            rho=levels.rho,
            entropy=curve(entropy_at, keys[0], common=True),
            rate_by_scores=rate(entropy_rate, keys[1]),
            rate_by_itself=rate(entropy_slope, keys[2]),
        )


def _figure(curves: Curves, prior: float) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ratio = r"noise to signal $\rho = \sigma/\alpha$"
    draw_line(left, curves.rho, curves.entropy, "$H(p_t)$")
    left.axhline(prior, color="gray", linestyle="--", label="of the prior")
    finish(left, "Noise adds entropy ...", ratio, "entropy (nats)", xscale="log")
    identity = r"by the score: $\frac{1}{2} g^2 E\|\nabla\log p_t\|^2 + d f$"
    draw_line(right, curves.rho, curves.rate_by_scores, identity)
    draw_points(
        right, curves.rho, curves.rate_by_itself, "slope of $H$ itself", color="k", zorder=3
    )
    right.margins(y=0.3)
    labels = (ratio, r"$dH/d\log\rho$ (nats)")
    title = "... at the rate that the score tells"
    finish(right, title, *labels, legend="upper left", xscale="log")
    return figure


def _report(run: RunDirectory, curves: Curves) -> None:
    entropy = curves.entropy[0]
    by_scores, error = _integral(curves.rho, curves.rate_by_scores)
    deviation = rms_deviation(curves.rate_by_scores, curves.rate_by_itself)
    found = as_json(curves._asdict()) | {
        "gain": float(entropy[-1] - entropy[0]),
        "gain_by_scores": by_scores,
        "gain_by_scores_standard_error": error,
        "rms_deviation_in_standard_errors": deviation,
    }
    write_json(folder_of(run) / "entropy.json", found)
    terminal.say(f"entropy from {entropy[0]:.4f} to {entropy[-1]:.4f} nats")
    terminal.say(f"its gain: {found['gain']:.4f}, by the score {by_scores:.3f} +- {error:.3f}")
    terminal.say(
        f"both rates at {len(entropy)} levels: {deviation:.2f} standard errors (rms) apart"
    )
    terminal.say(f"wrote {folder_of(run)}")


def _integral(rho: Float[np.ndarray, " n"], rate: Drawn) -> tuple[float, float]:
    """Over log rho by the trapezoidal rule, and its standard error."""
    weights = np.gradient(np.log(rho))
    weights[[0, -1]] /= 2
    return float(weights @ rate[0]), float(np.sqrt(weights**2 @ rate[1] ** 2))
