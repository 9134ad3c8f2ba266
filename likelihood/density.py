"""The log density of one example as a differentiable function."""

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
    """Return ``f(params, x, key)``: a differentiable estimate of the log density in nats.

    It is differentiable in the parameters and in x. Random parts are functions of the key alone, so
    the gradient is that of the estimate with the same key. With ``ode``, the exact trace and the
    start ``as_sample``, the function is ``log p_eps`` and its gradient in x the score at eps. Value
    and gradient are NaN if the solver fails. Use ``jax.vmap`` for many examples.

    Args:
      likelihood: an estimator of the log density in the model's space; `differentiable` prepares it
        for reverse mode.
      bind: returns the model with its parameters, such as `DiffusionModel.bind`.
    """

    def log_density(params, x, key):
        with jax.default_matmul_precision("float32"):
            log_prob = likelihood(bind(params), x[None], key[None])
        # A product: if jnp.where selected NaN, the gradient would be zero.
        return (log_prob.nats * jnp.where(log_prob.ok, 1.0, jnp.nan))[0]

    return log_density


def differentiable(likelihood: Likelihood, adjoint: str | None = None) -> Any:
    """Return the same estimator, prepared for reverse-mode differentiation.

    The solver is differentiated by ``adjoint`` (one of ``ode.ADJOINTS``), or as before for None.
    ``quadrature`` uses its first round of probes alone: the number of further rounds depends on the
    values, and such a loop has no reverse mode.

    Raises:
      ValueError: the estimator runs on the host, plans its products or has no solver that takes an
        adjoint; or the adjoint is unknown.
    """
    if runs_on_host(likelihood):
        raise ValueError(
            f"{type(likelihood).__name__} runs on the host and has no gradient: use 'ode'"
        )
    if hasattr(likelihood, "plan"):
        raise ValueError(
            f"{type(likelihood).__name__} has loops without a fixed length, and no gradient: use "
            "'ode', or 'quadrature' with a multistep path"
        )
    changes: dict[str, Any] = {"rounds": 0} if _has_field(likelihood, "rounds") else {}
    if adjoint is not None:
        name = "path" if _has_field(likelihood, "path") else "solver"
        solver: Any = getattr(likelihood, name, None)
        if not _has_field(solver, "adjoint"):
            raise ValueError(
                f"adjoint = {adjoint!r}: {type(likelihood).__name__} has no adaptive solver to "
                "differentiate; leave the adjoint out, or use the estimator 'ode'"
            )
        changes[name] = replace(solver, adjoint=adjoint)
    return replace(likelihood, **changes) if changes else likelihood  # pyright: ignore


def _has_field(instance: Any, name: str) -> bool:
    return is_dataclass(instance) and name in {field.name for field in fields(instance)}
