"""Quantities along the noise levels of a process: their estimates, and curves with error bars."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Estimate
from gradlog.experiment.run import Run

Numbers = Float[np.ndarray, " n"]
Curve = tuple[Numbers, Numbers]  # means and their standard errors


class NoiseLevels(NamedTuple):
    """Noise levels of a process: times, rho = sigma/alpha, and time per unit of log rho."""

    times: Float[Array, " n"]
    rho: Numbers
    time_per_log_rho: Numbers


def noise_levels(run: Run, count: int) -> NoiseLevels:
    """Return levels from ``objective.eps`` to t_max, even in log rho."""
    sde = run.experiment.initial_process
    times = sde.ladder(run.experiment.objective.eps, count)[::-1]
    log_rho, rate = (np.asarray(jax.vmap(f)(times)) for f in (sde.log_rho, sde.log_rho_rate))
    return NoiseLevels(times, np.exp(log_rho), 1 / rate)


def estimate_along(
    points, key: Array, estimate: Callable[[Array, Array], Estimate], *, common_key: bool = False
) -> Curve:
    """Return means and standard errors of ``estimate(point, key)`` at each point, in one program.

    By default each point has its own key, so that errors do not accumulate along the curve. With
    ``common_key`` all points share one key. Then the differences of the curve are more precise than
    its values.
    """
    points = jnp.asarray(points, float)
    keys = jax.random.split(key, len(points))
    if common_key:
        keys = jnp.broadcast_to(key, keys.shape)
    mean, error = jax.jit(lambda *at: jax.lax.map(lambda one: estimate(*one), at))(points, keys)
    return np.asarray(mean), np.asarray(error)


def draw_line(axes, points: Numbers, curve: Curve, label: str, **style) -> None:
    """Draw a line, with a band of two standard errors on both sides."""
    mean, error = curve
    (line,) = axes.plot(points, mean, label=label, **style)
    axes.fill_between(
        points, mean - 2 * error, mean + 2 * error, color=line.get_color(), alpha=0.25, linewidth=0
    )


def draw_error_bars(axes, points: Numbers, curve: Curve, label: str, **style) -> None:
    """Draw points with bars of two standard errors on both sides."""
    mean, error = curve
    options = {"fmt": ".", "markersize": 5, "elinewidth": 1} | style
    axes.errorbar(points, mean, 2 * error, label=label, **options)


def label_axes(axes, title: str, x: str, y: str, *, legend: str = "best", **settings) -> None:
    """Set the title, the labels, a grid and the place of the legend."""
    axes.set(xlabel=x, ylabel=y, **settings)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc=legend)


def rms_deviation(first: Curve, second: Curve) -> float:
    """Return the rms difference of two independent estimates of one curve, in standard errors.

    It is about 1. Over n points it exceeds ``1 + sqrt(2/n)`` in a few of a hundred cases.
    """
    error = np.hypot(first[1], second[1])
    known = error > 0
    return float(np.sqrt(np.mean(((first[0] - second[0])[known] / error[known]) ** 2)))


def curves_to_json(curves: Mapping[str, Curve | Numbers]) -> dict[str, list[float]]:
    """Return arrays as lists; standard errors get the name ``NAME_standard_error``."""
    lists = {}
    for name, values in curves.items():
        if isinstance(values, tuple):
            lists[f"{name}_standard_error"] = np.asarray(values[1], float).tolist()
        lists[name] = np.asarray(values[0] if isinstance(values, tuple) else values).tolist()
    return lists
