"""Tests of the training loop: what it logs, saves and calls, and when."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from gradlog.data import BatchStream
from gradlog.training import Every, Interrupted, Interruption, NonFiniteError, Plan, train

NAN = float("nan")
STREAM = BatchStream(np.arange(100.0)[:, None], 3, seed=0)


@dataclass(frozen=True)
class State:
    step: int
    skipped: int = 0


@dataclass
class Steps:
    """A mapped step that counts; its loss is the step, unless ``special`` has another.

    It treats metrics that are not finite as ``TrainStep`` does.
    """

    special: dict = field(default_factory=dict)
    max_skips: int = 0
    batches: list = field(default_factory=list)

    @staticmethod
    def rows(batch_size):
        return np.arange(batch_size)

    def __call__(self, state, rows, step):
        self.batches.append(rows)
        metrics = {"grad_norm": 1.0, "loss": step / 3} | self.special.get(step, {})
        finite = np.isfinite(list(metrics.values())).all()
        if state.step == step - 1 and (finite or state.skipped < self.max_skips):
            state = State(step, state.skipped + (not finite))
        return state, {name: np.float32(value) for name, value in metrics.items()}


@dataclass
class Record:
    """The results of a training."""

    logged: list = field(default_factory=list)
    saved: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    order: list = field(default_factory=list)
    state: State | None = None

    def log(self, step, metrics):
        self.logged.append((step, metrics))
        self.order.append(f"log {step}")

    def save(self, step, state, notes):
        self.saved[step] = (state, json.loads(json.dumps(notes, allow_nan=False)))
        self.order.append(f"save {step}")


@dataclass
class SignalAt(Interruption):
    """An interruption that requests to stop after a step."""

    step: int

    def poll(self, step):
        return 15 if step >= self.step else None


def _train(
    steps, *, step_fn=None, record=None, state=None, pending=(), signal_at=None, **options
) -> Record:
    """Train on the numbers of `STREAM`, logging every fourth step."""
    record = record or Record()
    defaults = {"log_every": 4, "save_every": 0}
    plan = Plan(
        steps, **defaults | options, log=record.log, save=record.save, warn=record.warnings.append
    )
    leave = None if signal_at is None else SignalAt(signal_at)
    record.state = train(step_fn or Steps(), state or State(0), STREAM, plan, pending, leave)
    return record


def _mean(*steps):
    return float(np.mean([np.float32(step / 3) for step in steps]))


# --- lines and callbacks --------------------------------------------------------------------


def test_metrics_are_means_over_the_steps_since_the_last_line():
    record = _train(10)
    assert [(step, m["loss"]) for step, m in record.logged] == [
        (4, _mean(1, 2, 3, 4)),
        (8, _mean(5, 6, 7, 8)),
        (10, _mean(9, 10)),
    ]
    assert record.state == State(10)


def test_training_resumes_with_the_batches_of_its_steps():
    whole, rest = Steps(), Steps()
    _train(10, step_fn=whole)
    record = _train(10, state=State(6), step_fn=rest)
    np.testing.assert_array_equal(np.stack(whole.batches[6:]), np.stack(rest.batches))
    np.testing.assert_array_equal(whole.batches[0], STREAM[0])
    assert [step for step, _ in record.logged] == [8, 10]


def test_callbacks_run_at_their_interval_and_at_the_last_step():
    called = []
    each = Every(4, lambda step, state: called.append((step, state.step)))
    _train(10, callbacks=[each])
    assert called == [(4, 4), (8, 8), (10, 10)]


def test_interval_of_zero_means_never():
    called = []
    record = _train(10, callbacks=[Every(0, lambda *_: called.append(1))])
    assert (called, record.saved) == ([], {})


def test_measures_join_the_metrics_of_their_step():
    measure = Every(3, lambda step, state: {"held_out": -float(step)})
    logged = _train(10, measures=[measure]).logged
    assert [step for step, _ in logged] == [3, 4, 6, 8, 9, 10]
    assert {step: m["held_out"] for step, m in logged if "held_out" in m} == {
        3: -3.0,
        6: -6.0,
        9: -9.0,
        10: -10.0,
    }


def test_line_is_logged_before_callbacks_and_checkpoints():
    record = Record()
    call = Every(2, lambda step, _: record.order.append(f"call {step}"))
    _train(3, record=record, log_every=100, save_every=2, callbacks=[call])
    assert record.order == ["log 2", "call 2", "save 2", "log 3", "call 3", "save 3"]


def test_checkpoint_notes_have_the_measures_of_its_step():
    measure = Every(4, lambda step, state: {"held_out_loss": step / 7})
    record = _train(8, save_every=2, measures=[measure])
    assert {step: notes for step, (_, notes) in record.saved.items()} == {
        2: {},
        4: {"held_out_loss": 4 / 7},
        6: {},
        8: {"held_out_loss": 8 / 7},
    }


# --- signals --------------------------------------------------------------------------------


@pytest.mark.parametrize("left_at", [1, 5, 6, 8, 9, 12])
def test_interrupted_run_resumes_to_the_same_lines(left_at):
    whole = _train(12, save_every=6)
    record = Record()
    with pytest.raises(Interrupted, match=f"^interrupted at step {left_at}$") as end:
        _train(12, save_every=6, record=record, signal_at=left_at)
    assert end.value.signum == 15
    assert max(record.saved) == left_at
    state, notes = record.saved[left_at]
    assert state.step == left_at
    _train(12, save_every=6, record=record, state=state, pending=notes.get("pending", ()))
    assert record.logged == whole.logged
    assert record.saved.keys() == whole.saved.keys() | {left_at}


def test_run_interrupted_twice_within_a_line_resumes_to_the_same_lines():
    record = Record()
    with pytest.raises(Interrupted):
        _train(12, log_every=10, record=record, signal_at=3)
    for again in (7, None):
        state, notes = record.saved[max(record.saved)]
        try:
            _train(
                *(12,), log_every=10, record=record, state=state, pending=notes["pending"],
                signal_at=again,
            )  # fmt: skip
        except Interrupted:
            assert again == 7
    assert record.logged == _train(12, log_every=10).logged


def test_signal_before_the_first_step_writes_nothing():
    steps, record = Steps(), Record()
    with pytest.raises(Interrupted):
        _train(12, step_fn=steps, record=record, state=State(6), signal_at=0)
    assert (steps.batches, record.saved) == ([], {})


# --- numbers that are not finite ------------------------------------------------------------


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("metric", ["loss", "grad_norm"])
def test_non_finite_metric_raises_with_step_and_name(metric, value):
    with pytest.raises(NonFiniteError, match=rf"^step 6: {metric} is -?(nan|inf)$"):
        _train(10, step_fn=Steps({6: {metric: value}}))


@pytest.mark.parametrize("bad", [1, 3, 6, 8])
def test_state_before_a_non_finite_step_is_saved_with_pending_metrics(bad):
    record = Record()
    with pytest.raises(NonFiniteError) as caught:
        _train(10, step_fn=Steps({bad: {"loss": NAN}}), record=record, save_every=8)
    assert (caught.value.saved, caught.value.skipped) == (bad - 1, 0)
    ((step, (state, notes)),) = record.saved.items()
    assert (step, state) == (bad - 1, State(bad - 1))
    assert [each for each, _ in notes.get("pending", ())] == list(range(bad // 5 * 4 + 1, bad))


def test_resuming_with_skips_equals_a_run_with_skips():
    special, record = {6: {"loss": NAN}}, Record()
    with pytest.raises(NonFiniteError):
        _train(10, step_fn=Steps(special), record=record)
    state, notes = record.saved[5]
    _train(10, step_fn=Steps(special, 1), record=record, state=state, pending=notes["pending"])
    assert record.logged == _train(10, step_fn=Steps(special, 1)).logged


def test_rerun_of_a_failed_training_fails_again_and_saves_nothing():
    special, record = {6: {"loss": NAN}}, Record()
    for _ in range(2):
        state, notes = record.saved.pop(5, (State(0), {}))
        with pytest.raises(NonFiniteError, match=r"^step 6"):
            _train(10, step_fn=Steps(special), record=record, state=state,
                   pending=notes.get("pending", ()))  # fmt: skip
    assert record.saved == {}


def test_skipped_steps_are_reported_counted_and_in_no_mean():
    special = {2: {"loss": NAN}, 3: {"grad_norm": float("inf")}, 7: {"loss": NAN}}
    record = _train(8, step_fn=Steps(special, 3))
    assert record.logged == [
        (4, {"grad_norm": 1.0, "loss": _mean(1, 4), "skipped": 2}),
        (8, {"grad_norm": 1.0, "loss": _mean(5, 6, 8), "skipped": 1}),
    ]
    assert record.warnings == [
        "warning: step 2: loss is nan; the step was skipped",
        "warning: step 3: grad_norm is inf; the step was skipped",
        "warning: step 7: loss is nan; the step was skipped",
    ]
    assert record.state == State(8, 3)


def test_line_of_skipped_steps_has_no_means():
    special = {step: {"loss": NAN} for step in range(1, 5)}
    assert _train(4, step_fn=Steps(special, 9)).logged == [(4, {"skipped": 4})]


def test_one_skip_too_many_raises():
    special = {step: {"loss": NAN} for step in (2, 5, 6)}
    record = Record()
    with pytest.raises(NonFiniteError, match=r"^step 6: loss is nan, after 2 skipped steps"):
        _train(10, step_fn=Steps(special, 2), record=record)
    assert record.saved[5][0] == State(5, 2)


def test_skipped_step_before_a_signal_is_reported_after_resuming():
    special, record = {2: {"loss": NAN}}, Record()
    with pytest.raises(Interrupted):
        _train(4, step_fn=Steps(special, 1), record=record, signal_at=3)
    state, notes = record.saved[3]
    _train(4, step_fn=Steps(special, 1), record=record, state=state, pending=notes["pending"])
    assert record.logged == _train(4, step_fn=Steps(special, 1)).logged


def test_skip_too_many_precedes_a_signal():
    with pytest.raises(NonFiniteError, match=r"^step 2"):
        _train(9, step_fn=Steps({2: {"loss": NAN}}), signal_at=3)


def test_non_finite_measure_raises_and_its_state_is_saved():
    record = Record()
    measure = Every(4, lambda step, state: {"held_out_loss": NAN if step == 8 else 1.0})
    message = "^step 8: held_out_loss is nan$"
    with pytest.raises(NonFiniteError, match=message):
        _train(12, measures=[measure], record=record)
    assert [step for step, _ in record.logged] == [4]
    state, notes = record.saved[8]
    with pytest.raises(NonFiniteError, match=message):
        _train(12, measures=[measure], state=state, pending=notes["pending"])
    well = replace(measure, callback=lambda step, state: {"held_out_loss": 1.0})
    _train(12, measures=[well], record=record, state=state, pending=notes["pending"])
    assert record.logged == _train(12, measures=[well]).logged
