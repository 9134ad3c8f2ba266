"""Tests of random flips, and that they do not change other random numbers."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gradlog.losses import Loss, example_keys
from gradlog.models import Uniform
from gradlog.training import (
    ParameterGroup,
    RandomFlip,
    ScoreModelTraining,
    TrainStep,
    Unchanged,
    init_state,
)

IMAGES = np.random.default_rng(0).integers(0, 17, (8, 2, 4, 3), dtype=np.uint8)
PARAMS = {"network": {"w": jnp.zeros(())}}


@dataclass(frozen=True)
class _Dequantized:
    """A model that shows a loss only its dequantizer."""

    w: Any = 0.0

    def bind(self, params, *, dropout_key):
        del dropout_key
        return _Dequantized(params["network"]["w"])


def _seen(augmentation, look, step=0, rows=range(8)):
    """Return the input of the loss for each of these rows of a global batch of eight."""

    def objective(model, x, u, key, condition):
        del condition
        keys = example_keys(key)
        x0, _ = Uniform(17)(keys.dequantization, x)
        return Loss(look(x0, u, keys.integrand) + 0 * model.w, {})

    trainable = ScoreModelTraining(_Dequantized(), objective, (2, 4, 3), augmentation)  # pyright: ignore
    counting = TrainStep(trainable, {"network": ParameterGroup(optax.sgd(0.1))}, 8)
    state = init_state(PARAMS, counting.groups).replace(step=jnp.asarray(step))
    loss = jax.jit(lambda x, i: counting.loss_and_grads(jax.random.key(1), state, x, i)[0].value)
    return np.array([loss(IMAGES[i : i + 1], jnp.array([i])) for i in rows])


def _place(at):
    """Return one level of the image as the loss gets it."""
    return lambda x0, u, key: jnp.floor((x0[at] + 1) / 2 * 17)


def test_image_is_mirrored_left_to_right_or_unchanged():
    flips = []
    for key in jax.random.split(jax.random.key(0), 400):
        x = RandomFlip()(key, jnp.asarray(IMAGES[0]))
        flipped = np.array_equal(x, IMAGES[0, :, ::-1])
        assert flipped or np.array_equal(x, IMAGES[0])
        flips.append(flipped)
    assert abs(np.mean(flips) - 0.5) < 4 * 0.5 / 20


def test_flips_are_independent_over_rows_and_steps():
    right = IMAGES[:, 0, -1, 0]
    seen = [_seen(RandomFlip(), _place((0, 0, 0)), step) for step in range(4)]
    flipped = np.array([(s == right) & (right != IMAGES[:, 0, 0, 0]) for s in seen])
    assert len({row.tobytes() for row in flipped}) > 1
    assert len({row.tobytes() for row in flipped.T}) > 1
    np.testing.assert_array_equal(_seen(RandomFlip(), _place((0, 0, 0)), rows=[5])[0], seen[0][5])


def test_flips_do_not_change_times_and_noises():
    looks = (lambda x0, u, key: u, lambda x0, u, key: jax.random.uniform(key))
    for look in looks:
        same = [_seen(augmentation, look) for augmentation in (Unchanged(), RandomFlip())]
        np.testing.assert_array_equal(*same)
