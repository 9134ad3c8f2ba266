"""The random keys of one training example."""

from typing import NamedTuple

import jax

_AUGMENTATION = 3
_CLASS_DROPOUT = 0xC1A55
_RECONSTRUCTION = 0x5EC0
_LATENT = 0x1A7E


class ExampleKeys(NamedTuple):
    """One key for each random choice about an example."""

    dequantization: jax.Array
    time: jax.Array
    integrand: jax.Array
    dropout: jax.Array
    augmentation: jax.Array
    class_dropout: jax.Array
    reconstruction: jax.Array
    latent: jax.Array


def example_keys(key: jax.Array) -> ExampleKeys:
    """Derive the keys of an example from the example's own key.

    The derivations never change, so that a resumed run draws the same numbers. Keys that were added
    in later versions are folded in beside the results of the splits.
    """
    dequantization, time, loss = jax.random.split(key, 3)
    integrand, dropout = jax.random.split(loss)
    return ExampleKeys(
        dequantization,
        time,
        integrand,
        dropout,
        augmentation=jax.random.fold_in(key, _AUGMENTATION),
        class_dropout=jax.random.fold_in(loss, _CLASS_DROPOUT),
        reconstruction=jax.random.fold_in(loss, _RECONSTRUCTION),
        latent=jax.random.fold_in(loss, _LATENT),
    )
