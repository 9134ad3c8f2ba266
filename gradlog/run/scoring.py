"""The score of a run's checkpoints."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gradlog.data import DataError
from gradlog.run.own import check_shape

if TYPE_CHECKING:
    from gradlog.run.directory import RunDirectory


class ScoreRun:
    """The score in float32, whatever the network was trained in."""

    def __init__(self, run: "RunDirectory"):
        self._run = run

    def __call__(self, x: Any, t: Any, step: int | None) -> Float[np.ndarray, "n *D"]:
        """The score at points of the model's space; see ``RunDirectory.score``."""
        points = check_shape(x, self._run.experiment.dataset, "points")
        times = self._times(t, len(points))
        points = points.astype(np.float32)
        return np.asarray(self._program(self._run.params(step), points, times))

    def _times(self, t: Any, count: int) -> Float[np.ndarray, " n"]:
        times, t_max = np.asarray(t, np.float32), self._run.experiment.sde.t_max
        if times.shape not in ((), (count,)):
            raise DataError(f"times of shape {times.shape} do not fit: one, or {count}")
        if not np.all((times >= 0) & (times <= np.float32(t_max))):
            raise DataError(f"times must lie in [0, {t_max:g}], those of the SDE")
        return np.broadcast_to(times, (count,))

    @cached_property
    def _program(self) -> Callable[..., jax.Array]:
        """Kept, so that further points and checkpoints do not compile again."""
        experiment = self._run.experiment
        model, sde = experiment.model.in_float32(), experiment.sde

        @jax.jit
        def program(params, x, t):
            with jax.default_matmul_precision("float32"):
                return jax.vmap(model.score_fn(sde, params))(x, jnp.asarray(t))

        return program
