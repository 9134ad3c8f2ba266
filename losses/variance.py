"""A loss whose gradient by the inside of a learned schedule is that of its variance."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]


def train_inside_for_variance(
    loss: Callable[..., Scalar], model: BoundModel, *inputs: Any
) -> Scalar:
    """Return ``loss(model, *inputs)``; the inside of the model's schedule gets another gradient.

    Let l be this loss of one draw, whose mean does not depend on the inside of the schedule. Then
    the variance of l has the gradient of ``E[l^2]``, which is ``E[2 l dl]`` (Kingma et al. 2021,
    arXiv:2107.00630, appendix I). So a term is added that is zero and has this gradient by the
    fields that ``SDE.INSIDE`` names. Everything else has the gradient of the loss.

    The slope dl is taken here, for one example, by the few numbers of the schedule alone. A rule
    for the gradient of all parameters would need those of the network for each example.

    Args:
      loss: a function of the model and of arrays.
      model: the process and its score. The score must hold its own process as an argument, as
        `DiffusionModel.bind` makes it, and not in a closure.
      inputs: the arrays.
    """
    inside = {name: getattr(model.process, name) for name in model.process.INSIDE}
    fixed = jax.lax.stop_gradient(inside)
    value = loss(replace_inside(model, fixed), *inputs)
    slope = jax.grad(lambda moved: loss(replace_inside(model, moved), *inputs))(fixed)
    factors = jax.lax.stop_gradient(jax.tree.map(lambda leaf: 2 * value * leaf, slope))
    zeros = jax.tree.map(lambda f, new, old: jnp.sum(f * (new - old)), factors, inside, fixed)
    return value + sum(jax.tree.leaves(zeros))


def replace_inside(tree: Any, inside: dict[str, Any]) -> Any:
    """Return a tree in which every process has this inside."""

    def replace(node: Any) -> Any:
        return dataclasses.replace(node, **inside) if isinstance(node, SDE) else node

    return jax.tree.map(replace, tree, is_leaf=lambda node: isinstance(node, SDE))
