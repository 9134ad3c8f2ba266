"""Time the evaluations that an estimator consists of, each compiled alone."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from gradlog.likelihood import Likelihood, LogProb, ODELikelihood, Quadrature
from gradlog.models import ScoreModel
from gradlog.ode import LogRhoFlow
from gradlog.sde_lib import SDE

_REPEATS = 5


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of a call."""
    started = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - started, result


def median_seconds(call: Callable[[], Any]) -> float:
    """Of a few calls in a row."""
    return statistics.median(timed(call)[0] for _ in range(_REPEATS))


def bare_evaluations(
    likelihood: Likelihood, sde: SDE, model: ScoreModel, params: Any, xs: jax.Array
) -> dict[str, Callable[[], Any]]:
    """What an estimator evaluates batch by batch, by kind: functions of a whole batch."""
    coordinates = jnp.linspace(sde.log_rho(0.1), sde.log_rho(0.9), len(xs))

    def value(params, log_rho, y):
        return LogRhoFlow().velocity(sde, model.score_fn(sde, params), log_rho, y)

    def traced(divergence, params, log_rho, y):
        probes = divergence.draw(jax.random.key(0), y.shape)
        return divergence(partial(value, params, log_rho), y, probes)

    def alone(fn, *arguments):
        mapped = jax.jit(jax.vmap(fn, (None, *(0 for _ in arguments))))
        with jax.default_matmul_precision("float32"):
            compiled = mapped.lower(params, *arguments).compile()
        jax.block_until_ready(compiled(params, *arguments))
        return lambda: compiled(params, *arguments)

    if isinstance(likelihood, ODELikelihood):
        return {"both": alone(partial(traced, likelihood.divergence), coordinates, xs)}
    if isinstance(likelihood, Quadrature):
        nodes = jax.vmap(partial(traced, likelihood.node_divergence), (None, 0, 0))
        several = partial(jnp.repeat, repeats=likelihood.node_chunk, axis=1)
        side_by_side = [several(each[:, None]) for each in (coordinates, xs)]
        return {"value": alone(value, coordinates, xs), "nodes": alone(nodes, *side_by_side)}
    return {}


def executed(likelihood: Likelihood, result: LogProb, dims: int) -> dict[str, int]:
    """How many evaluations of each kind a batch took: those of its slowest image."""
    if isinstance(likelihood, ODELikelihood):
        return {"both": int(result.nfe.max())}
    if isinstance(likelihood, Quadrature):
        calls = result.jvps // likelihood.node_divergence.products(dims)
        in_a_round = 2 * (likelihood.intervals + 1)
        chunks = -(-in_a_round // likelihood.node_chunk)
        rounds = int(calls.max()) // in_a_round
        return {"value": int((result.nfe - calls).max()), "nodes": rounds * chunks}
    return {}
