"""Tests that every class of traced numbers has a tree structure of its own."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from flax import struct

from gradlog.distributions import Gaussian
from gradlog.sde_lib import SDES, VP
from gradlog.sde_lib.pytree import pytree


@pytree
class Line:
    slope: float
    power: int = struct.field(pytree_node=False, default=1)


@pytree
class Other:
    slope: float
    power: int = struct.field(pytree_node=False, default=1)


def test_tree_structures_of_two_processes_differ():
    """Dataclasses of flax fail this test on JAX 0.10: a jitted function takes one for another."""
    structures = [jax.tree.structure(sde()) for sde in SDES.values()]
    assert all(a != b for a, b in itertools.combinations(structures, 2))
    assert jax.tree.structure(Line(1.0)) != jax.tree.structure(Other(1.0))
    assert jax.tree.structure(Line(1.0)) == jax.tree.structure(Line(2.0))


def test_static_fields_are_in_the_structure_and_other_fields_are_traced():
    assert jax.tree.structure(Line(1.0, 2)) != jax.tree.structure(Line(1.0, 3))
    value = jax.jit(lambda line: line.slope**line.power)(Line(3.0, 2))
    assert float(value) == 9.0
    moved = jax.tree.map(lambda leaf: 2 * leaf, Line(3.0, 2))
    assert moved == Line(6.0, 2)


def test_instances_are_frozen_and_differentiable_in_their_numbers():
    with pytest.raises(AttributeError):
        VP().beta_max = 1.0
    slope = jax.grad(lambda sde: sde.log_alpha(0.5))(VP())
    assert isinstance(slope, VP)
    assert float(slope.beta_max) == pytest.approx(-0.0625)


def test_distribution_is_a_pytree_too():
    gaussian = Gaussian(jnp.zeros(2), jnp.eye(2))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(gaussian)]
    assert [jax.tree_util.keystr(path) for path in paths] == [".mean", ".std"]
