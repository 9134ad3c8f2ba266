"""Fields in the plane: on a grid, and drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Drawn = Float[np.ndarray, "n n *values"]


@dataclass(frozen=True)
class Grid:
    """``n`` by ``n`` points of the square of half side ``extent`` around the origin."""

    extent: float
    n: int

    @property
    def axis(self) -> Float[np.ndarray, " n"]:
        return np.linspace(-self.extent, self.extent, self.n)

    def values(self, f: Callable[[Float[Array, " 2"]], Any]) -> Drawn:
        """f at each point; the first axis is the second coordinate, as pictures have it."""
        points = np.stack(np.meshgrid(self.axis, self.axis), axis=-1).reshape(-1, 2)
        found = np.asarray(jax.jit(jax.vmap(f))(jnp.asarray(points, jnp.float32)))
        return found.reshape(self.n, self.n, *found.shape[1:])


def draw_arrows(axes, grid: Grid, field: Drawn, title: str) -> None:
    """Arrows whose lengths are the square roots of the field's, so that all can be seen."""
    length = np.linalg.norm(field, axis=-1, keepdims=True)
    arrows = field / np.sqrt(np.maximum(length, 1e-12))
    axes.quiver(grid.axis, grid.axis, arrows[..., 0], arrows[..., 1], width=0.004)
    _frame(axes, grid.extent, title)


def draw_contours(axes, grid: Grid, log_density: Drawn) -> None:
    """Lines where the density has fallen by e, e^4, e^9, e^16 from its greatest value."""
    drops = [-16, -9, -4, -1]
    axes.contour(
        grid.axis, grid.axis, log_density - log_density.max(), drops, colors="tab:red", alpha=0.5
    )


def draw_map(axes, grid: Grid, values: Drawn, title: str, **options: Any) -> Any:
    """Colors; gives what a color bar needs."""
    image = axes.pcolormesh(grid.axis, grid.axis, values, shading="nearest", **options)
    image.set_rasterized(True)
    _frame(axes, grid.extent, title)
    return image


def draw_cloud(
    axes, points: Float[np.ndarray, "n 2"], extent: float, title: str, **options: Any
) -> None:
    """Points, in the square of half side ``extent``."""
    axes.plot(*points.T, ".", **options)
    _frame(axes, extent, title)


def _frame(axes, extent: float, title: str) -> None:
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent))
    axes.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    axes.set_title(title, fontsize=10)
