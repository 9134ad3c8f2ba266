"""Classes of numbers that JAX traces: no two of them are one to it."""

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


def test_no_two_processes_have_one_structure():
    """Of a dataclass of flax or JAX 0.10 they have, and a jitted function takes one for another."""
    structures = [jax.tree.structure(sde()) for sde in SDES.values()]
    assert all(a != b for a, b in itertools.combinations(structures, 2))
    assert jax.tree.structure(Line(1.0)) != jax.tree.structure(Other(1.0))
    assert jax.tree.structure(Line(1.0)) == jax.tree.structure(Line(2.0))


def test_what_is_static_is_part_of_the_structure_and_what_is_not_is_traced():
    assert jax.tree.structure(Line(1.0, 2)) != jax.tree.structure(Line(1.0, 3))
    value = jax.jit(lambda line: line.slope**line.power)(Line(3.0, 2))
    assert float(value) == 9.0
    moved = jax.tree.map(lambda leaf: 2 * leaf, Line(3.0, 2))
    assert moved == Line(6.0, 2)


def test_it_is_frozen_and_differentiable_by_its_numbers():
    with pytest.raises(AttributeError):
        VP().beta_max = 1.0
    slope = jax.grad(lambda sde: sde.log_alpha(0.5))(VP())
    assert isinstance(slope, VP)
    assert float(slope.beta_max) == pytest.approx(-0.0625)


def test_an_oracle_is_one_too():
    gaussian = Gaussian(jnp.zeros(2), jnp.eye(2))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(gaussian)]
    assert [jax.tree_util.keystr(path) for path in paths] == [".mean", ".std"]
