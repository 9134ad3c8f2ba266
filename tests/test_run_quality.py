"""The quality of a run's samples: files beside each other, what is kept, what decides a number."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny

from gradlog.data.dataset import from_arrays
from gradlog.evaluation.conditional_sampling import condition_settings
from gradlog.evaluation.quality import (
    QualityError,
    frechet_distance,
    moments,
    precision_recall,
    quality_run as room,
)
from gradlog.evaluation.quality.features import Learned
from gradlog.evaluation.quality.quality_run import QualityRun
from gradlog.evaluation.samples import SampleRun
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.run import Run
from gradlog.storage import WorkdirError, read_json, read_sealed

NUMBERS = ("fid", "fid_standard_error", "kid", "kid_standard_error", "precision", "recall")


@pytest.fixture
def own(workdir):
    """``own(**overrides)`` opens a run of one's own with other settings of its quality."""

    def open_with(**overrides):
        few = {"quality.num_samples": 40, "quality.kid_subsets": 5}
        return Run.open(workdir, tiny.points(**few | overrides))

    return open_with


def quality_of(run):
    return QualityRun(run.workdir, run.experiment, run.samples, run.classifier)


def measure(run, step):
    return quality_of(run)(step, run.params(step))


def _files(run):
    folder = run.workdir.root / "quality"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _never(*_, **__):
    raise AssertionError("computed again")


def test_numbers_are_those_of_the_runs_own_samples_and_data(own):
    run = own()
    summary = measure(run, 20)
    samples, test = summary["rows"]
    x, data = run.sample(None, 40, 20).x, run.experiment.dataset
    train, held_out = np.float64(data.train), np.float64(data.test)
    assert samples["fid"] == frechet_distance(moments(np.float64(x)), moments(train))
    inside = precision_recall(x, train)
    assert (samples["precision"], samples["recall"]) == (inside.precision, inside.recall)
    assert test["fid"] == frechet_distance(moments(held_out), moments(train))
    assert (samples["count"], test["count"], samples["reference_count"]) == (40, 12, 200)
    assert all(np.isfinite(row[name]) for row in (samples, test) for name in NUMBERS)
    assert (summary["step"], summary["failed"], summary["against"]) == (20, 0, "train")
    assert (samples["set"], test["set"]) == ("samples", "test data")
    (folder,) = (run.workdir.root / "quality" / "20").iterdir()
    assert read_sealed(folder / "quality.json", ["settings.json"]) == summary
    settings = read_json(folder / "settings.json")
    assert settings == summary["settings"]
    assert settings["data.fingerprint"] == data.fingerprint
    assert settings["sampling.num_steps"] == 4


def test_a_result_is_read_and_another_one_put_beside_it(own, monkeypatch):
    first = measure(own(), 20)
    monkeypatch.setattr(SampleRun, "draw", _never)
    assert measure(own(), 20) == first
    other = measure(own(**{"quality.neighbors": 30}), 20)  # of the samples that are kept
    assert other["rows"][0]["fid"] == first["rows"][0]["fid"]
    assert other["rows"][0]["precision"] != first["rows"][0]["precision"]
    run = own()
    assert measure(run, 20) == first
    path = run.workdir.root / "quality/20/pixels/quality.json"
    whole = path.read_text()
    for damaged in ("[]", '{"rows": []}', json.dumps(json.loads(whole) | {"failed": 1})):
        path.write_text(damaged)
        with pytest.raises(WorkdirError, match=r"pixels is damaged .* it"):
            measure(run, 20)
    path.write_text(whole)
    results = {name for name in _files(run) if name.endswith("quality.json")}
    assert len(results) == 2
    assert "20/pixels/quality.json" in results
    with pytest.raises(AssertionError, match="computed again"):
        measure(own(**{"sampling.num_steps": 5}), 20)
    with pytest.raises(AssertionError, match="computed again"):
        measure(own(), 10)


def test_samples_are_compared_with_either_set_or_with_a_part_of_it(own):
    against = measure(own(**{"quality.against": "test", "quality.num_samples": 0}), 20)
    samples, train = against["rows"]
    assert (samples["count"], samples["reference_count"]) == (12, 12)
    assert (train["set"], train["count"]) == ("train data", 12)
    part = measure(own(**{"quality.num_reference": 30, "quality.num_samples": 0}), 20)
    assert (part["rows"][0]["count"], part["rows"][0]["reference_count"]) == (30, 30)


def test_samples_that_failed_are_counted_and_not_in_the_numbers(own, monkeypatch, capsys):
    drawn = own().sample(None, 40, 20)
    x, ok = drawn.x.copy(), drawn.ok.copy()
    x[7, 0], ok[9] = np.nan, False
    good = np.delete(drawn.x, [7, 9], axis=0)
    monkeypatch.setattr(SampleRun, "draw", lambda *_: replace(drawn, x=x, ok=ok))
    summary = measure(run := own(), 20)
    train = np.float64(run.experiment.dataset.train)
    assert summary["failed"] == 2
    assert summary["rows"][0]["count"] == 38
    assert summary["rows"][0]["fid"] == frechet_distance(moments(np.float64(good)), moments(train))
    assert "warning: 2 samples failed" in capsys.readouterr().out


def test_costly_features_are_computed_once(own, monkeypatch):
    calls = []

    def features(x):
        calls.append(len(x))
        return x @ np.ones((2, 3)) + np.arange(len(x))[:, None] % 3

    weights = {"classifier": "1"}
    monkeypatch.setitem(
        room.FEATURE_MAKERS, "classifier", lambda *_: Learned(features, dict(weights))
    )
    learned = {"quality.features": "classifier"}
    first = measure(own(**learned), 20)
    assert sorted(calls) == [12, 40, 200]
    measure(own(**learned, **{"quality.kid_subsets": 6}), 20)
    assert len(calls) == 3
    measure(own(**learned), 10)  # other samples of the same data
    assert len(calls) == 4
    weights["classifier"] = "2"
    other = measure(own(**learned), 20)
    assert len(calls) == 7
    assert other["rows"] == first["rows"]


def test_features_of_the_runs_classifier(own, monkeypatch):
    params = {"network": {"a": np.ones(3)}}
    of = {"params": lambda self: params, "features": lambda self, x: x**3}
    monkeypatch.setattr(Run, "classifier", type("Trained", (), of)())
    summary = measure(run := own(**{"quality.features": "classifier"}), 20)
    x, train = run.sample(None, 40, 20).x, run.experiment.dataset.train
    expected = frechet_distance(*(moments(np.float64(z**3)) for z in (x, train)))
    np.testing.assert_allclose(summary["rows"][0]["fid"], expected, rtol=1e-6)
    assert len(summary["settings"]["classifier"]) == 16


def test_inceptions_features_of_images(trained, monkeypatch):
    seen = {}

    def made(variables, convention, levels, batch_size):
        seen.update(convention=convention, levels=levels, batch_size=batch_size)
        return variables

    monkeypatch.setattr(room, "read_weights", lambda path: path)
    monkeypatch.setattr(room, "InceptionFeatures", made)
    settings = {"quality.features": "inception", "quality.inception": "weights.tgz"}
    run = Run.open(trained, tiny.points(**settings))
    assert room.FEATURE_MAKERS["inception"](run.experiment, run.classifier) == "weights.tgz"
    assert seen == {"convention": "tensorflow", "levels": None, "batch_size": 6}


def test_inception_of_continuous_data_is_an_error(trained, monkeypatch):
    monkeypatch.setattr(room, "read_weights", lambda path: {})
    run = Run.open(trained, tiny.points(**{"quality.features": "inception"}))
    with pytest.raises(QualityError, match="needs images with levels, and these data are cont"):
        quality_of(run)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_samples": 3}, "config.quality needs at least 4 samples"),
        ({"num_samples": 9, "neighbors": 9}, "config.quality needs at least 10 samples"),
        ({"num_reference": 3}, "config.quality needs at least 4 train data"),
        ({"against": "test", "neighbors": 12}, "config.quality needs at least 13 test data"),
    ],
)
def test_too_few_are_one_line_before_anything_is_drawn(mistake, workdir, settings, message):
    before = sorted(workdir.rglob("*"))
    arguments = [f"--config.quality.{key}={value}" for key, value in settings.items()]
    found = mistake(f"--workdir={workdir}", "--mode=quality", *arguments)
    assert found.startswith(message)
    assert sorted(workdir.rglob("*")) == before


def test_samples_of_other_versions_are_drawn_again(own, monkeypatch):
    more = {"quality.kid_subsets": 6}
    measure(own(), 20)
    monkeypatch.setattr(SampleRun, "draw", _never)
    measure(own(**more), 20)
    monkeypatch.setattr(room, "list_versions", lambda: {"jax": "0"})
    with pytest.raises(AssertionError, match="computed again"):
        measure(own(**more, **{"quality.kid_subset_size": 7}), 20)


def test_samples_of_another_mask_at_the_same_path_are_others(tmp_path):
    def known(*hidden):
        mask = np.zeros((8, 8), bool)
        mask[hidden] = True
        np.save(tmp_path / "mask.npy", mask)
        settings = {"task": "inpaint", "mask": str(tmp_path / "mask.npy")}
        config = tiny.images(**{f"sampling.{key}": value for key, value in settings.items()})
        return condition_settings(build(config, load_dataset(config)))

    assert known(2, 3) == known(2, 3) != known(3, 2)


# --- samples of one's own -------------------------------------------------------------------


def _given(own, path, **overrides):
    return quality_of(own(**overrides, **{"quality.samples": str(path)})).from_file()


def test_the_data_themselves_are_perfect_samples(own, tmp_path):
    train = own().experiment.dataset.train
    np.savez(tmp_path / "mine.npz", images=train[::-1], other=np.ones(3))
    summary = _given(own, tmp_path / "mine.npz")
    (samples, _) = summary["rows"]
    assert abs(samples["fid"]) < 1e-10
    assert (samples["precision"], samples["recall"]) == (1.0, 1.0)
    assert summary["step"] == "given"
    assert "given/pixels/quality.json" in _files(own())


def test_other_samples_in_a_file_of_the_same_name_are_another_result(own, tmp_path):
    file, train = tmp_path / "mine.npy", own().experiment.dataset.train
    np.save(file, train)
    first = _given(own, file)
    np.save(file, train + 1)
    other = _given(own, file)
    np.testing.assert_allclose(other["rows"][0]["fid"] - first["rows"][0]["fid"], 2, rtol=1e-6)
    shutil.move(file, tmp_path / "moved.npy")
    assert _given(own, tmp_path / "moved.npy") == other


def test_samples_that_this_program_wrote_can_be_given(own):
    run = own()
    folder = run.save_samples(20)
    found = _given(own, folder / "samples.npz")
    assert found["rows"][0]["count"] == 6


BAD_ARRAYS = {
    "holds float64 (9, 3); the data are (n, *(2,))": np.zeros((9, 3)),
    "holds <U1, not numbers": np.full((9, 2), "a"),
    "a complete .npy or .npz file of plain numbers is needed": np.array([[None, 1]] * 9),
    "config.quality needs at least 4 samples": np.zeros((2, 2)),
    "1 of 9 examples have features that are not finite": np.r_[[[np.inf, 0]], np.ones((8, 2))],
}


@pytest.mark.parametrize("message", BAD_ARRAYS)
def test_samples_that_will_not_do_are_one_line(own, tmp_path, message):
    np.save(tmp_path / "mine.npy", BAD_ARRAYS[message])
    with pytest.raises(QualityError) as caught:
        _given(own, tmp_path / "mine.npy")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(name.startswith("given") for name in _files(own()))


@pytest.mark.parametrize("scale", [1 / 16, 1 / 3, 1 + 1e-6])
def test_samples_that_are_no_whole_levels_are_an_error(tmp_path, scale):
    np.save(tmp_path / "mine.npy", scale * np.arange(16.0).reshape(1, 4, 4, 1))
    with pytest.raises(QualityError, match=r"mine\.npy"):
        room.load_samples(str(tmp_path / "mine.npy"), (4, 4, 1), 17)


@pytest.mark.parametrize(("scale", "is_said"), [(1, False), (0.01, True), (100, True)])
def test_samples_of_another_scale_are_said(own, tmp_path, capsys, scale, is_said):
    np.save(tmp_path / "mine.npy", scale * own().experiment.dataset.train)
    _given(own, tmp_path / "mine.npy")
    assert ("in the units of the data?" in capsys.readouterr().out) == is_said


def test_samples_beyond_the_levels_of_the_data_are_an_error(tmp_path):
    data = from_arrays("d", *(np.zeros((9, 4, 4, 1), np.uint8),) * 2, levels=17)
    np.save(tmp_path / "mine.npy", np.full((9, 4, 4, 1), 200, np.uint8))
    with pytest.raises(QualityError, match="values from 200 to 200; the data have levels from 0"):
        room.load_samples(str(tmp_path / "mine.npy"), data.shape, data.levels)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.npy", None, "there is no file"),
        ("mine.npz", b"text", "a complete .npy or .npz file of plain numbers is needed"),
    ],
)
def test_files_that_cannot_be_read_are_one_line(tmp_path, name, content, message):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(QualityError, match=r"^config\.quality\.samples: ") as caught:
        room.load_samples(str(tmp_path / name), (2,), None)
    assert message in str(caught.value)


def test_an_archive_without_samples_names_its_arrays(tmp_path):
    np.savez(tmp_path / "mine.npz", a=np.ones(2), b=np.ones(2))
    with pytest.raises(QualityError, match=r"holds the arrays \['a', 'b'\]; name one of them"):
        room.load_samples(str(tmp_path / "mine.npz"), (2,), None)
