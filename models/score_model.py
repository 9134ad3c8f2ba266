"""A network, its parametrisation and its noise label: together a score."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from models.energy import LogDensityFn
from models.labels import LabelFn
from models.parametrisations import NetworkFn, Parametrisation, ScoreFn
from sde_lib import SDE

Params = Any


@dataclass(frozen=True)
class ScoreModel:
    """Binds parameters to a score function; holds none itself."""

    network: nn.Module
    parametrisation: Parametrisation
    label: LabelFn

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> Params:
        """Parameters for data of the given shape (of one example), float32."""
        return self.network.init(key, jnp.zeros(shape), jnp.zeros(()), train=False)["params"]

    def score_fn(
        self, sde: SDE, params: Params, *, dropout_key: jax.Array | None = None
    ) -> ScoreFn:
        """``s(x, t)`` of one example; with a dropout key as in training, without one as in use.

        A pytree of the process, the parameters and the key: it may be an argument of a compiled
        function.
        """
        return Partial(self._score, sde, params, dropout_key)

    def log_density_fn(self, sde: SDE, params: Params) -> LogDensityFn:
        """``log q(x, t)`` of one example in nats, up to a constant for each t; its score is s.

        A pytree, like ``score_fn``.

        Raises:
          ValueError: the parametrisation has no density, only a score.
        """
        if not hasattr(self.parametrisation, "log_density"):
            raise ValueError(
                f"the parametrisation {type(self.parametrisation).__name__} has a score and no "
                "density to read off; take 'energy'"
            )
        return Partial(self._log_density, sde, params)

    def _score(self, sde: SDE, params: Params, dropout_key: jax.Array | None, x, t) -> Any:
        return self.parametrisation(sde, self._network_fn(sde, params, dropout_key))(x, t)

    def _log_density(self, sde: SDE, params: Params, x, t) -> Any:
        network_fn = self._network_fn(sde, params, None)
        return self.parametrisation.log_density(sde, network_fn)(x, t)  # pyright: ignore

    def _network_fn(self, sde: SDE, params: Params, dropout_key: jax.Array | None) -> NetworkFn:
        train = dropout_key is not None
        rngs = {"dropout": dropout_key} if train else None

        def network_fn(x, t) -> Any:
            label = self.label(sde, t)
            return self.network.apply({"params": params}, x, label, train=train, rngs=rngs)

        return network_fn
