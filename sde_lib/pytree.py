"""Frozen dataclasses as pytrees, where each class has a tree structure of its own."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
from flax import struct

T = TypeVar("T")


@dataclass_transform(field_specifiers=(struct.field,), frozen_default=True)
def pytree(cls: type[T]) -> type[T]:
    """Make a frozen dataclass, and register it as a pytree whose children are its fields.

    A field with ``struct.field(pytree_node=False)`` is static. This decorator differs from
    ``flax.struct.dataclass`` in one point. JAX 0.10 may mix up two flax classes that have equally
    many fields, and then runs a function that was jitted for VP on VE. Here the structures of two
    classes are never equal.
    """
    new_class: Any = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(new_class)
    traced = [field.name for field in fields if field.metadata.get("pytree_node", True)]
    static = [field.name for field in fields if field.name not in traced]

    def flatten(instance):
        children = [getattr(instance, name) for name in traced]
        return children, tuple(getattr(instance, name) for name in static)

    def flatten_with_keys(instance):
        children, static_values = flatten(instance)
        keys = map(jax.tree_util.GetAttrKey, traced)
        return list(zip(keys, children, strict=True)), static_values

    def unflatten(static_values, children):
        instance = object.__new__(new_class)  # skips __post_init__, which cannot check tracers
        values = zip([*traced, *static], [*children, *static_values], strict=True)
        for name, value in values:
            object.__setattr__(instance, name, value)
        return instance

    jax.tree_util.register_pytree_with_keys(new_class, flatten_with_keys, unflatten, flatten)
    new_class.replace = dataclasses.replace
    return new_class
