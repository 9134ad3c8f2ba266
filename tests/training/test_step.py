"""Tests of the two halves of a step: a loss with gradients, and a pure update."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gradlog.losses import Loss, example_keys
from gradlog.training import SCHEDULES, ParameterGroup, TrainStep, adam, init_state
from gradlog.training.optimizer import add_warmup

SETTINGS = {
    "warmup": 0,
    "beta1": 0.9,
    "beta2": 0.99,
    "adam_eps": 1e-8,
    "weight_decay": 0.0,
    "grad_clip": 0.0,
    "accumulate": 1,
}
PARAMS = {"network": {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array(3.0)}}


def _optimizer(rate=0.1, **settings):
    return adam(optax.constant_schedule(rate), **(SETTINGS | settings))


def _gradients(count, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32)  # noqa: E731
    return [jax.tree.map(draw, PARAMS) for _ in range(count)]


def _step(optimizer, ema_decay=0.5, *, ema_warmup=True, max_skips=0, trainable=None, size=1):
    groups = {"network": ParameterGroup(optimizer, ema_decay, ema_warmup)}
    return TrainStep(trainable, groups, size, max_skips)  # pyright: ignore[reportArgumentType]


def _start(step):
    return init_state(PARAMS, step.groups)


def _w(state):
    return state.params["network"]["w"]


def _loss(value):
    return Loss(jnp.asarray(value), {})


def _run(optimizer, gradients, ema_decay=0.5, **settings):
    """Return the states after 0, 1, 2, ... steps with these gradients."""
    step = _step(optimizer, ema_decay, **settings)
    states = [_start(step)]
    for number, gradient in enumerate(gradients, start=1):
        states.append(step.update(states[-1], _loss(0.0), gradient, number)[0])
    return states


def _same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def _close(a, b, tolerance=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance), a, b)


def _moment(state):
    """Return Adam's mean of gradients, at any depth of the optimizer state."""
    return next(s for s in jax.tree.leaves(state, is_leaf=_is_adam) if _is_adam(s)).mu


def _is_adam(node):
    return isinstance(node, optax.ScaleByAdamState)


# --- accumulation ---------------------------------------------------------------------------


def test_accumulation_changes_parameters_and_average_every_second_step():
    states = _run(_optimizer(accumulate=2), _gradients(6))
    for before, after in itertools.pairwise(states):
        moves = int(after.step) % 2 == 0
        assert _same(before.params, after.params) != moves
        assert _same(before.ema, after.ema) != moves
    assert [int(state.step) for state in states] == list(range(7))


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_update_is_that_of_the_mean_gradient(accumulate):
    gradients = _gradients(2 * accumulate)
    means = [
        jax.tree.map(lambda *g: sum(g) / accumulate, *gradients[i : i + accumulate])
        for i in (0, accumulate)
    ]
    # The decays of a young average are 0.1 and 2/11, below 0.5: they count updates too.
    accumulated = _run(_optimizer(accumulate=accumulate), gradients)[-1]
    at_once = _run(_optimizer(), means)[-1]
    _close(accumulated.params, at_once.params)
    _close(accumulated.ema, at_once.ema)
    _close(_moment(accumulated.opt_state), _moment(at_once.opt_state), 1e-5)


def test_warm_up_counts_updates_and_not_batches():
    states = _run(_optimizer(accumulate=2, warmup=4), _gradients(4))
    assert _same(states[2].params, PARAMS)  # update 0
    assert not _same(states[4].params, PARAMS)


# --- rates ----------------------------------------------------------------------------------


def test_warm_up_starts_at_zero_and_grows_linearly():
    gradient = _gradients(1)[0]
    states = _run(_optimizer(rate=0.1, warmup=4), [gradient] * 6)
    assert _same(states[1].params, PARAMS)
    # With one gradient for ever, Adam's step is the rate itself.
    steps = [float(jnp.abs(_w(a) - _w(b)).max()) for a, b in itertools.pairwise(states)]
    np.testing.assert_allclose(steps, 0.1 * np.array([0, 0.25, 0.5, 0.75, 1, 1]), rtol=1e-4)


def test_first_update_without_warm_up_is_full():
    states = _run(_optimizer(rate=0.1), _gradients(1))
    moved = jnp.abs(_w(states[1]) - _w(states[0]))
    np.testing.assert_allclose(moved, 0.1, rtol=1e-4)


def test_cosine_decreases_from_the_rate_to_a_hundredth():
    schedule = SCHEDULES["cosine"](2e-3, 1000)
    rates = np.array([schedule(k) for k in (0, 500, 1000, 5000)])
    np.testing.assert_allclose(rates, 2e-3 * np.array([1, 0.505, 0.01, 0.01]), rtol=1e-5)


def test_constant_schedule_is_constant():
    schedule = SCHEDULES["constant"](2e-3)
    assert schedule(0) == schedule(10**6) == 2e-3


def test_cosine_without_length_raises():
    with pytest.raises(ValueError, match="decay_steps must be at least 1"):
        SCHEDULES["cosine"](2e-3, 0)


def test_warm_up_multiplies_the_schedule():
    warm = add_warmup(SCHEDULES["cosine"](1.0, 100), 50)
    plain = SCHEDULES["cosine"](1.0, 100)
    for k in (0, 10, 49, 50, 80):
        np.testing.assert_allclose(warm(k), min(k / 50, 1) * plain(k), rtol=1e-6)


# --- clipping and decay ---------------------------------------------------------------------


def test_clipping_bounds_the_norm_of_the_gradient_that_adam_sees():
    large = jax.tree.map(lambda g: 100 * g, _gradients(1)[0])
    state = _run(_optimizer(grad_clip=1.0), [large])[-1]
    seen = jax.tree.map(lambda mu: mu / (1 - SETTINGS["beta1"]), _moment(state.opt_state))
    np.testing.assert_allclose(optax.global_norm(seen), 1.0, rtol=1e-5)
    direction = jax.tree.map(lambda g: g / optax.global_norm(large), large)
    _close(seen, direction["network"], 1e-5)


def test_clipping_does_not_change_a_small_gradient():
    small = jax.tree.map(lambda g: 1e-3 * g, _gradients(1)[0])
    clipped, free = (_run(_optimizer(grad_clip=clip), [small])[-1] for clip in (1.0, 0.0))
    assert _same(clipped.params, free.params)


def test_metrics_are_the_loss_and_the_norm_before_clipping():
    step = _step(_optimizer(grad_clip=1.0))
    gradient = {"network": {"w": jnp.array([3.0, 0.0, 0.0]), "b": jnp.array(4.0)}}
    loss = Loss(jnp.array(2.5), {"extra": jnp.array(7.0)})
    _, metrics = step.update(_start(step), loss, gradient, 1)
    assert {name: float(value) for name, value in metrics.items()} == {
        "loss": 2.5,
        "grad_norm": 5.0,
        "extra": 7.0,
    }


def test_weight_decay_is_proportional_to_the_rate():
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    state = _run(_optimizer(rate=0.1, weight_decay=0.5), [zero])[-1]
    _close(state.params, jax.tree.map(lambda p: p * (1 - 0.1 * 0.5), PARAMS))


def test_biases_can_be_excluded_from_the_decay():
    params = {"Dense_0": {"kernel": jnp.array(2.0), "bias": jnp.array(2.0)}}
    zero = jax.tree.map(jnp.zeros_like, params)
    optimizer = _optimizer(rate=0.1, weight_decay=0.5, decay_biases=False)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    _close(updates, {"Dense_0": {"kernel": jnp.array(-0.1), "bias": jnp.array(0.0)}})


# --- the average ----------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.15, 0.9999])
def test_average_has_the_decay_of_its_warm_up(decay):
    states = _run(_optimizer(), _gradients(8), ema_decay=decay)
    average = jax.tree.map(lambda value: np.asarray(value, np.float64), PARAMS)
    for k, state in enumerate(states[1:]):
        d = min(decay, (1 + k) / (10 + k))
        average = jax.tree.map(lambda a, p, d=d: d * a + (1 - d) * p, average, state.params)
        _close(state.ema, average, 1e-5)


def test_average_without_warm_up_has_a_constant_decay():
    states = _run(_optimizer(), _gradients(5), ema_decay=0.9, ema_warmup=False)
    average = jax.tree.map(lambda value: np.asarray(value, np.float64), PARAMS)
    for state in states[1:]:
        average = jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, average, state.params)
        _close(state.ema, average, 1e-5)


def test_average_starts_as_a_copy_of_the_parameters():
    state = _start(_step(_optimizer()))
    assert _same(state.params, state.ema)
    assert _w(state) is not state.ema["network"]["w"]
    assert int(state.step) == 0


# --- what is not finite ---------------------------------------------------------------------

BAD = {"loss": (float("nan"), 0.0), "gradient": (0.0, float("inf"))}


def _advance(step, state, number, loss=0.0, added=0.0, seed=0):
    gradient = jax.tree.map(lambda g: g + added, _gradients(number, seed)[-1])
    return jax.jit(step.update)(state, _loss(loss), gradient, number)[0]


def _counts(state):
    return int(state.step), int(state.skipped)


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_non_finite_batch_changes_only_the_counts(kind, accumulate, at):
    step = _step(_optimizer(accumulate=accumulate), 0.5, max_skips=2)
    state = _start(step)
    for number in range(1, at):
        state = _advance(step, state, number)
    after = _advance(step, state, at, *BAD[kind])
    assert _counts(after) == (at, 1)
    assert _same(_but_counts(after), _but_counts(state))


def _but_counts(state):
    return state.params, state.ema, state.opt_state


@pytest.mark.parametrize("max_skips", [0, 2])
def test_state_stops_at_one_skip_too_many(max_skips):
    step = _step(_optimizer(), 0.5, max_skips=max_skips)
    state = _advance(step, _start(step), 1)
    for number in range(2, 2 + max_skips):
        state = _advance(step, state, number, *BAD["loss"])
    assert _counts(state) == (1 + max_skips, max_skips)
    still = state
    for number, bad in ((2 + max_skips, (float("nan"),)), (3 + max_skips, ()), (4 + max_skips, ())):
        still = _advance(step, still, number, *bad)
        tiny.assert_bitwise_equal(still, state)


def test_batch_only_changes_the_state_of_the_step_before():
    step = _step(_optimizer(), 0.5, max_skips=9)
    state = _advance(step, _start(step), 1)
    for number in (1, 3):
        tiny.assert_bitwise_equal(_advance(step, state, number), state)
        tiny.assert_bitwise_equal(_advance(step, state, number, *BAD["loss"]), state)


def test_accumulation_replaces_a_skipped_batch_by_the_next():
    step = _step(_optimizer(accumulate=2), 0.0, max_skips=1)
    state = _start(step)
    for number, bad in ((1, ()), (2, BAD["loss"]), (3, ())):
        state = _advance(step, state, number, *bad)
    gradients = _gradients(3)
    expected = _run(_optimizer(accumulate=2), [gradients[0], gradients[2]], ema_decay=0.0)[-1]
    _close(state.params, expected.params)
    assert not _same(state.params, PARAMS)


# --- groups ---------------------------------------------------------------------------------

TWO = {"network": {"w": jnp.array([1.0, -2.0])}, "process": {"log_beta_max": jnp.array(3.0)}}


class _Quadratic:
    """``|w|^2 + log_beta_max^2``, for every example."""

    def init(self, key):
        return TWO

    def loss(self, params, example, key):
        value = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return Loss(value + 0 * jnp.sum(example.x), {})


def _two_groups(network, process):
    groups = {"network": network, "process": process}
    step = TrainStep(_Quadratic(), groups, 4)
    state = init_state(TWO, groups)
    batch = (np.zeros((4, 2), np.float32), np.arange(4))
    for number in range(1, 4):
        loss, grads = step.loss_and_grads(jax.random.key(0), state, *batch)
        state, _ = step.update(state, loss, grads, number)
    return state, grads


def test_each_group_has_its_own_optimizer_and_average():
    network, process = ParameterGroup(optax.sgd(0.1), 0.5), ParameterGroup(optax.sgd(0.01), 0.0)
    state, _ = _two_groups(network, process)
    np.testing.assert_allclose(
        state.params["network"]["w"], TWO["network"]["w"] * 0.8**3, rtol=1e-6
    )
    moved = 3.0 * 0.98**3
    np.testing.assert_allclose(state.params["process"]["log_beta_max"], moved, rtol=1e-6)
    np.testing.assert_allclose(state.ema["process"]["log_beta_max"], moved, rtol=1e-6)
    assert not _same(state.ema["network"], state.params["network"])


def test_frozen_group_is_constant_and_has_no_gradient():
    state, grads = _two_groups(ParameterGroup(optax.sgd(0.1)), ParameterGroup(None))
    assert _same((state.params["process"], state.ema["process"]), (TWO["process"],) * 2)
    assert not _same(state.params["network"], TWO["network"])
    assert grads.keys() == state.opt_state.keys() == {"network"}


def test_groups_without_settings_raise():
    with pytest.raises(ValueError, match="process"):
        init_state(TWO, {"network": ParameterGroup(None)})


# --- losses ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def losses():
    """Return a jitted ``(state, batch, positions) -> (loss, gradients)``, a state and a batch."""
    trainable = tiny.trainable()
    step = _step(optax.sgd(0.1), trainable=trainable, size=8)
    # The last layer begins at zero: move it, so that everything has a gradient.
    params = jax.tree.map(lambda p: p + 0.1, trainable.init(jax.random.key(1)))
    state, key = init_state(params, step.groups), jax.random.key(0)
    compute = jax.jit(
        lambda state, batch, positions: step.loss_and_grads(key, state, batch, positions)
    )
    return compute, state, np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)


def test_mean_over_halves_of_a_batch_is_that_of_the_whole(losses):
    compute, state, batch = losses
    whole = compute(state, batch, np.arange(8))
    halves = [compute(state, batch[rows], rows) for rows in (np.arange(4), np.arange(4, 8))]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *halves)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), whole, mean)


def test_random_numbers_depend_on_the_position_in_the_global_batch(losses):
    compute, state, batch = losses
    same = np.broadcast_to(batch[:1], batch.shape)
    alone = [float(compute(state, same[:1], np.array([i]))[0].value) for i in range(8)]
    assert len(set(alone)) == 8
    shuffled = np.random.default_rng(0).permutation(8)
    np.testing.assert_allclose(
        compute(state, batch[shuffled], shuffled)[0].value,
        compute(state, batch, np.arange(8))[0].value,
        rtol=1e-5,
    )


def test_random_numbers_depend_on_the_step(losses):
    compute, state, batch = losses
    first, again = (float(compute(state, batch, np.arange(8))[0].value) for _ in range(2))
    later = float(compute(state.replace(step=state.step + 1), batch, np.arange(8))[0].value)
    assert first == again != later


@dataclass(frozen=True)
class _Looking:
    """A trainable whose loss is ``look(example, key)``."""

    look: Callable

    def init(self, key):
        return PARAMS

    def loss(self, params, example, key):
        return Loss(self.look(example, key) + 0 * params["network"]["b"], {})


def _seen_by_the_loss(positions, look, step=0, size=8):
    """Return the input of the loss of each row, for a batch of one row at a time."""
    looking = _step(_optimizer(), trainable=_Looking(look), size=size)
    state = _start(looking).replace(step=jnp.asarray(step))
    key, row = jax.random.key(0), np.zeros((1, 2), np.float32)
    return [
        float(looking.loss_and_grads(key, state, row, jnp.array([i]))[0].value) for i in positions
    ]


def test_noise_is_independent_over_rows_and_steps():
    noise = lambda example, key: jax.random.uniform(example_keys(key).integrand)  # noqa: E731
    first, second = (_seen_by_the_loss(range(8), noise, step=step) for step in (0, 1))
    assert len({*first, *second}) == 16


def test_times_are_stratified_over_the_global_batch():
    """One in each of eight equal cells, at a position that differs between cells."""
    u = np.array(_seen_by_the_loss(range(8), lambda example, key: example.u))
    np.testing.assert_array_equal(np.floor(8 * u), np.arange(8))
    assert len(set(np.round(8 * u - np.arange(8), 4))) == 8
