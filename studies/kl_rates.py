"""The rate at which a process makes two laws equal, and the cost of a wrong score in KL.

``d/dt KL(p_t || q_t) = -1/2 g^2 E||grad log p_t - grad log q_t||^2``. For Gaussian data and a model
with a wrong linear score, its KL is an integral of scores (``theory.linear_model``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, Gaussian
from gradlog.experiment.run import Run
from gradlog.studies.common import write_results
from gradlog.studies.curves import (
    Curve,
    curves_to_json,
    draw_error_bars,
    draw_line,
    estimate_along,
    label_axes,
    noise_levels,
    rms_deviation,
)
from gradlog.studies.plane import require_mixture
from gradlog.theory.entropies import kl, kl_rate, kl_slope
from gradlog.theory.linear_model import LinearKL, LinearScore, linear_kl


@dataclass(frozen=True)
class KLRates:
    """Draw rates for the data's mixture and one of equal weights, and costs for a Gaussian.

    The Gaussian has the data's mean and variances. The wrong scores are its own score times a gain.

    Attributes:
      samples: number of draws for each point.
      times: number of noise levels, even in log rho.
      gains: number of wrong scores.
    """

    samples: int = 10_000
    times: int = 40
    gains: int = 25

    def __call__(self, run: Run) -> None:
        law, sde = require_mixture(run), run.experiment.initial_process
        levels = noise_levels(run, self.times)
        other = replace(law, weights=jnp.full_like(law.weights, 1 / len(law.weights)))
        keys = jax.random.split(run.experiment.streams["eval"], 3)

        def kl_at(t: Array, key: Array) -> Estimate:
            return kl(law, other, key, sde.alpha(t), sde.sigma(t), samples=self.samples)

        def fall_curve(estimator: Callable[..., Estimate], key: Array) -> Curve:
            """The fall of KL in nats per unit of log rho."""
            at = lambda t, one: estimator(law, other, sde, t, one, samples=self.samples)  # noqa: E731
            mean, error = estimate_along(levels.times, key, at)
            return -mean * levels.time_per_log_rho, error * levels.time_per_log_rho

        nats = estimate_along(levels.times, keys[0], kl_at, common_key=True)
        by_scores, by_itself = fall_curve(kl_rate, keys[1]), fall_curve(kl_slope, keys[2])

        # The Gaussian with the mixture's moments, and its score times a gain.
        mean = law.weights @ law.means
        variance = law.weights @ (law.stds[:, None] ** 2 + (law.means - mean) ** 2)
        data = Gaussian(mean, jnp.sqrt(variance))
        gains = np.linspace(0.7, 1.3, self.gains)
        eps = run.experiment.objective.eps
        rows = [linear_kl(data, sde, LinearScore(data, gain), eps) for gain in gains]
        table = LinearKL(*np.array(rows).T)

        deviation = rms_deviation(by_scores, by_itself)

        figure = Figure(figsize=(10, 3.3), layout="constrained")
        level, rate, cost = figure.subplots(1, 3)
        ratio = r"noise to signal $\rho = \sigma/\alpha$"
        draw_line(level, levels.rho, nats, r"$KL(p_t\,\|\,q_t)$")
        title = f"two mixtures with other weights:\n{nats[0][0]:.3f} to {nats[0][-1]:.0e} nats"
        label_axes(level, title, ratio, "KL (nats)", xscale="log")
        identity = r"$\frac{1}{2} g^2 E\|\nabla\log p_t - \nabla\log q_t\|^2$"
        draw_line(rate, levels.rho, by_scores, identity)
        draw_error_bars(rate, levels.rho, by_itself, "slope of KL itself", color="k", zorder=3)
        rate.margins(y=0.4)
        title = f"the two rates at {len(levels.rho)} levels\ndiffer by {deviation:.2f} s.e. (rms)"
        unit = r"$-dKL/d\log\rho$ (nats)"
        label_axes(rate, title, ratio, unit, legend="upper right", xscale="log")
        cost.plot(gains, table.kl_flow, color="C0", label="KL of the flow")
        cost.plot(gains, table.kl_sde, color="C1", label="KL of the SDE")
        cost.plot(gains, table.bound, "--", color="C1", label="the SDE's bound")
        dots = {"markersize": 4, "zorder": 3}
        cost.plot(gains, table.kl_flow_by_scores, "k.", **dots, label="by integrals of scores")
        cost.plot(gains, table.kl_sde_by_scores, "k.", **dots)
        cost.set_ylim(bottom=1e-6)
        above = [np.sum(table.bound < each) for each in (table.kl_sde, table.kl_flow)]
        title = (
            f"a score times {len(gains)} gains: SDE above\n"
            f"the bound at {above[0]}, flow at {above[1]}"
        )
        label_axes(cost, title, "gain", "KL (nats)", legend="lower left", yscale="log")

        worst = np.max(np.abs(table.kl_flow - table.kl_flow_by_scores) / table.kl_flow)
        curves = {"rho": levels.rho, "kl": nats, "fall_by_scores": by_scores}
        curves |= {"fall_by_itself": by_itself, "gain": gains} | table._asdict()
        numbers = curves_to_json(curves) | {"rms_deviation_in_standard_errors": deviation}
        terminal.say(f"KL from {nats[0][0]:.4f} to {nats[0][-1]:.1e} nats")
        terminal.say(
            f"the two rates at {len(levels.rho)} levels differ by {deviation:.2f} standard errors "
            "(rms)"
        )
        terminal.say(f"KL of a linear flow and its integral differ by at most {worst:.0e} of it")
        terminal.say(
            f"gain {gains[0]:g}: KL of the SDE {table.kl_sde[0]:.4f}, its bound "
            f"{table.bound[0]:.4f}, KL of the flow {table.kl_flow[0]:.4f} nats"
        )
        write_results(run, "kl_rates", figure, numbers)
