"""An interrupted evaluation goes on: no image twice, not a digit changed."""

import jax
import numpy as np
import pytest
import thirteen
from thirteen import COUNT, SOURCE, STREAM

from gradlog import distributed
from gradlog.evaluation.batch_cache import BatchCache
from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.likelihood import LogProb, OneDraw
from gradlog.likelihood.parts import PRIOR

BATCH = 3  # five batches, the last of one image
SETTINGS = {"rtol": 1e-5, "listed": (1, 2)}


def noise(model, xs, keys):
    """An estimator that is a random number of each image's key."""
    total = jax.vmap(jax.random.normal)(keys)
    ones = jax.numpy.ones(len(xs), int)
    return LogProb({PRIOR: total}, {"probes": 0 * total}, np.nan * total, xs, ones, ones, ones == 1)


class Interrupted(Exception):  # noqa: N818
    pass


@pytest.fixture
def evaluate(monkeypatch):
    """``evaluate(cache, stop_after)`` returns the evaluation and how many batches it computed."""
    evaluator = LikelihoodEvaluator(OneDraw(noise), thirteen.DEQUANTIZED, BATCH)
    computed = []
    compute = LikelihoodEvaluator._evaluate
    monkeypatch.setattr(
        LikelihoodEvaluator, "_evaluate", lambda *a: computed.append(1) or compute(*a)
    )

    def run(cache=None, stop_after=COUNT, look=0):
        def progress(done):
            if stop_after <= done < COUNT:
                raise Interrupted

        computed.clear()
        found = evaluator(thirteen.params(), SOURCE, STREAM, progress, cache=cache, look=look)
        return found, len(computed)

    return run


def open_(folder, settings=SETTINGS):
    return BatchCache.open(folder, settings)


def same_bits(a, b):
    for x, y in zip(jax.tree.leaves(digits(a)), jax.tree.leaves(digits(b)), strict=True):
        assert x.dtype == y.dtype
        assert x.tobytes() == y.tobytes()


def digits(found):
    return found.account.terms, found.values


@pytest.mark.parametrize("stop_after", [3, 6, 12])
def test_it_goes_on_where_it_was_stopped(evaluate, tmp_path, stop_after):
    whole, batches = evaluate()
    assert batches == 5
    with pytest.raises(Interrupted):
        evaluate(open_(tmp_path), stop_after)
    again, computed = evaluate(open_(tmp_path))
    assert computed == 5 - stop_after // BATCH
    same_bits(again, whole)
    assert again.account.bits_per_dim.shape == (COUNT,)


def test_a_second_look_is_another_draw_and_goes_on_too(evaluate, tmp_path):
    first, _ = evaluate(open_(tmp_path))
    with pytest.raises(Interrupted):
        evaluate(open_(tmp_path).within("second_look"), 6, look=1)
    again, computed = evaluate(open_(tmp_path).within("second_look"), look=1)
    assert computed == 3
    same_bits(again, evaluate(look=1)[0])
    assert not np.isclose(again.account.bits_per_dim, first.account.bits_per_dim).any()
    same_bits(evaluate(open_(tmp_path))[0], first)


def test_batches_of_other_settings_are_not_used(evaluate, tmp_path):
    with pytest.raises(Interrupted):
        evaluate(open_(tmp_path), 6)
    _, computed = evaluate(open_(tmp_path, {"rtol": 1e-4}))
    assert computed == 5
    _, computed = evaluate(open_(tmp_path, {"rtol": 1e-4}))
    assert computed == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "gone", "another batch"])
def test_a_damaged_batch_is_evaluated_again(evaluate, tmp_path, damage):
    whole, _ = evaluate(open_(tmp_path))
    path = tmp_path / "partial" / "3.npz"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "another batch":
        path.write_bytes((tmp_path / "partial" / "6.npz").read_bytes())
    else:
        content[120] ^= 0xFF  # inside the first compressed array
        path.write_bytes({"cut": content[:-200], "empty": b"", "text": b"no"}.get(damage, content))
    again, computed = evaluate(open_(tmp_path))
    assert computed == 1
    same_bits(again, whole)


def test_every_byte_that_is_flipped_is_noticed_or_harmless(evaluate, tmp_path):
    """What is read is what was written, or nothing."""
    evaluate(open_(tmp_path))
    store, indices = open_(tmp_path), np.arange(3, 6)
    digits_of = lambda found: [leaf.tobytes() for leaf in jax.tree.leaves(found)]  # noqa: E731
    want = digits_of(store.load(indices))
    path = tmp_path / "partial" / "3.npz"
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        changed = bytearray(content)
        changed[position] ^= 0x10
        path.write_bytes(changed)
        got = store.load(indices)
        if got is not None:
            assert digits_of(got) == want


def test_two_hosts_share_the_batches_and_each_has_all(evaluate, tmp_path, monkeypatch):
    """Each computes and writes its own; whoever comes again, alone or not, computes none."""
    whole, _ = evaluate()
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(distributed, "check_shared", lambda path: None)
    shares = []
    for host in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda host=host: host)
        monkeypatch.setattr(
            distributed, "gather", lambda mine: shares.append(mine) or (_ for _ in ())
        )
        with pytest.raises(KeyError):  # the other's are not there
            evaluate(open_(tmp_path))
    assert [sorted(share) for share in shares] == [["0", "2", "4"], ["1", "3"]]
    for host in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda host=host: host)
        monkeypatch.setattr(distributed, "gather", lambda mine: shares)
        again, computed = evaluate(open_(tmp_path))
        assert computed == 0
        same_bits(again, whole)
    monkeypatch.undo()
    same_bits(evaluate(open_(tmp_path))[0], whole)


def test_a_host_that_does_not_write_empties_no_folder(evaluate, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        evaluate(open_(tmp_path), 6)
    before = {path: path.read_bytes() for path in (tmp_path / "partial").iterdir()}
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    open_(tmp_path, {"rtol": 1e-4})
    assert {path: path.read_bytes() for path in (tmp_path / "partial").iterdir()} == before


def test_it_is_removed_when_the_result_is_written(evaluate, tmp_path):
    store = open_(tmp_path)
    evaluate(store)
    store.discard()
    assert not (tmp_path / "partial").exists()
