"""A process with trained numbers."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from gradlog.sde_lib.base import SDE, Process


@dataclasses.dataclass(frozen=True)
class LearnedNumbers(Process):
    """A process with positive numbers that are trained, such as ``beta_max`` of `VP`.

    The parameters are the logarithms of the numbers, so every update leaves the numbers positive.
    Training starts from the values of ``process``.

    Attributes:
      process: the initial values, and the numbers that are not trained.
      names: fields of the process, each a positive number.

    Raises:
      ValueError: the process has no such field, or its value is not positive.
    """

    process: SDE
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            value = getattr(self.process, name, None)
            if not (isinstance(value, int | float) and value > 0):
                raise ValueError(
                    f"{type(self.process).__name__}.{name} = {value!r} must be a positive number "
                    "to be trained"
                )

    def init(self, key: jax.Array) -> dict[str, Any]:
        """Return ``{"log_" + name: the log of its initial value}``."""
        del key
        return {
            f"log_{name}": jnp.asarray(math.log(getattr(self.process, name)), jnp.float32)
            for name in self.names
        }

    def bind(self, params: dict[str, Any]) -> SDE:
        """Return the process whose numbers are the exponentials of the parameters."""
        values: dict[str, Any] = {name: jnp.exp(params[f"log_{name}"]) for name in self.names}
        return dataclasses.replace(self.process, **values)
