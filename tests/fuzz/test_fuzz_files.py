"""Compressed files that are damaged: every image that comes back is right, or one line says why."""

import itertools

import numpy as np
import pytest
import tiny
from commands import assert_in_order, here
from values import damaged

from gradlog.experiment.run import Run

FAST, MANY = 10, 500
KINDS = {
    "masked": {
        **{"sde.name": "masking", "objective.name": "masked", "model.token_features": 4},
        **{"likelihood.name": "orders", "sampling.name": "first_hitting", "codec.group_size": 16},
    },
    "chain": {"likelihood.name": "vlb", "likelihood.vlb_steps": 5, "likelihood.samples": 10},
}


@pytest.fixture(scope="module", params=KINDS)
def compressed(request, tmp_path_factory):
    """A run, twelve test digits, and their file in three blocks."""
    folder = tmp_path_factory.mktemp("compressed") / request.param
    run = Run.open(folder, tiny.digits(**KINDS[request.param], **{"codec.images_per_block": 4}))
    run.train()
    images = run.experiment.dataset.test[np.arange(12)]
    return folder, images, run.compress(images)


def _check(compressed, tmp_path, examples, count):
    folder, images, whole = compressed
    numbers, seen = itertools.count(), {"found": 0, "refused": 0, "recovered": 0}

    def make(random):
        file = tmp_path / f"{next(numbers)}.glog"
        file.write_bytes(damaged(random, whole))
        return file

    def check(file):
        output = file.with_suffix(".npz")
        flags = ("--mode=decompress", f"--source={file}", f"--output={output}")
        outcome = here(f"--workdir={folder}", *flags)
        assert_in_order(outcome)
        intact = file.read_bytes() == whole
        assert (outcome.status == 0) == intact
        seen["found" if intact else "refused"] += 1
        if output.exists():
            back = np.load(output)
            sound = back["recovered"]
            assert sound.any()
            assert sound.all() == intact or file.stat().st_size > len(whole)
            np.testing.assert_array_equal(back["images"][sound], images[sound])
            assert not back["images"][~sound].any()
            seen["recovered"] += sound.sum()

    examples(make, count, check)
    print(folder.name, seen)


def test_a_few_damaged_files_are_refused(compressed, tmp_path, examples):
    _check(compressed, tmp_path, examples, FAST)


@pytest.mark.slow
def test_many_damaged_files_are_refused(compressed, tmp_path, examples):
    _check(compressed, tmp_path, examples, MANY)
