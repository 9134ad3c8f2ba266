import pytest

from gradlog.storage import KEEP_ALL, Retention


def _notes(losses):
    return {step: {"held_out_loss": loss} for step, loss in losses.items()}


NONE = dict.fromkeys(range(1, 8), None)


@pytest.mark.parametrize(
    ("retention", "losses", "kept"),
    [
        (KEEP_ALL, NONE, set(range(1, 8))),
        (Retention(0, 2, 1), NONE, set(range(1, 8))),
        (Retention(2), NONE, {6, 7}),
        (Retention(9), NONE, set(range(1, 8))),
        (Retention(1, every=3), NONE, {3, 6, 7}),
        (Retention(1, every=7), NONE, {7}),
        (Retention(1, best=1), {1: 0.3, 2: 0.1, 3: 0.2}, {2, 3}),
        (Retention(1, best=2), {1: 0.3, 2: 0.1, 3: 0.2, 4: 0.4}, {2, 3, 4}),
        (Retention(1, best=1), {1: float("nan"), 2: None, 3: 0.2, 4: float("-inf")}, {3, 4}),
        (Retention(1, best=1), {1: 0.1, 2: 0.1, 3: 0.2}, {1, 3}),
        (Retention(1, best=5), NONE, {7}),
        (Retention(2, 2, 1), {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5}, {1, 2, 4, 5}),
        (Retention(3), {}, set()),
    ],
)
def test_the_newest_multiples_and_the_best_are_kept(retention, losses, kept):
    assert retention.kept(_notes(losses)) == kept


def test_notes_without_a_loss_are_of_no_best():
    assert Retention(1, best=1).kept({1: {}, 2: {"held_out_loss": "0.1"}, 3: {}}) == {3}
