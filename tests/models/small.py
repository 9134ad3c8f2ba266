"""Small networks with cheap parameters, for the tests of models."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gradlog.models.networks import NETWORKS

# Small values of every hyper-parameter, of which each network takes those that it declares.
TINY: dict[str, Any] = {
    "hidden": 16,
    "num_layers": 2,
    "embedding": 8,
    "nf": 8,
    "ch_mult": (1, 2),
    "num_res_blocks": 1,
    "attn_resolutions": (2,),
    "init_scale": 1.0,
}
# What some of them need beside: 32 groups of channels, or to hear of the label at all.
NEEDED: dict[str, dict[str, Any]] = {
    "ddpm": {"nf": 32},
    "ncsnv2": {"scale_by_sigma": True},
    "vdm": {"nf": 64},
}


def declares(name: str, *fields: str) -> bool:
    """Return whether the network of this name has these hyperparameters."""
    return set(fields) <= {field.name for field in dataclasses.fields(NETWORKS[name])}


def make(name: str, **overrides: Any) -> nn.Module:
    """Return the tiny network of this name."""
    tiny = {key: value for key, value in TINY.items() if declares(name, key)}
    return NETWORKS[name](**(tiny | NEEDED.get(name, {}) | overrides))


@functools.cache
def abstract_init(network: nn.Module, shape: tuple[int, ...], dtype: Any = jnp.float32):
    """Return shapes and dtypes of the output and of the variables, without computing them."""
    return jax.eval_shape(
        lambda x, label: network.init_with_output(jax.random.key(0), x, label, train=False),
        jax.ShapeDtypeStruct(shape, dtype),
        jax.ShapeDtypeStruct((), jnp.float32),
    )


def random_variables(network: nn.Module, shape: tuple[int, ...], dtype: Any = jnp.float32):
    """Return variables with random entries: nothing to compile, and no branch is zero."""
    generator = np.random.default_rng(0)
    _, variables = abstract_init(network, shape, dtype)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * generator.normal(size=leaf.shape), leaf.dtype), variables
    )
