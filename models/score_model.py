"""A network, its parametrization and its noise label: together a score."""

from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Int

from gradlog.models.energy import LogDensityFn
from gradlog.models.labels import LabelFn
from gradlog.models.parametrizations import NetworkFn, Parametrization, ScoreFn
from gradlog.sde_lib import SDE

Params = Any
Condition = Int[Array, ""] | int | None


@dataclass(frozen=True)
class ScoreModel:
    """Binds parameters to a score function; holds none itself."""

    network: nn.Module
    parametrization: Parametrization
    label: LabelFn

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> Params:
        """Parameters for data of the given shape (of one example), float32."""
        return self.network.init(key, jnp.zeros(shape), jnp.zeros(()), train=False)["params"]

    def in_float32(self) -> "ScoreModel":
        """The same model computing in float32, as a likelihood needs it."""
        if getattr(self.network, "dtype", "float32") == "float32":
            return self
        return replace(self, network=self.network.clone(dtype="float32"))

    @property
    def num_classes(self) -> int:
        """Classes that the network can be told; 0 for an unconditional one."""
        return getattr(self.network, "num_classes", 0)

    def score_fn(
        self,
        sde: SDE,
        params: Params,
        *,
        dropout_key: jax.Array | None = None,
        condition: Condition = None,
    ) -> ScoreFn:
        """``s(x, t)`` of one example; with a dropout key as in training, without one as in use.

        ``condition`` is the class of a class-conditional network: 0 .. num_classes - 1, or None (or
        num_classes) for the score whatever the class. A pytree of the process, the parameters, the
        key and the class: it may be an argument of a compiled function.
        """
        return Partial(self._score, sde, params, dropout_key, condition)

    def log_density_fn(
        self, sde: SDE, params: Params, *, condition: Condition = None
    ) -> LogDensityFn:
        """``log q(x, t)`` of one example in nats, up to a constant for each t; its score is s.

        A pytree, like ``score_fn``.

        Raises:
          ValueError: the parametrization has no density, only a score.
        """
        if not hasattr(self.parametrization, "log_density"):
            raise ValueError(
                f"the parametrization {type(self.parametrization).__name__} has a score and no "
                "density to read off; take 'energy'"
            )
        return Partial(self._log_density, sde, params, condition)

    def _score(
        self, sde: SDE, params: Params, dropout_key: jax.Array | None, condition: Condition, x, t
    ) -> Any:
        network_fn = self._network_fn(sde, params, dropout_key, condition)
        return self.parametrization(sde, network_fn)(x, t)

    def _log_density(self, sde: SDE, params: Params, condition: Condition, x, t) -> Any:
        network_fn = self._network_fn(sde, params, None, condition)
        return self.parametrization.log_density(sde, network_fn)(x, t)  # pyright: ignore

    def _network_fn(
        self, sde: SDE, params: Params, dropout_key: jax.Array | None, condition: Condition
    ) -> NetworkFn:
        train = dropout_key is not None
        rngs = {"dropout": dropout_key} if train else None
        told: dict[str, Any] = {} if condition is None else {"condition": condition}

        def network_fn(x, t) -> Any:
            label = self.label(sde, t)
            return self.network.apply({"params": params}, x, label, train=train, rngs=rngs, **told)

        return network_fn
