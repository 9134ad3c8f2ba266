"""Trackers: each point once, nothing that stops or slows training, whatever a server does."""

import errno
import math
import struct
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import pytest

from gradlog.storage import TRACKERS, TrackedRun, find_missing_package
from gradlog.storage.tracking import BackgroundTracker, MLflow, TensorBoard, WandB

NAN = float("nan")
CONFIG = {"seed": 3, "model": {"name": "mlp", "ch_mult": (1, 2)}}


def _tracked(folder, told=None, step=0):
    tell = (lambda text: None) if told is None else told.append
    return TrackedRun(folder, step, "0123abcd", CONFIG, tell)


# --- TensorBoard ----------------------------------------------------------------------------


def _events(directory):
    """Every step and value of the event files, by TensorBoard's own format of records."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted((directory / "tensorboard").iterdir()):
        contents = path.read_bytes()
        while contents:
            (length,) = struct.unpack("<Q", contents[:8])
            event = Event.FromString(contents[12 : 12 + length])
            found += [(event.step, each.tag, each.simple_value) for each in event.summary.value]
            contents = contents[16 + length :]
    return found


def test_tensorboard_has_every_point(tmp_path):
    board = TRACKERS["tensorboard"](_tracked(tmp_path))
    board.write(1, {"loss": 0.5, "grad_norm": 2.0})
    board.write(2, {"loss": 0.25, "grad_norm": NAN})
    board.close()
    assert _events(tmp_path)[:3] == [(1, "loss", 0.5), (1, "grad_norm", 2.0), (2, "loss", 0.25)]
    assert math.isnan(_events(tmp_path)[3][2])


def test_an_unwritable_board_is_one_note_and_training_continues(tmp_path):
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    told = []
    board = TensorBoard(_tracked(tmp_path, told))
    for step in (1, 2, 3):
        board.write(step, {"loss": 0.5})
    board.close()
    assert len(told) == 1
    assert told[0].startswith("note: no more is written to ")


def test_a_board_that_fails_later_is_one_note(tmp_path, monkeypatch):
    from tensorboardX.record_writer import RecordWriter

    told = []
    board = TensorBoard(_tracked(tmp_path, told))
    board.write(1, {"loss": 0.5})

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordWriter, "flush", fail)
    for step in (2, 3):
        board.write(step, {"loss": 0.5})
    board.close()
    assert told == [f"note: no more is written to {tmp_path}/tensorboard: No space left on device"]


# --- in the background ----------------------------------------------------------------------


class _Listed:
    """A tracker that lists its points."""

    def __init__(self):
        self.points, self.closed = [], False

    def write(self, step, metrics):
        self.points.append((step, dict(metrics)))

    def close(self):
        self.closed = True


def test_the_thread_writes_every_point_in_order_before_it_is_closed():
    listed, told = _Listed(), []
    background = BackgroundTracker("there", lambda: listed, told.append)
    for step in range(100):
        background.write(step, {"loss": step / 8})
    background.close()
    assert listed.points == [(step, {"loss": step / 8}) for step in range(100)]
    assert listed.closed
    assert told == []


def _fails(*_):
    raise RuntimeError("no route\nto host")


@pytest.mark.parametrize("when", ["start", "write", "close"])
def test_a_failing_tracker_is_one_note_of_one_line(when):
    tracker, told = _Listed(), []
    if when != "start":
        setattr(tracker, when, _fails)
    background = BackgroundTracker(
        "there", _fails if when == "start" else lambda: tracker, told.append
    )
    for step in range(3):
        background.write(step, {"loss": 0.5})
    background.close()
    assert told == ["note: no more is written to there: no route to host"]


def test_a_hanging_tracker_stops_nothing():
    """Nothing waits for its start, for a point or for its end; there is one note at the end."""
    never, told = threading.Event(), []
    background = BackgroundTracker("there", never.wait, told.append, closing_seconds=0.05)
    for step in range(20_000):  # more than the queue holds
        background.write(step, {"loss": 0.5})
    background.close()
    never.set()
    assert len(told) == 1
    assert told[0].startswith("note: no more is written to there: it is ")


def test_a_tracker_that_does_not_end_is_one_note():
    never, told, tracker = threading.Event(), [], _Listed()
    tracker.close = never.wait
    BackgroundTracker("there", lambda: tracker, told.append, closing_seconds=0.05).close()
    never.set()
    assert told == ["note: no more is written to there: it is not done after 0.05 s"]


# --- clients of servers, replaced by stand-ins -----------------------------------------------


def test_wandb_resumes_the_run_by_its_name(tmp_path, monkeypatch):
    opened, logged = [], []

    def init(**given):
        opened.append(given)
        run = SimpleNamespace(url="https://there/run", step=10, offline=False)
        run.finish = lambda: logged.append("end")
        run.log = lambda metrics, step: logged.append((step, metrics))
        return run

    fake = SimpleNamespace(init=init, Settings=lambda **given: given)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    told = []
    tracker = WandB(_tracked(tmp_path / "run", told))
    tracker.write(5, {"loss": 1.0})  # sent before the interruption
    tracker.write(10, {"loss": 0.5, "grad_norm": NAN})
    tracker.close()
    assert logged == [(10, {"loss": 0.5}), "end"]
    (given,) = opened
    assert (given["id"], given["resume"], given["project"]) == ("0123abcd", "allow", "mine")
    assert (given["name"], given["config"]) == ("run", CONFIG)
    assert told == ["tracked at https://there/run"]


class _Server:
    """What of MLflow's client is called, and what a server keeps."""

    def __init__(self):
        self.runs, self.points, self.params, self.ended = {}, [], {}, []

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return name

    def search_runs(self, experiments, wanted, max_results):
        found = [id for id, tags in self.runs.items() if f"'{tags['gradlog.run']}'" in wanted]
        return [SimpleNamespace(info=SimpleNamespace(run_id=id)) for id in found]

    def create_run(self, experiment, tags, run_name):
        self.runs["id"] = tags
        return SimpleNamespace(info=SimpleNamespace(run_id="id"))

    def update_run(self, id, status):
        assert id in self.runs

    def log_batch(self, id, metrics=(), params=()):
        self.points += [(m.step, m.key, m.value) for m in metrics]
        self.params |= {param.key: param.value for param in params}

    def get_run(self, id):
        return SimpleNamespace(data=SimpleNamespace(metrics={key for _, key, _ in self.points}))

    def get_metric_history(self, id, name):
        return [SimpleNamespace(step=step) for step, key, _ in self.points if key == name]

    def set_terminated(self, id):
        self.ended.append(id)


def test_mlflow_resumes_its_run_and_doubles_no_point(tmp_path, monkeypatch):
    server, module, entities = _Server(), ModuleType("mlflow"), ModuleType("mlflow.entities")
    module.MlflowClient = lambda: server
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)
    entities.Metric = lambda key, value, time, step: SimpleNamespace(
        key=key, value=value, step=step
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    first = MLflow(_tracked(tmp_path))
    first.write(5, {"loss": 1.0, "grad_norm": NAN})
    first.write(10, {"loss": 0.5})
    again = MLflow(_tracked(tmp_path, step=5))  # the first was killed
    again.write(10, {"loss": 0.5})
    again.write(15, {"loss": 0.25})
    again.close()
    assert server.points == [(5, "loss", 1.0), (10, "loss", 0.5), (15, "loss", 0.25)]
    assert (list(server.runs), server.ended) == (["id"], ["id"])
    assert server.params == {"seed": "3", "model.name": "mlp", "model.ch_mult": "(1, 2)"}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (find_missing_package("wandb"), find_missing_package("mlflow")) == ("wandb", "mlflow")
    assert (find_missing_package("tensorboard"), find_missing_package("none")) == ("", "")


# --- the packages themselves, without a server ------------------------------------------------


@pytest.mark.slow
def test_wandb_itself_stores_every_point(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    told = []
    tracker = TRACKERS["wandb"](_tracked(tmp_path, told))
    for step in (5, 10):
        tracker.write(step, {"loss": 1 / step})
    tracker.close()
    assert told == []
    (record,) = tmp_path.glob("wandb/offline-run-*/run-0123abcd.wandb")
    end = time.monotonic() + 30
    while b"loss" not in record.read_bytes():  # a process of its own writes it
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_mlflow_itself_stores_each_point_once(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    told = []
    for first, steps in ((0, (5, 10)), (5, (10, 15))):
        tracker = TRACKERS["mlflow"](_tracked(tmp_path, told, first))
        for step in steps:
            tracker.write(step, {"loss": 1 / step, "grad_norm": NAN})
        tracker.close()
    assert told == []
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("gradlog")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(s, 1 / s) for s in (5, 10, 15)]
    assert run.info.status == "FINISHED"
    assert run.data.params["model.name"] == "mlp"
    assert "grad_norm" not in run.data.metrics
