"""A diffusion model: everything that is fixed before training."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from gradlog.models.bound_model import BoundModel, Condition, Time
from gradlog.models.dequantizers import Continuous, Dequantizer
from gradlog.models.energy import LogDensityFn
from gradlog.models.networks.map_network import MapNetwork
from gradlog.models.noise_labels import NoiseLabel
from gradlog.models.parametrizations import NetworkFn, Parametrization
from gradlog.sde_lib import SDE, Process

Params = dict[str, Any]  # a tree of parameters for each group: "network", "process", ...


@dataclass(frozen=True)
class DiffusionModel:
    """A process, a network and the meaning of its output. It holds no trained numbers.

    Trained numbers lie in groups: "network" always, "process" and "dequantizer" if they have any.
    Each group may have its own learning rate, or be frozen. `bind` joins the model and its
    parameters.

    >>> import jax, jax.numpy as jnp
    >>> from gradlog.models import Noise, QuarterLogRho
    >>> from gradlog.models.networks import MLP
    >>> from gradlog.sde_lib import VP
    >>> model = DiffusionModel(VP(), MLP(hidden=8, num_layers=1), Noise(), QuarterLogRho())
    >>> params = model.init(jax.random.key(0), shape=(2,))
    >>> list(params)
    ['network']
    >>> model.bind(params).score(jnp.array([1.0, -2.0]), 0.5).shape
    (2,)

    Attributes:
      process: the forward process, or one with trained numbers.
      network: ``(x, label, condition, *, train) -> F`` for one example.
      parametrization: turns the output F into a score, or into logits.
      noise_label: the number that tells the network the noise level.
      dequantizer: the map between stored data and the points of training.

    Raises:
      ValueError: each dimension has its own noise level, and the network is no `MapNetwork`.
    """

    process: Process
    network: nn.Module
    parametrization: Parametrization
    noise_label: NoiseLabel
    dequantizer: Dequantizer = field(default_factory=Continuous)

    def __post_init__(self) -> None:
        if self.process.has_map and not isinstance(self.network, MapNetwork):
            raise ValueError(
                f"{type(self.network).__name__} sees one noise level, and "
                f"{type(self.process).__name__} has one for each dimension: use MapNetwork(network)"
            )

    @property
    def num_classes(self) -> int:
        """The number of classes of the network; 0 for an unconditional network."""
        return getattr(self.network, "num_classes", 0)

    def init(self, key: jax.Array, shape: tuple[int, ...]) -> Params:
        """Return initial parameters by group, float32, for examples of this shape."""
        x = jnp.zeros(shape, self.process.dtype)
        variables = self.network.init(key, x, jnp.zeros(()), train=False)
        groups = {
            "network": variables["params"],
            "process": self.process.init(jax.random.fold_in(key, 1)),
            "dequantizer": self.dequantizer.init(jax.random.fold_in(key, 2), shape),
        }
        return {name: params for name, params in groups.items() if params}

    def bind(self, params: Params, *, dropout_key: jax.Array | None = None) -> BoundModel:
        """Return the model with its parameters.

        Args:
          params: by group, as `init` returns them.
          dropout_key: the key of the dropout of one training example; None for no dropout.

        Raises:
          TypeError: the process is no pytree, so that a program cannot take it.
        """
        process: Any = self.process.bind(params.get("process", {}))
        if jax.tree_util.all_leaves([process]):
            name = type(process).__name__
            raise TypeError(f"{name} is no pytree: decorate it with gradlog.sde_lib.pytree.pytree")
        score_fn = Partial(_Score(*self._parts), process, params["network"], dropout_key)
        dequantizer = self.dequantizer.bind(params.get("dequantizer", {}))
        return BoundModel(process, score_fn, dequantizer)

    def in_float32(self) -> "DiffusionModel":
        """Return the same model with computations in float32, as a likelihood needs them."""
        network = _in_float32(self.network)
        return self if network is self.network else replace(self, network=network)

    def log_density_fn(self, params: Params, *, condition: Condition = None) -> LogDensityFn:
        """Return ``log q(x, t)`` in nats, up to a constant for each t; its gradient is the score.

        Raises:
          ValueError: the parametrization is not an energy, so the model has only a score.
        """
        if not hasattr(self.parametrization, "log_density"):
            raise ValueError(
                f"the parametrization {type(self.parametrization).__name__} gives a score without "
                "a density; use the parametrization 'energy'"
            )
        process = self.process.bind(params.get("process", {}))
        return Partial(_LogDensity(*self._parts), process, params["network"], condition)

    @property
    def _parts(self) -> tuple[nn.Module, Parametrization, NoiseLabel]:
        return self.network, self.parametrization, self.noise_label


def _in_float32(network: Any) -> Any:
    if hasattr(network, "network"):  # a TokenNetwork or a MapNetwork
        inner = _in_float32(network.network)
        return network if inner is network.network else network.clone(network=inner)
    if getattr(network, "dtype", "float32") == "float32":
        return network
    return network.clone(dtype="float32")


@dataclass(frozen=True)
class _NetworkFunction:
    """A function of a network whose numbers are all arguments.

    Instances compare by value, so one compiled program serves all parameters.
    """

    network: nn.Module
    parametrization: Any
    noise_label: NoiseLabel

    def network_fn(
        self, process: SDE, params: Any, dropout_key: jax.Array | None, condition: Condition
    ) -> NetworkFn:
        rngs = None if dropout_key is None else {"dropout": dropout_key}
        named: dict[str, Any] = {} if condition is None else {"condition": condition}

        basis = process.basis

        def network_fn(x: Float[Array, "*D"], t: Time) -> Any:
            output: Any = self.network.apply(
                {"params": params},
                basis.data(x),
                basis.seen(self.noise_label(process, t)),
                train=dropout_key is not None,
                rngs=rngs,
                **named,
            )
            return basis.coordinates(output)

        return network_fn


class _Score(_NetworkFunction):
    def __call__(self, process: SDE, params: Any, dropout_key, x, t, condition=None):
        return _score(self, process, params, dropout_key, x, jnp.asarray(t, float), condition)


@partial(jax.jit, static_argnums=0)
def _score(parts: _NetworkFunction, process: SDE, params: Any, dropout_key, x, t, condition):
    """Return the output of a network. A program that calls it several times traces it once."""
    network_fn = parts.network_fn(process, params, dropout_key, condition)
    return parts.parametrization(process, network_fn)(x, t)


class _LogDensity(_NetworkFunction):
    def __call__(self, process: SDE, params: Any, condition: Condition, x, t):
        network_fn = self.network_fn(process, params, None, condition)
        return self.parametrization.log_density(process, network_fn)(x, t)
