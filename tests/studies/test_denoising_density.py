"""A generator and its estimator trained in turn: on Gaussians, in small, and on the moons."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gradlog.config_error import ConfigError
from gradlog.configs.toy import denoising_density
from gradlog.experiment.run import Run
from gradlog.losses import example_keys
from gradlog.models import NETWORKS, NOISE_LABELS, BoundModel, DiffusionModel, Energy
from gradlog.sde_lib import VE
from gradlog.studies.common import study_folder
from gradlog.studies.denoising_density import DenoisingDensity
from gradlog.studies.generator import (
    ESTIMATOR,
    GENERATOR,
    Alternation,
    Generator,
    GeneratorTraining,
    measurement_rounds,
    train_generator,
)
from gradlog.training import Example

T = 0.4


class Shift:
    """An energy of ``N(params, I)`` with noise at every level: the ideal result of training."""

    def log_density_fn(self, params):
        return lambda x, t: -0.5 * jnp.sum((x - params) ** 2) / (1 + VE().sigma(t) ** 2)

    def bind(self, params):
        return BoundModel(VE(), jax.grad(self.log_density_fn(params)))


class Move:
    """A generator network that adds its parameters."""

    def apply(self, variables, n, label, train):
        del n, label, train
        return variables["params"]

    def init(self, key, x, label, train):
        del key, label, train
        return {"params": jnp.zeros_like(x)}


MEAN = jnp.array([0.7, -0.4])


def shifting_alternation(**changes):
    """Both estimators are of the right family, so only the alternation can fail."""
    settings = {"inner_steps": 5, "batch": 64, "estimator_rate": 2e-2, "generator_rate": 5e-3}
    return Alternation(
        generator=Generator(Move(), 0.0, (2,)),
        model=Shift(),
        data_params=MEAN,
        t=T,
        **settings | changes,
    )


def test_alternation_moves_a_shifted_gaussian_to_the_data():
    mean, alternation = MEAN, shifting_alternation()
    state = alternation.init(jax.random.key(0))
    np.testing.assert_array_equal(state.ema[GENERATOR], jnp.zeros(2))
    each = lambda state, _: (alternation.round(state, jax.random.key(1)), None)  # noqa: E731
    end = jax.jit(lambda state: jax.lax.scan(each, state, length=1500)[0])(state)
    assert end.step == 1500 * 6
    average = end.ema[GENERATOR]
    np.testing.assert_allclose(average, mean, atol=0.05)
    # The estimator started at the data, and has followed the generator.
    np.testing.assert_allclose(end.params[ESTIMATOR], end.params[GENERATOR], atol=0.1)
    samples = alternation.generator.sample(average, jax.random.key(2), 4000)
    assert np.all(np.abs(samples.mean(axis=0) - average) < 4 / np.sqrt(4000))


def small_alternation(**changes):
    network = NETWORKS["mlp"](hidden=8, num_layers=1, embedding=8, embedding_type="fourier")
    model = DiffusionModel(VE(), network, Energy(1.0), NOISE_LABELS["sigma"]())
    settings = {"inner_steps": 1, "batch": 8, "estimator_rate": 1e-3, "generator_rate": 1e-3}
    return Alternation(
        generator=Generator(network, float(model.noise_label(VE(), T)), (2,)),
        model=model,
        data_params=tiny.init(model, (2,)),
        t=T,
        **settings | changes,
    )


def test_each_training_step_changes_one_group_and_freezes_the_other():
    alternation = small_alternation(inner_steps=0)
    start = jax.jit(alternation.init)(jax.random.key(0))
    # The generator has a gradient only where its estimator differs from that of the data.
    shifted = jax.tree.map(lambda leaf: leaf + 0.3, start.params[ESTIMATOR])
    start = start.replace(params=start.params | {ESTIMATOR: shifted})
    after = jax.jit(alternation.round)(start, jax.random.key(1))
    same = lambda a, b: all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))  # noqa: E731
    for field in ("params", "ema", "opt_state"):
        before, now = getattr(start, field), getattr(after, field)
        assert same(before[ESTIMATOR], now[ESTIMATOR])
        assert not same(before[GENERATOR], now[GENERATOR])
    assert after.step == 1


def test_the_generator_has_no_gradient_if_its_estimator_equals_that_of_the_data():
    alternation = small_alternation()
    params = jax.jit(alternation.init)(jax.random.key(1)).params
    trainable = GeneratorTraining(
        alternation.generator, alternation.model, alternation.data_params, T
    )

    @jax.jit
    def gradient_norm(estimator):
        def loss(generator, key):
            n = jax.random.normal(example_keys(key).dequantization, (2,))
            groups = {GENERATOR: generator, ESTIMATOR: estimator}
            return trainable.loss(groups, Example(n, 0.0), key).value

        keys = jax.random.split(jax.random.key(2), 8)
        mean = lambda generator: jnp.mean(jax.vmap(loss, (None, 0))(generator, keys))  # noqa: E731
        return optax.global_norm(jax.grad(mean)(params[GENERATOR]))

    other = jax.tree.map(lambda leaf: leaf + 0.3, alternation.data_params)
    assert gradient_norm(alternation.data_params) < 1e-5 * gradient_norm(other)


TEST = np.random.default_rng(0).standard_normal((20, 2))


@pytest.mark.parametrize(
    ("rounds", "measurements", "expected"),
    [
        (2000, 20, list(range(0, 2001, 100))),
        (10, 4, [0, 3, 6, 9, 10]),
        (3, 20, [0, 1, 2, 3]),
        (7, 1, [0, 7]),
    ],
)
def test_blocks_add_up_to_all_rounds_for_any_number_of_measurements(rounds, measurements, expected):
    assert measurement_rounds(rounds, measurements) == expected


def test_training_is_measured_after_each_block_and_is_the_same_for_any_blocks():
    alternation = shifting_alternation(inner_steps=1, estimator_rate=0.1, generator_rate=0.1)
    curve, samples = train_generator(alternation, TEST, 5, 3, jax.random.key(0))
    assert [step for step, _ in curve] == [0, 2, 4, 5]
    assert np.isfinite(samples).all()
    assert len({distance for _, distance in curve}) == 4
    _, in_one_block = train_generator(alternation, TEST, 5, 1, jax.random.key(0))
    np.testing.assert_allclose(in_one_block, samples, atol=1e-5)


def test_a_diverging_generator_raises_with_the_step():
    alternation = shifting_alternation(inner_steps=1, generator_rate=float("inf"))
    with pytest.raises(ConfigError, match=r"after 2 steps.*config\.study\.generator_rate"):
        train_generator(alternation, TEST, 4, 2, jax.random.key(0))


@pytest.mark.slow
def test_moons_are_within_four_standard_deviations_of_the_distance_between_data(tmp_path):
    run = Run.open(tmp_path / "run", denoising_density.get_config())
    DenoisingDensity(extent=2.5)(run)
    numbers = json.loads((study_folder(run) / "denoising_density.json").read_text())
    mean, spread = numbers["floor"]
    assert numbers["end"] < mean + 4 * spread
    assert numbers["start"] > 10 * mean
