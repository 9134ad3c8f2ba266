"""The loop: what is logged, what is called, and when."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from data import BatchStream
from training import Every, NonFiniteError, train


@dataclass
class State:
    step: int


@dataclass
class Steps:
    """A mapped step that counts; its loss is the step, or what is given for one."""

    special: dict = field(default_factory=dict)
    batches: list = field(default_factory=list)

    @staticmethod
    def rows(batch_size):
        return np.arange(batch_size)

    def __call__(self, state, rows):
        self.batches.append(rows)
        step = state.step + 1
        metrics = {"loss": float(step), "grad_norm": 1.0} | self.special.get(step, {})
        return State(step), {name: np.float32(value) for name, value in metrics.items()}


def _train(steps, *, start=0, log_every=4, step_fn=None, **options):
    """Trains on the numbers 0 .. 99; gives what was logged, in order, and the last state."""
    logged = []
    stream = BatchStream(np.arange(100.0)[:, None], 3, seed=0)
    state = train(
        step_fn or Steps(),
        State(start),
        stream,
        steps=steps,
        log_every=log_every,
        log=lambda step, metrics: logged.append((step, metrics)),
        **options,
    )
    return logged, state


def test_metrics_are_averages_over_the_steps_since_the_last_record():
    logged, state = _train(10)
    assert [(step, m["loss"]) for step, m in logged] == [(4, 2.5), (8, 6.5), (10, 9.5)]
    assert state.step == 10


def test_training_goes_on_from_its_step_with_the_batches_of_its_steps():
    whole, rest = Steps(), Steps()
    _train(10, step_fn=whole)
    logged, _ = _train(10, start=6, step_fn=rest)
    np.testing.assert_array_equal(np.stack(whole.batches[6:]), np.stack(rest.batches))
    assert [step for step, _ in logged] == [8, 10]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("metric", ["loss", "grad_norm"])
def test_a_metric_that_is_not_finite_ends_training_with_its_step_and_name(metric, value):
    step_fn = Steps({6: {metric: value}})
    with pytest.raises(NonFiniteError, match=f"^step 6: {metric} is -?(nan|inf)$"):
        _train(10, step_fn=step_fn)


def test_a_state_that_is_not_finite_is_never_saved():
    saved = []
    with pytest.raises(NonFiniteError):
        _train(
            10,
            step_fn=Steps({3: {"loss": float("nan")}}),
            callbacks=[Every(3, lambda step, state: saved.append(step))],
        )
    assert saved == []


def test_callbacks_come_at_their_steps_and_at_the_last_one():
    called = []
    _train(10, callbacks=[Every(4, lambda step, state: called.append((step, state.step)))])
    assert called == [(4, 4), (8, 8), (10, 10)]


def test_zero_is_never():
    called = []
    _train(10, callbacks=[Every(0, lambda *_: called.append(1))])
    assert called == []


def test_a_measure_joins_the_metrics_of_its_step():
    logged, _ = _train(10, measures=[Every(3, lambda step, state: {"held_out": -float(step)})])
    assert [step for step, _ in logged] == [3, 4, 6, 8, 9, 10]
    assert {step: m["held_out"] for step, m in logged if "held_out" in m} == {
        3: -3.0,
        6: -6.0,
        9: -9.0,
        10: -10.0,
    }


def test_callbacks_find_the_record_of_their_step_already_logged():
    order = []
    train(
        Steps(),
        State(0),
        BatchStream(np.zeros((9, 1)), 3, seed=0),
        steps=3,
        log_every=100,
        log=lambda step, _: order.append(f"log {step}"),
        callbacks=[Every(2, lambda step, _: order.append(f"call {step}"))],
    )
    assert order == ["log 2", "call 2", "log 3", "call 3"]
