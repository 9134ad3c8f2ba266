"""Frozen dataclasses whose numbers JAX traces, each class a structure of its own."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
from flax import struct

T = TypeVar("T")


@dataclass_transform(field_specifiers=(struct.field,), frozen_default=True)
def pytree(cls: type[T]) -> type[T]:
    """A frozen dataclass, its fields the children of a pytree, but for those that are static.

    As ``flax.struct.dataclass``; but of those JAX 0.10 takes two classes for one where they have as
    many fields, and a function jitted for VP is then, now and then, run for VE. A field is static
    by ``struct.field(pytree_node=False)``.
    """
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(made)
    traced = [field.name for field in fields if field.metadata.get("pytree_node", True)]
    static = [field.name for field in fields if field.name not in traced]

    def flatten(one):
        return [getattr(one, name) for name in traced], tuple(getattr(one, n) for n in static)

    def flatten_with_keys(one):
        children, kept = flatten(one)
        keys = map(jax.tree_util.GetAttrKey, traced)
        return list(zip(keys, children, strict=True)), kept

    def unflatten(kept, children):
        one = object.__new__(made)  # what is traced cannot be checked again
        for name, value in (*zip(traced, children, strict=True), *zip(static, kept, strict=True)):
            object.__setattr__(one, name, value)
        return one

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    made.replace = dataclasses.replace
    return made
