"""A run of tokens from end to end: configuration, training, bits, samples, files, mistakes."""

import importlib.util
import re
import shutil
import sys
import zipfile

import numpy as np
import pytest
import tiny
from markupsafe import escape
from PIL import Image

from gradlog.cli.modes import choose_study
from gradlog.config_error import ConfigError
from gradlog.data import DataError
from gradlog.data.text import decode_text
from gradlog.evaluation.comparison import compare_runs, save_differences
from gradlog.evaluation.load_exported import Exported
from gradlog.evaluation.tables import show_results
from gradlog.evaluation.verify import verify_workdir
from gradlog.experiment.build import check_config
from gradlog.experiment.notes import notes
from gradlog.experiment.run import Run
from gradlog.report import write_report

TOKENS = {
    "sde.name": "masking",
    "objective.name": "masked",
    "model.token_features": 4,
    "model.num_classes": 10,
    "sampling.name": "first_hitting",
    "sampling.group_size": 16,
    "sampling.num_samples": 3,
    "sampling.classes": "2,5",
    "eval.estimators": ("bound", "orders", "upper"),
    "likelihood.orders": 2,
    "training.steps": 4,
    "training.checkpoint_every": 2,
}


LEARNED = {
    "sde.name": "learned_masking",
    "sampling.name": "ancestral",
    "sampling.num_steps": 4,
    "eval.estimators": ("bound",),
}


def config(**overrides):
    return tiny.digits(**TOKENS | overrides)


@pytest.fixture
def one_platform(monkeypatch):
    """Export for this platform alone: ``test_export.py`` has all."""
    monkeypatch.setattr("gradlog.evaluation.export.PLATFORMS", ("cpu",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    evaluated = config(**{"training.eval_every": 4})
    found = Run.open(tmp_path_factory.mktemp("tokens") / "run", evaluated)
    found.train()
    return found


def test_the_held_out_loss_is_that_of_levels_as_likely(run):
    held_out = run.metrics()["held_out_loss"][-1]
    assert held_out == pytest.approx(np.log(17), abs=0.3)  # untrained


def test_the_account_has_no_line_but_prior_tokens_and_orders(run, capsys):
    bound, orders, upper = found = run.results("")
    lines = [[line["term"] for line in each.summary["account"]] for each in found]
    names = ["prior", "tokens", "orders", "upper"]
    assert lines == [names[:2], names[:3], names]
    show_results([each.summary for each in found])
    between = f"between {upper.summary['bits_per_dim']:.4f} (upper) and "
    assert between in " ".join(capsys.readouterr().out.split())
    assert bound.summary["account"][0]["bits_per_dim"] == 0
    assert set(bound.per_image) >= {"nats_tokens", "standard_error_masks"}
    assert [row["source"] for row in bound.summary["error_split"]] != []
    assert bound.summary["eps"] == {}
    row, *_ = save_differences(run.workdir, [bound, orders])
    assert (row["minuend"], row["of_one_law"]) == ("bound", True)


def test_samples_are_levels_and_logits_are_those_of_masks(run):
    found = run.sample(None, 3)
    assert (found.x.dtype, found.x.shape) == (np.uint8, (3, 8, 8, 1))
    assert found.x.max() < 17
    assert np.all(found.nfe == 4)
    run.save_samples(4)
    masked = run.experiment.dataset.test[np.arange(2)].astype(int)
    masked[:, :4] = 17
    probs = np.exp(run.logits(masked))
    assert probs.shape == (2, 8, 8, 1, 17)
    np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-5)


def test_the_known_part_of_an_image_stays_and_the_rest_is_filled(run):
    changed = config(**{"sampling.task": "inpaint", "sampling.mask": "left"})
    found = Run.open(run.workdir.root, changed).sample(None, 3)
    originals = run.experiment.dataset.test[np.arange(3)]
    np.testing.assert_array_equal(found.x[:, :, 4:], originals[:, :, 4:])
    assert found.ok.all()
    assert not np.array_equal(found.x[:, :, :4], originals[:, :, :4])


@pytest.mark.usefixtures("one_platform")
def test_an_exported_file_has_the_logits_and_the_bits_of_the_run(run, tmp_path, capsys):
    path = run.export(tmp_path / "tokens.zip")
    assert "the logits" in capsys.readouterr().out
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "loader.py").write_bytes(archive.read("load_exported.py"))
    spec = importlib.util.spec_from_file_location("loader", tmp_path / "loader.py")
    loader = importlib.util.module_from_spec(spec)
    sys.modules["loader"] = loader
    spec.loader.exec_module(loader)
    exported = loader.Exported(path)
    x = np.asarray(run.experiment.dataset.test[np.arange(6)])
    np.testing.assert_array_equal(exported.log_prob(x), run.log_prob(x))
    x = x.astype(int)
    x[:, 2] = 17
    np.testing.assert_allclose(exported.logits(x), run.logits(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="logits"):
        exported.score(x, 0.5)


def test_it_is_compared_with_a_gaussian_model_on_the_same_images(run, digits, tmp_path):
    gaussian = shutil.copytree(digits, tmp_path / "gaussian")
    rows = compare_runs(run, run.open_like(gaussian), "")
    assert [row["estimator"] for row in rows] == ["bound", "orders - bound", "upper - bound"]
    assert all(row["num_images"] == 6 for row in rows)


def test_the_folder_is_sound_and_there_is_nothing_to_note(run):
    assert {found.state for found in verify_workdir(run.workdir.root)} == {"sound"}
    assert notes(run.experiment) == []


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"objective.name": "dsm"}, "objective.name"),
        ({"sampling.name": "ddim"}, "sampling.name"),
        ({"sampling.name": "reverse_chain"}, "sampling.name"),
        ({"eval.estimators": ("ode",)}, "eval.estimators"),
        ({"likelihood.samples": 3}, "likelihood"),
        ({"sde.mask_schedule": "sudden"}, "sde.mask_schedule"),
        ({"sde.name": "vp"}, "objective.name"),
        ({"objective.draws": "both"}, "draws"),
        ({"sampling.task": "colorize"}, "sampling.task"),
        ({"sampling.guidance": "classifier"}, "sampling.guidance"),
        (LEARNED | {"objective.name": "score_entropy"}, "objective.name"),
        (LEARNED | {"sampling.task": "inpaint"}, "sampling.task"),
        (LEARNED | {"sampling.name": "remdm"}, "sampling.name"),
        (LEARNED | {"eval.estimators": ("orders",)}, "eval.estimators"),
    ],
)
def test_what_does_not_go_together_is_named(overrides, named):
    with pytest.raises(ConfigError, match=named):
        check_config(config(**overrides))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"data.name": "moons", "sampling.classes": ""}, "sde.name"),
        ({"eval.estimators": ("exact",)}, "likelihood.name"),
        (
            {"sde.name": "one_position", "sde.num_steps": 31, "sampling.name": "reverse_chain"}
            | {"sampling.task": "inpaint", "eval.estimators": ("bound",)},
            "sde.num_steps",
        ),
    ],
)
def test_what_does_not_go_with_the_data_is_named(overrides, named, tmp_path):
    def build():
        Run.open(tmp_path / "run", config(**overrides)).experiment.check()

    with pytest.raises(ConfigError, match=named):
        build()


def test_a_study_is_refused_before_it_trains():
    with pytest.raises(ConfigError, match=r"sde\.name"):
        choose_study(config(**{"study.name": "kl_bound"}))


def test_what_only_a_gaussian_model_can_do_is_refused(run):
    points = np.zeros((1, 8, 8, 1))
    for ask in (
        lambda: run.score(points, 0.5),
        lambda: run.encode(points.astype(np.uint8)),
        run.classifier.train,
        run.log_density_fn,
    ):
        with pytest.raises(ConfigError, match=r"sde.name|likelihood.name"):
            ask()


def test_text_has_its_exact_bits_and_its_unit_in_tables_and_reports(tmp_path, capsys):
    (tmp_path / "x.txt").write_text("a lïne of text, and another one\n" * 50)
    data = {"data.name": "text", "data.path": str(tmp_path / "x.txt"), "data.sequence_length": 8}
    data |= {"data.tokens": "characters"}
    own = {"model.num_classes": 0, "sampling.classes": "", "sampling.num_samples": 2}
    run = Run.open(tmp_path / "run", config(**data | own | {"eval.estimators": ("exact",)}))
    run.train()
    found = run.results("")
    assert [line["term"] for line in found[0].summary["account"]] == ["prior", "sets"]
    assert found[0].summary["estimator_standard_error"] == 0
    assert (found[0].unit, found[0].bits_per_dim.min() > 0) == ("bits/char", True)
    assert "bits/char" in repr(run)
    show_results([each.summary for each in found])
    assert (shown := capsys.readouterr().out).count("bits/char") == 3
    assert "bits/dim" not in shown
    folder = run.save_samples(run.steps()[-1])
    drawn = np.load(folder / "samples.npz")["samples"]
    assert drawn.shape == (2, 8)
    text = decode_text(drawn[1], run.experiment.dataset.alphabet)
    assert (folder / "samples.txt").read_text().endswith(f"--- sample 1\n{text}\n")
    of_samples = folder.relative_to(run.workdir.root).as_posix()
    sound = {each.path: each.detail for each in verify_workdir(run.workdir.root)}
    assert sound[of_samples] == "samples.npz, samples.txt, settings.json"
    page = write_report(run.workdir.root).read_text()
    assert "bits/char ±" in page
    assert f"--- sample 1\n{escape(text)}" in page
    assert not re.search(r"bits/dim ±|>bits/dim|, bits/dim", page)


UNIFORM = {
    "sde.name": "uniform",
    "objective.name": "score_entropy",
    "sampling.name": "ancestral",
    "sampling.num_steps": 4,
    "eval.estimators": ("bound",),
}


@pytest.mark.usefixtures("one_platform")
def test_uniform_noise_trains_evaluates_samples_and_is_exported(tmp_path):
    run = Run.open(tmp_path / "run", config(**UNIFORM))
    run.train()
    (found,) = run.results("")
    assert [line["term"] for line in found.summary["account"]] == ["prior", "jumps"]
    assert found.summary["account"][0]["nats"] == 0
    assert found.summary["bits_per_dim"] == pytest.approx(np.log2(17), rel=0.3)  # untrained
    samples = run.sample(None, 3)
    assert (samples.x.dtype, samples.x.max() < 17, samples.ok.all()) == (np.uint8, True, True)
    exported = Exported(run.export(tmp_path / "uniform.zip"))
    x = np.asarray(run.experiment.dataset.test[np.arange(6)])
    early, late = (run.logits(x, t=t) for t in (0.1, 0.9))
    assert not np.array_equal(early, late)  # the network sees the time
    np.testing.assert_allclose(exported.logits(x, 0.1), early, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="16"):
        exported.logits(x + 17, 0.1)
    with pytest.raises(DataError, match="16"):
        run.logits(x.astype(int) + 17)
    assert notes(run.experiment) == []


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"objective.name": "masked"}, "objective.name"),
        ({"sampling.name": "first_hitting"}, "sampling.name"),
        ({"eval.estimators": ("orders",)}, "eval.estimators"),
        ({"sampling.task": "inpaint"}, "sampling.task"),
        ({"sde.name": "one_position"}, "objective.name"),
    ],
)
def test_what_needs_masks_is_refused_with_uniform_noise(overrides, named):
    with pytest.raises(ConfigError, match=named):
        check_config(config(**UNIFORM | overrides))


LEVELS = {"model.parametrization": "levels", "objective.dequantization": "centers"}
LEVELS |= {
    "objective.eps": 1e-3,
    "model.token_features": 4,
    "sampling.num_steps": 4,
    "sampling.eps": 1e-2,
}


def test_a_gaussian_model_of_levels_has_bits_without_dequantization(tmp_path):
    """The account has no line that cannot occur: one for the integral, four for the bound."""
    names = {"eval.estimators": ("mmse", "bound"), "likelihood.dequantization": "decoder"}
    run = Run.open(tmp_path / "run", tiny.digits(**LEVELS | names))
    run.train()
    mmse, bound = run.results("")
    lines = [[line["term"] for line in each.summary["account"]] for each in (mmse, bound)]
    assert lines == [["mmse"], ["prior", "diffusion", "volume", "eps"]]
    # Untrained, each level is nearly as likely; the bound pays what the integral does, and a prior.
    assert mmse.summary["bits_per_dim"] == pytest.approx(np.log2(17), abs=1)
    assert run.sample(None, 3).x.max() < 17
    assert notes(run.experiment) == []


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (LEVELS | {"objective.dequantization": "uniform"}, "objective.dequantization"),
        (LEVELS | {"data.name": "moons", "likelihood.name": "bound"}, "model.parametrization"),
        ({"data.name": "moons", "likelihood.name": "mmse"}, "likelihood.name"),
    ],
)
def test_logits_of_levels_need_levels(overrides, named, tmp_path):
    with pytest.raises(ConfigError, match=named):
        _ = Run.open(tmp_path / "run", tiny.digits(**overrides)).experiment.estimators


def test_rates_of_levels_are_a_group_of_parameters_that_is_trained(tmp_path):
    run = Run.open(tmp_path / "run", config(**LEARNED))
    run.train()
    logs = run.params()["process"]["log_exponents"]
    assert logs.shape == (17,)
    assert np.ptp(logs) > 0
    (found,) = run.results("")
    assert [line["term"] for line in found.summary["account"]] == ["prior", "tokens"]
    assert found.summary["bits_per_dim"] == pytest.approx(np.log2(17), abs=0.5)
    assert run.sample(None, 2).ok.all()
    assert notes(run.experiment) == []


def test_frames_become_an_animation_and_a_sharpened_law_is_noted(run):
    changes = {"sampling.frames": 3, "sampling.temperature": 0.5, "sampling.name": "confidence"}
    sharp = Run.open(run.workdir.root, config(**changes, **{"sampling.num_steps": 2}))
    folder = sharp.save_samples(4)
    with Image.open(folder / "unmasking.gif") as gif:
        assert gif.n_frames == 3
    (note,) = notes(sharp.experiment)
    assert "sampling.temperature" in note
    assert "'confidence'" in note


def test_a_chain_of_single_positions_trains_evaluates_and_samples(tmp_path):
    """The notes' chain: what stays visible at its end is paid for."""
    chain = {"sde.name": "one_position", "sde.num_steps": 300, "objective.draws": "time"}
    own = {"sampling.name": "reverse_chain", "eval.estimators": ("bound",)}
    run = Run.open(tmp_path / "run", config(**chain | own))
    run.train()
    (found,) = run.results("")
    prior = found.summary["account"][0]["nats"]
    assert prior == pytest.approx(-64 * (1 - 1 / 64) ** 300 * np.log(17), rel=1e-4)
    assert run.sample(None, 2).ok.all()
