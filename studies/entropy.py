"""The entropy of the noisy data along the process, and its rate computed in two ways.

Song et al. 2021, arXiv:2101.09258: ``dH(p_t)/dt = 1/2 g^2 E||grad log p_t||^2 + d f``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, gaussian_entropy
from gradlog.experiment.run import Run
from gradlog.experiment.training_parts import law_of
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
from gradlog.theory.entropies import entropy_at, entropy_rate, entropy_slope


@dataclass(frozen=True)
class Entropy:
    """Draw the entropy and its rate for the data's law, or for the empirical law if it is unknown.

    Attributes:
      samples: number of draws for each point.
      times: number of noise levels, even in log rho.
    """

    samples: int = 10_000
    times: int = 40

    def __call__(self, run: Run) -> None:
        law = law_of(run.experiment.dataset, run.experiment.model.dequantizer)
        sde = run.experiment.initial_process
        levels = noise_levels(run, self.times)
        keys = jax.random.split(run.experiment.streams["eval"], 3)

        def curve(estimator: Callable[..., Estimate], key: Array, *, common: bool = False) -> Curve:
            at = lambda t, one: estimator(law, sde, t, one, self.samples)  # noqa: E731
            return estimate_along(levels.times, key, at, common_key=common)

        def rate_curve(estimator: Callable[..., Estimate], key: Array) -> Curve:
            """In nats per unit of log rho."""
            mean, error = curve(estimator, key)
            return mean * levels.time_per_log_rho, error * levels.time_per_log_rho

        entropy = curve(entropy_at, keys[0], common=True)
        by_scores = rate_curve(entropy_rate, keys[1])
        by_itself = rate_curve(entropy_slope, keys[2])

        gain = float(entropy[0][-1] - entropy[0][0])
        # The trapezoidal rule over log rho.
        weights = np.gradient(np.log(levels.rho))
        weights[[0, -1]] /= 2
        gain_by_scores = float(weights @ by_scores[0])
        gain_error = float(np.sqrt(weights**2 @ by_scores[1] ** 2))
        deviation = rms_deviation(by_scores, by_itself)

        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        ratio = r"noise to signal $\rho = \sigma/\alpha$"
        draw_line(left, levels.rho, entropy, "$H(p_t)$")
        variances = jnp.full(run.experiment.dataset.shape, sde.prior_std**2)
        prior = float(gaussian_entropy(variances))
        left.axhline(prior, color="gray", linestyle="--", label="of the prior")
        title = (
            f"noise adds {gain:.3f} nats of entropy;\nby the score {gain_by_scores:.3f} "
            f"± {gain_error:.3f}"
        )
        label_axes(left, title, ratio, "entropy (nats)", xscale="log")
        identity = r"by the score: $\frac{1}{2} g^2 E\|\nabla\log p_t\|^2 + d f$"
        draw_line(right, levels.rho, by_scores, identity)
        draw_error_bars(right, levels.rho, by_itself, "slope of $H$ itself", color="k", zorder=3)
        right.margins(y=0.3)
        title = f"the two rates at {len(levels.rho)} levels\ndiffer by {deviation:.2f} s.e. (rms)"
        unit = r"$dH/d\log\rho$ (nats)"
        label_axes(right, title, ratio, unit, legend="upper left", xscale="log")

        curves = {"rho": levels.rho, "entropy": entropy}
        curves |= {"rate_by_scores": by_scores, "rate_by_itself": by_itself}
        numbers = curves_to_json(curves) | {
            "gain": gain,
            "gain_by_scores": gain_by_scores,
            "gain_by_scores_standard_error": gain_error,
            "rms_deviation_in_standard_errors": deviation,
        }
        terminal.say(f"entropy from {entropy[0][0]:.4f} to {entropy[0][-1]:.4f} nats")
        terminal.say(
            f"gain of entropy: {gain:.4f}; by the score {gain_by_scores:.3f} +- {gain_error:.3f}"
        )
        terminal.say(
            f"the two rates at {len(levels.rho)} levels differ by {deviation:.2f} standard errors "
            "(rms)"
        )
        write_results(run, "entropy", figure, numbers)
