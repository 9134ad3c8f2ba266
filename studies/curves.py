"""Quantities along the noise levels of a process, estimated and drawn with their errors."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gradlog.distributions import Estimate
from gradlog.run import RunDirectory

Drawn = tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]


class Levels(NamedTuple):
    """Noise levels of a process: times, rho = sigma/alpha, and time per unit of log rho."""

    times: Float[Array, " n"]
    rho: Float[np.ndarray, " n"]
    time_per_log_rho: Float[np.ndarray, " n"]


def levels_of(run: RunDirectory, count: int) -> Levels:
    """From ``objective.eps`` to t_max, between which rho grows by one factor."""
    sde = run.experiment.sde
    times = sde.ladder(run.experiment.loss.eps, count)[::-1]
    rho, rate = (np.asarray(jax.vmap(f)(times)) for f in (sde.log_rho, sde.log_rho_rate))
    return Levels(times, np.exp(rho), 1 / rate)


def along(
    points, key: Array, estimate: Callable[[Array, Array], Estimate], *, common: bool = False
) -> Drawn:
    """Means and standard errors of ``estimate(point, key)`` at each point, in one program.

    Each point has a key of its own, so that errors do not add up along the curve; or all have one
    in common, so that the curve's differences are sharper than its values.
    """
    points = jnp.asarray(points, float)
    keys = jax.random.split(key, len(points))
    if common:
        keys = jnp.broadcast_to(key, keys.shape)
    mean, error = jax.jit(lambda *at: jax.lax.map(lambda one: estimate(*one), at))(points, keys)
    return np.asarray(mean), np.asarray(error)


def draw_line(axes, points: Float[np.ndarray, " n"], drawn: Drawn, label: str, **style) -> None:
    """A line, and a band of two standard errors to both sides."""
    mean, error = drawn
    (line,) = axes.plot(points, mean, label=label, **style)
    axes.fill_between(
        points, mean - 2 * error, mean + 2 * error, color=line.get_color(), alpha=0.25, linewidth=0
    )


def draw_points(axes, points: Float[np.ndarray, " n"], drawn: Drawn, label: str, **style) -> None:
    """Points with bars of two standard errors to both sides."""
    mean, error = drawn
    options = {"fmt": ".", "markersize": 5, "elinewidth": 1} | style
    axes.errorbar(points, mean, 2 * error, label=label, **options)


def finish(axes, title: str, x: str, y: str, *, legend: str = "best", **settings) -> None:
    """Title, labels and the place of the legend."""
    axes.set(xlabel=x, ylabel=y, **settings)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc=legend)


def rms_deviation(first: Drawn, second: Drawn) -> float:
    """Of two independent estimates of one curve, in standard errors of their difference: about 1.

    Over n points it is above ``1 + sqrt(2/n)`` in a few of a hundred cases.
    """
    error = np.hypot(first[1], second[1])
    known = error > 0
    return float(np.sqrt(np.mean(((first[0] - second[0])[known] / error[known]) ** 2)))


def as_json(curves: Mapping[str, Drawn | Float[np.ndarray, " n"]]) -> dict[str, list[float]]:
    """Arrays as lists, and standard errors under a name of their own."""
    found = {}
    for name, values in curves.items():
        if isinstance(values, tuple):
            found[f"{name}_standard_error"] = np.asarray(values[1], float).tolist()
        found[name] = np.asarray(values[0] if isinstance(values, tuple) else values).tolist()
    return found
