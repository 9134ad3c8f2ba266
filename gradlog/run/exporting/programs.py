"""The score and the log density of a run as programs that JAX can keep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array, Bool, Float, Int, Num

from gradlog.experiment.experiment import Estimator, Experiment
from gradlog.experiment.reader import ConfigError
from gradlog.likelihood import runs_on_host

PLATFORMS = ("cpu", "cuda", "tpu")
Params = Mapping[str, Array]  # by the names of their places in the tree
# Where in the source an operation comes from would be kept with it: paths of this machine.
_LOCATIONS = {
    "jax_traceback_in_locations_limit": 0,
    "jax_hlo_source_file_canonicalization_regex": ".*",
}


def score_program(experiment: Experiment, tree: Callable[[Params], Any]) -> Callable[..., Any]:
    """``(params, x, t)`` to the score of points x (n, *D) of the model's space at times t (n,)."""
    model, sde = experiment.model.in_float32(), experiment.sde

    def score(
        params: Params, x: Float[Array, "n *D"], t: Float[Array, " n"]
    ) -> Float[Array, "n *D"]:
        with jax.default_matmul_precision("float32"):
            return jax.vmap(model.score_fn(sde, tree(params)))(x, t)

    return score


def log_density_program(
    experiment: Experiment, name: str, tree: Callable[[Params], Any]
) -> Callable[..., Any]:
    """``(params, x, index)`` to the terms in nats of log P of data x (n, *D), and which are ok.

    The datum of an index has the draws that an evaluation gives the test datum of that index.

    Raises:
      ConfigError: the estimator runs on the host.
    """
    estimator = _traceable(experiment.estimators[name], name)
    model, sde = experiment.model.in_float32(), experiment.sde
    dequantization, dims = estimator.dequantization, int(np.prod(experiment.dataset.shape))
    stream = experiment.streams["eval"]
    root, implementation = jax.random.key_data(stream), jax.random.key_impl(stream)
    root = np.asarray(root)  # a constant of the program, no array of a device

    def log_density(
        params: Params, x: Num[Array, "n *D"], index: Int[Array, " n"]
    ) -> tuple[dict[str, Float[Array, " n"]], Bool[Array, " n"]]:
        # Keys are no arrays that a file could hold: their data are.
        key = jax.random.wrap_key_data(jnp.asarray(root), impl=implementation)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
        with jax.default_matmul_precision("float32"):
            score_fn = model.score_fn(sde, tree(params))
            found = estimator.likelihood(sde, score_fn, dequantization, x, keys)
        units = jnp.full(index.shape, -dims * dequantization.log_scale, jnp.float32)
        return found.parts | {"units": units}, found.ok

    return log_density


def kept(
    program: Callable[..., Any],
    params: Mapping[str, Any],
    *arguments: Any,
    rows: int = 0,
    platforms: Sequence[str] = PLATFORMS,
) -> bytes:
    """The program to be read by ``jax.export``.

    With a number of rows and one platform it is compiled as if it had not been kept, to the last
    bit of its roundings; else shapes and platforms are filled in when it is called.

    Args:
      program: of the parameters and of arrays with a row for each example.
      params: arrays or their shapes.
      arguments: for each further array its shape without the rows, and its type.
      rows: how many there are; 0 for any number.
      platforms: names of JAX's.

    Raises:
      RuntimeError: it calls back to Python.
    """
    count = rows or export.symbolic_shape("n")[0]
    given = [jax.ShapeDtypeStruct((count, *shape), dtype) for shape, dtype in arguments]
    shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in params.items()}
    try:
        with _without_locations():
            lowered = export.export(jax.jit(program), platforms=platforms)(shapes, *given)
            return bytes(lowered.serialize())
    except NotImplementedError as error:
        raise RuntimeError(
            "the program calls back to Python and cannot be exported: equinox was imported before "
            f"this project, which sets EQX_ON_ERROR=nan for it; do so yourself ({error})"
        ) from error


@contextmanager
def _without_locations() -> Iterator[None]:
    before = {name: getattr(jax.config, name) for name in _LOCATIONS}
    for name, value in _LOCATIONS.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _traceable(estimator: Estimator, name: str) -> Estimator:
    if runs_on_host(estimator.likelihood):
        raise ConfigError(
            f"config.likelihood.name = {name!r} runs on the host and cannot be exported; take 'ode'"
        )
    return estimator
