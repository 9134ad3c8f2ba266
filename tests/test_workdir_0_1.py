"""A workdir of version 0.1 opens, verifies, evaluates and resumes: see tests/golden/workdir_0.1.

On the machine that made it, every number is the same bit for bit. Another processor adds float32
numbers in another order: some thousand additions in a loss make at most 1e-4 of it.
"""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from gradlog.evaluation.verify import DAMAGED, verify_workdir
from gradlog.experiment.run import Run
from gradlog.storage import WorkdirError, read_metrics, scan_metrics

GOLDEN = Path(__file__).parent / "golden" / "workdir_0.1"


@pytest.fixture
def workdir(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "run", tmp_path / "run"))


def test_every_file_of_an_old_workdir_is_sound(workdir):
    findings = verify_workdir(workdir, lambda path: None)
    assert len(findings) > 5
    assert [finding for finding in findings if finding.state == DAMAGED] == []


def test_an_old_workdir_was_made_with_the_default_settings_of_jax(workdir):
    with jax.threefry_partitionable(False), pytest.raises(WorkdirError, match="PARTITIONABLE"):
        Run.open(workdir)


def test_an_old_workdir_resumes_as_version_0_1_did(workdir):
    config = Run.open(workdir).config
    config.training.steps = 12
    run = Run.open(workdir, config)
    run.train()
    found, complaints = scan_metrics(run.workdir.metrics)
    expected = read_metrics(GOLDEN / "resumed_metrics.jsonl", pytest.fail)
    assert complaints == []
    assert found[:4] == expected[:4]  # logged by version 0.1
    # Version 0.1 did not log the loss of each group of levels.
    found = [{k: v for k, v in each.items() if not k.startswith("loss_at_")} for each in found]
    assert [record.keys() for record in found] == [record.keys() for record in expected]
    for record, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(list(record.values()), list(other.values()), rtol=1e-4)
    assert set(run.state(12).params) == {"network"}
    assert run.checkpoints.verify(12) == []


def test_an_old_checkpoint_evaluates_to_the_same_bits(workdir):
    stored = Run.open(workdir).results([8])[0]
    shutil.rmtree(workdir / "eval")
    found = Run.open(workdir).results([8])[0]
    np.testing.assert_allclose(found.bits_per_dim, stored.bits_per_dim, rtol=1e-4)
