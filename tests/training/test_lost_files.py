"""Files that vanish while a training runs: said at the next checkpoint, and the status is not 0."""

import shutil
import time

import pytest
import tiny

from gradlog.experiment.run import Run
from gradlog.storage import MetricsLog, WorkdirError
from gradlog.training import workdir_training


@pytest.fixture
def lose(monkeypatch):
    """Return a function that trains in a folder, and loses something after the line of a step."""

    def run(folder, step, do):
        class Losing(MetricsLog):
            def write(self, at, metrics):
                super().write(at, metrics)
                if at == step:
                    while step > 10 and not (folder / "checkpoints" / "10").exists():
                        time.sleep(0.01)  # the thread that saves it is at work
                    do()

        with monkeypatch.context() as patched:
            patched.setattr(workdir_training, "MetricsLog", Losing)
            Run.open(folder, tiny.points()).train()

    return run


@pytest.mark.parametrize(
    ("step", "name", "saved"),
    [(5, "metrics.jsonl", 10), (15, "metrics.jsonl", 20), (15, "checkpoints", 20)],
)
def test_a_lost_file_ends_the_training_after_its_next_checkpoint(
    lose, trained, tmp_path, step, name, saved
):
    folder = tmp_path / "run"
    path = folder / name

    def delete():
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(WorkdirError, match=f"{path}.*the checkpoint of step {saved} is saved"):
        lose(folder, step, delete)
    whole = Run.open(trained)
    Run.open(folder).train()  # it resumes, and is the run that lost nothing
    tiny.assert_bitwise_equal(Run.open(folder).metrics(), whole.metrics())
    tiny.assert_bitwise_equal(Run.open(folder).state(20), whole.state(20))


def test_a_workdir_that_is_moved_is_not_made_anew(lose, tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other"
    with pytest.raises(WorkdirError, match=f"{folder} was moved, deleted or unmounted"):
        lose(folder, 15, lambda: folder.rename(other))
    assert not folder.exists()
    assert Run.open(other).steps("all") == [10]
