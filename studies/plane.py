"""Pictures in the plane, and mixtures there: samples, and the share of each mode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sampling import AnnealedLangevin, Sampler
from gradlog.sde_lib import SDE
from gradlog.studies.common import require

Field = Float[np.ndarray, "n n *values"]
Points = Float[np.ndarray, "n 2"]
_SHOWN = 600  # points of a panel


@dataclass(frozen=True)
class PlaneGrid:
    """``n`` by ``n`` points in the square around the origin whose half side is ``extent``."""

    extent: float
    n: int

    @property
    def axis(self) -> Float[np.ndarray, " n"]:
        return np.linspace(-self.extent, self.extent, self.n)

    def evaluate(self, f: Callable[[Float[Array, " 2"]], Any]) -> Field:
        """Return f at each point; the first axis is the second coordinate, as in pictures."""
        points = np.stack(np.meshgrid(self.axis, self.axis), axis=-1).reshape(-1, 2)
        values = np.asarray(jax.jit(jax.vmap(f))(jnp.asarray(points, jnp.float32)))
        return values.reshape(self.n, self.n, *values.shape[1:])


def draw_arrows(axes, grid: PlaneGrid, field: Field, title: str) -> None:
    """Draw arrows whose lengths are square roots, so that short vectors stay visible."""
    length = np.linalg.norm(field, axis=-1, keepdims=True)
    arrows = field / np.sqrt(np.maximum(length, 1e-12))
    axes.quiver(grid.axis, grid.axis, arrows[..., 0], arrows[..., 1], width=0.004)
    _frame(axes, grid.extent, title)


def draw_contours(axes, grid: PlaneGrid, log_density: Field) -> None:
    """Draw lines where the density is e, e^4, e^9 and e^16 times below its maximum."""
    drops = [-16, -9, -4, -1]
    axes.contour(
        grid.axis, grid.axis, log_density - log_density.max(), drops, colors="tab:red", alpha=0.5
    )


def draw_map(axes, grid: PlaneGrid, values: Field, title: str, **options: Any) -> Any:
    """Draw values as colors; return the image that a color bar needs."""
    image = axes.pcolormesh(grid.axis, grid.axis, values, shading="nearest", **options)
    image.set_rasterized(True)
    _frame(axes, grid.extent, title)
    return image


def draw_cloud(axes, points: Points, extent: float, title: str, **options: Any) -> None:
    """Draw points in the square whose half side is ``extent``."""
    axes.plot(*points.T, ".", **options)
    _frame(axes, extent, title)


def _frame(axes, extent: float, title: str) -> None:
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent))
    axes.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    axes.set_title(title, fontsize=10)


def require_mixture(run: Run) -> GaussianMixture:
    """Return the law of the run's data.

    Raises:
      ConfigError: it is no mixture in the plane, or two of its means coincide.
    """
    law = run.experiment.dataset.law
    if not isinstance(law, GaussianMixture) or law.shape != (2,):
        raise ConfigError(
            "this study needs a mixture in the plane: config.data.name = 'mixture' and dims = 2"
        )
    distinct = len(np.unique(np.asarray(law.means), axis=0)) == len(law.means)
    require(distinct, "modes at different places: config.data.center other than 0")
    return law


def require_annealed_langevin(run: Run) -> AnnealedLangevin:
    """Return the run's sampler.

    Raises:
      ConfigError: it is another sampler, or it denoises.
    """
    sampler = run.experiment.sampler
    if not isinstance(sampler, AnnealedLangevin) or sampler.denoise:
        raise ConfigError(
            "this study needs config.sampling.name = 'annealed_langevin' with "
            "config.sampling.denoise = False: it compares samples with the law at noise eps"
        )
    return sampler


def draw_samples(run: Run, sampler: Sampler, model: BoundModel, count: int) -> Points:
    """Return samples from the run's sampling stream; report diverged chains and leave them out.

    Raises:
      ConfigError: all chains diverged.
    """

    def one(model, key):
        prior_key, path_key = jax.random.split(key)
        return sampler(model, model.process.prior_sample(prior_key, (2,)), path_key)

    keys = jax.random.split(run.experiment.streams["sample"], count)
    samples = jax.device_get(jax.jit(jax.vmap(one, (None, 0)))(model, keys))
    report_diverged(samples.ok)
    return samples.x[samples.ok]


def report_diverged(ok: Bool[np.ndarray, " n"]) -> None:
    """Print how many chains diverged, if any; raise ConfigError if all did."""
    if not ok.any():
        raise ConfigError("all chains diverge: take a smaller config.sampling.step_size")
    if not ok.all():
        terminal.say(f"warning: {np.sum(~ok)} of {len(ok)} chains diverged and are left out")


def draw_noisy(
    law: GaussianMixture, sde: SDE, t: float, key: Array, count: int
) -> Float[Array, "count 2"]:
    """Return draws of x_t: data of the law with the noise of time t."""
    alpha, sigma = sde.alpha(jnp.asarray(t)), sde.sigma(jnp.asarray(t))
    one = lambda key: law.sample_at(key, alpha, sigma)  # noqa: E731
    return jax.jit(jax.vmap(one))(jax.random.split(key, count))


def _distances(law: GaussianMixture, x: Points) -> Float[np.ndarray, "n k"]:
    return np.linalg.norm(np.asarray(x)[:, None] - np.asarray(law.means), axis=-1)


def nearest_mode(law: GaussianMixture, x: Points) -> Int[np.ndarray, " n"]:
    """Return the index of the mean nearest to each point."""
    return np.argmin(_distances(law, x), axis=1)


def share_of_first_mode(law: GaussianMixture, x: Points) -> tuple[float, float]:
    """Return the share of points nearest to the law's first mean, and its standard error."""
    share = float(np.mean(nearest_mode(law, x) == 0))
    return share, float(np.sqrt(share * (1 - share) / len(x)))


def std_within_modes(law: GaussianMixture, x: Points) -> float:
    """Return the rms distance to the nearest of the law's means, per dimension."""
    return float(np.sqrt(np.mean(np.min(_distances(law, x), axis=1) ** 2) / x.shape[1]))


def draw_modes(axes, law: GaussianMixture, x: Points, title: str) -> None:
    """Draw the first of the points, and print the shares of both modes beside them."""
    extent = 2.4 * float(np.abs(law.means).max())
    draw_cloud(axes, x[:_SHOWN], extent, title, markersize=2, alpha=0.6)
    first, _ = share_of_first_mode(law, x)
    for mean, share in zip(np.asarray(law.means), (first, 1 - first), strict=True):
        axes.text(mean[0], 0, f"{share:.3f}", ha="center", va="center", fontsize=11)
