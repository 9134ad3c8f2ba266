"""The log density of one example as a function to be differentiated."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.likelihood.base import Likelihood, runs_on_host
from gradlog.models import BoundModel

Params = Any
LogDensity = Callable[[Params, Float[Array, "*D"], jax.Array], Float[Array, ""]]


def log_density_fn(likelihood: Likelihood, bind: Callable[[Params], BoundModel]) -> LogDensity:
    """``f(params, x, key)``: the estimate in nats, differentiable in the parameters and in x.

    Random parts are functions of the key alone: the gradient is that of the estimate which the same
    key gives. With ``ode``, the exact trace and the start ``as_sample`` it is the gradient of
    ``log p_eps``, by x the score at eps. Value and gradient are NaN where the solver fails. Many
    examples: ``jax.vmap``.

    Args:
      likelihood: an estimator of the log density in the model's data space; ``differentiable``
        makes it so.
      bind: returns the model with its parameters, such as `DiffusionModel.bind`.
    """

    def log_density(params, x, key):
        with jax.default_matmul_precision("float32"):
            found = likelihood(bind(params), x[None], key[None])
        # A product, since the gradient of a choice would be zero where the choice is NaN.
        return (found.nats * jnp.where(found.ok, 1.0, jnp.nan))[0]

    return log_density


def differentiable(likelihood: Likelihood, adjoint: str | None = None) -> Any:
    """The same estimator, fit for reverse mode.

    Its solver is differentiated by ``adjoint`` (one of ``solvers.ADJOINTS``) where one is given.
    ``quadrature`` keeps its first round of probes alone: how many more it takes depends on what it
    found, and such a loop has no reverse.

    Raises:
      ValueError: the estimator runs on the host, has no solver for the adjoint to be of, or there
        is no such adjoint.
    """
    if runs_on_host(likelihood):
        raise ValueError(
            f"{type(likelihood).__name__} runs on the host and has no gradient: take 'ode'"
        )
    changes: dict[str, Any] = {"rounds": 0} if _has(likelihood, "rounds") else {}
    if adjoint is not None:
        changes["solver"] = _with_adjoint(likelihood, adjoint)
    return replace(likelihood, **changes) if changes else likelihood  # pyright: ignore


def _with_adjoint(likelihood: Likelihood, adjoint: str) -> Any:
    solver = getattr(likelihood, "solver", None)
    if not _has(solver, "adjoint"):
        raise ValueError(
            f"adjoint = {adjoint!r}: {type(likelihood).__name__} has no adaptive solver to go "
            "through; leave the adjoint out, or take the estimator 'ode'"
        )
    return replace(solver, adjoint=adjoint)  # pyright: ignore


def _has(part: Any, name: str) -> bool:
    return is_dataclass(part) and name in {field.name for field in fields(part)}
