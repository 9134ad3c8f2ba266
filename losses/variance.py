"""A loss whose gradient by the inside of a learned schedule is that of its variance."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from gradlog.models import BoundModel
from gradlog.sde_lib import SDE

Scalar = Float[Array, ""]


def train_inside_for_variance(
    loss: Callable[..., Scalar], model: BoundModel, *inputs: Any
) -> Scalar:
    """Return ``loss(model, *inputs)``; the inside of the model's schedule gets another gradient.

    Let l be this loss of one draw, whose mean does not depend on the inside of the schedule. Then
    the variance of l has the gradient of ``E[l^2]``, which is ``E[2 l dl]``. So the cotangents of
    the fields that ``SDE.INSIDE`` names are multiplied by 2 l (Kingma et al. 2021,
    arXiv:2107.00630, appendix I). Everything else has the gradient of the loss.

    Args:
      loss: a function of the model and of arrays; it must not close over traced values.
      model: the process and its score. The score must hold its own process as an argument, as
        `DiffusionModel.bind` makes it, and not in a closure.
      inputs: the arrays.
    """

    @jax.custom_vjp
    def value(model: BoundModel, *inputs: Any) -> Scalar:
        return loss(model, *inputs)

    def forward(model: BoundModel, *inputs: Any):
        value, pull_back = jax.vjp(loss, model, *inputs)
        return value, (value, pull_back)

    def backward(saved, cotangent: Scalar):
        value, pull_back = saved
        by_model, *by_inputs = pull_back(cotangent)
        return scale_inside(by_model, 2 * value), *by_inputs

    value.defvjp(forward, backward)
    return value(model, *inputs)


def scale_inside(tree: Any, factor: Scalar) -> Any:
    """Return a tree with the inside of each schedule in it multiplied by a factor."""

    def scale(node: Any) -> Any:
        if not isinstance(node, SDE):
            return node
        inside = {name: getattr(node, name) for name in node.INSIDE}
        return dataclasses.replace(node, **jax.tree.map(lambda leaf: factor * leaf, inside))

    return jax.tree.map(scale, tree, is_leaf=lambda node: isinstance(node, SDE))
