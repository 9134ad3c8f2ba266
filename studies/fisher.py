"""Fisher against KL divergence of two mixtures with the same modes and other weights.

Song & Ermon 2019, arXiv:1907.05600, section 3.2.2. The score of a mixture of distant modes does not
depend on their weights. With enough noise to join the modes, it does. The variance of ``log p/q``
does not depend on the constant of q, as Fisher, and sees the weights, as KL. By Poincare's
inequality it is at most ``C_P(p)`` times Fisher: the constant explains what Fisher misses.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from gradlog import terminal
from gradlog.distributions import Estimate, GaussianMixture
from gradlog.experiment.run import Run
from gradlog.studies.common import write_results
from gradlog.studies.curves import (
    Curve,
    curves_to_json,
    draw_error_bars,
    estimate_along,
    label_axes,
)
from gradlog.studies.plane import require_mixture
from gradlog.theory.entropies import (
    LineDivergences,
    fisher_divergence,
    integrate_on_line,
    kl,
    local_variance,
    log_ratio,
    log_variance,
)

_POINTS = 1001  # of the quadrature: a few hundredths of a std apart, exact to rounding
Numbers = Float[np.ndarray, " n"]
# A length -> both laws, and the standard deviation of the noise.
Setting = Callable[[Any], tuple[GaussianMixture, GaussianMixture, Any]]


class Sweep(NamedTuple):
    """KL in nats, Fisher in 1/std^2, Var log p/q over a length in stds: exact, and estimated."""

    length: Numbers
    exact_kl: Numbers
    exact_fisher: Numbers
    exact_log_variance: Numbers
    kl: Curve
    fisher: Curve
    log_variance: Curve


@dataclass(frozen=True)
class Fisher:
    """Draw both divergences over the distance of the modes and over noise, and local variances.

    The first law has the weights of the data's mixture, the second the same in reverse order. All
    computations are on the line through the modes, because the laws agree in other directions.

    Attributes:
      samples: number of draws for each point.
      times: number of points of each curve.
      near: half the distance of the modes for the local variance, in stds.
    """

    samples: int = 10_000
    times: int = 40
    near: float = 1.0

    def __call__(self, run: Run) -> None:
        law = require_mixture(run)
        farthest = float(jnp.linalg.norm(law.means[1] - law.means[0]) / (2 * law.stds[0]))
        keys = jax.random.split(run.experiment.streams["eval"], 3)
        distance = np.linspace(0.2, farthest, self.times)
        apart = self._sweep(distance, keys[0], lambda at: (*two_modes(law, at), 0.0))
        noise = np.geomspace(0.5, 10 * farthest, self.times)
        noisy = self._sweep(noise, keys[1], lambda at: (*two_modes(law, farthest), at))

        near = two_modes(law, self.near)
        width = np.geomspace(0.02, 5.0, self.times)
        ratio = lambda x: log_ratio(*near, x)  # noqa: E731
        variance = estimate_along(
            width,
            keys[2],
            lambda at, key: local_variance(near[0], ratio, key, at, samples=self.samples),
        )
        near_fisher = exact_divergences(lambda _: (*near, 0.0), width[:1]).fisher

        figure = Figure(figsize=(10, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _draw_sweep(left, apart, np.ones_like(apart.length), r"Fisher (1/std$^2$)")
        constant = apart.exact_log_variance / apart.exact_fisher
        title = (
            f"Weights exchanged, modes {farthest:.1f} std from 0:\nKL "
            f"{apart.exact_kl[-1]:.2f}, Fisher {apart.exact_fisher[-1]:.0e}"
        )
        limits = {"yscale": "log", "ylim": (1e-8, 5)}
        label_axes(left, title, "half their distance (std)", "divergence", **limits)
        _draw_sweep(middle, noisy, noisy.length**2, r"$\sigma^2$ Fisher")
        peak = int(np.argmax(noisy.length**2 * noisy.exact_fisher))
        title = (
            f"At {farthest:.1f} std: the score sees it best\n"
            f"with noise of {noisy.length[peak]:.1f} std"
        )
        label_axes(middle, title, r"noise $\sigma$ (std)", "divergence", xscale="log", **limits)
        right.axhline(near_fisher[0], color="C1", label="Fisher")
        label = r"Var $\log\frac{p}{q}$ within $h$, over $h^2$"
        draw_error_bars(right, width, variance, label, color="k")
        title = f"Local variance of log p/q {variance[0][0]:.3f},\nFisher {near_fisher[0]:.3f}"
        unit = r"1/std$^2$"
        label_axes(right, title, "neighborhood $h$ (std)", unit, xscale="log", ylim=(0, None))

        local = {"length": width, "variance": variance, "fisher": near_fisher}
        curves = {"distance": apart._asdict(), "noise": noisy._asdict(), "local": local}
        terminal.say(
            f"modes {apart.length[-1]:.1f} std from their middle, weights exchanged: "
            f"KL {apart.exact_kl[-1]:.4f} nats, Fisher {apart.exact_fisher[-1]:.1e} / std^2, "
            f"Var log p/q {apart.exact_log_variance[-1]:.3f}: Poincare's constant is at least "
            f"{constant[-1]:.1e} std^2, and {constant[0]:.2f} or more at {distance[0]:.1f} std"
        )
        terminal.say(f"sigma^2 Fisher is largest at noise of {noisy.length[peak]:.1f} std")
        mean, error = variance
        terminal.say(
            f"local variance within {width[0]:g} std: {mean[0]:.4f} +- {error[0]:.4f}, "
            f"Fisher {near_fisher[0]:.4f}"
        )
        numbers = {name: curves_to_json(part) for name, part in curves.items()}
        write_results(run, "fisher", figure, numbers)

    def _sweep(self, lengths: Numbers, key: Array, setting: Setting) -> Sweep:
        """Return both divergences of a setting at each length."""

        def estimate(divergence: Callable[..., Estimate]) -> Curve:
            def at(length: Array, one: Array) -> Estimate:
                p, q, noise = setting(length)
                return divergence(p, q, one, 1.0, noise, samples=self.samples)

            return estimate_along(lengths, key, at)

        exact = [np.asarray(curve) for curve in exact_divergences(setting, lengths)]
        estimates = [estimate(one) for one in (kl, fisher_divergence, log_variance)]
        return Sweep(lengths, exact[0], exact[1], exact[2], *estimates)


def two_modes(law: GaussianMixture, distance) -> tuple[GaussianMixture, GaussianMixture]:
    """Return mixtures of two modes of std 1 at ``distance`` from 0, with exchanged weights.

    The first has the law's weights. Two isotropic mixtures in any dimension differ only along the
    line through their modes, so one dimension is enough.
    """
    means, stds = jnp.array([[-1.0], [1.0]]) * distance, jnp.ones(2)
    p = GaussianMixture(law.weights, means, stds)
    return p, replace(p, weights=law.weights[::-1])


def exact_divergences(setting: Setting, lengths) -> LineDivergences:
    """Return the divergences at each length, by quadrature."""

    def one(length: Array):
        p, q, noise = setting(length)
        reach = jnp.max(p.means) + 9 * jnp.sqrt(1 + noise**2)
        return integrate_on_line(p, q, jnp.linspace(-reach, reach, _POINTS), 1.0, noise)

    found = jax.jit(lambda at: jax.lax.map(one, at))(jnp.asarray(lengths))
    return jax.tree.map(np.asarray, found)


def _draw_sweep(axes, sweep: Sweep, unit: Numbers, label: str) -> None:
    """Draw a sweep, with the Fisher divergence in the given unit."""
    axes.plot(sweep.length, sweep.exact_kl, color="C0", label="KL (nats)")
    axes.plot(sweep.length, unit * sweep.exact_fisher, color="C1", label=label)
    axes.plot(sweep.length, sweep.exact_log_variance, color="C2", label=r"Var $\log\frac{p}{q}$")
    draw_error_bars(axes, sweep.length, sweep.kl, "", color="C0")
    draw_error_bars(axes, sweep.length, sweep.log_variance, "", color="C2")
    mean, error = sweep.fisher
    known = mean > 3 * error  # elsewhere hardly any draw falls where the scores differ
    scaled = (unit * mean)[known], (unit * error)[known]
    draw_error_bars(axes, sweep.length[known], scaled, "from samples", color="C1")
