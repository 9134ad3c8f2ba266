"""What a training says of its updates and of its learning rate."""

import pytest
import tiny

from gradlog.experiment.training_parts import schedule_notes, share_of_peak

COSINE = {"optimizer.schedule": "cosine", "optimizer.warmup": 2}


def notes(**settings):
    return schedule_notes(tiny.points(**COSINE | {"training.steps": 40} | settings))


def test_a_rate_that_falls_until_the_last_update_needs_no_note():
    assert notes(**{"optimizer.decay_steps": 40}) == []


def test_batches_that_make_no_update_are_counted():
    accumulated = {"optimizer.accumulate": 3, "optimizer.decay_steps": 13}
    (note,) = notes(**accumulated)
    assert "40 batches make 13 updates" in note
    assert "the last 1 make no update: config.training.steps = 39 or 42" in note
    (note,) = notes(**accumulated | {"training.steps": 39})
    assert "no update" not in note


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"optimizer.decay_steps": 20},
            "0.01 of its peak, from step 20 to step 40: --config",
        ),
        # (1 + 99 (1 + cos(pi/4))/2)/100
        ({"optimizer.decay_steps": 160}, "ends at 0.86 of its peak: config.optimizer.decay_steps"),
        ({"optimizer.decay_steps": 40, "optimizer.warmup": 41}, "config.optimizer.warmup = 41"),
        (
            {"optimizer.schedule": "constant", "optimizer.warmup": 41},
            "config.optimizer.warmup = 41",
        ),
    ],
)
def test_a_rate_that_ends_elsewhere_is_said_with_its_key(settings, words):
    (note,) = notes(**settings)
    assert words in note


def test_the_share_of_the_peak_is_that_of_warm_up_and_schedule():
    config = tiny.points(**COSINE | {"optimizer.decay_steps": 8})
    assert share_of_peak(config, 1) == pytest.approx(0.5 * (0.01 + 0.99 * 0.961940), rel=1e-5)
    assert share_of_peak(config, 8) == pytest.approx(0.01)
