"""Classes from end to end: training, likelihoods, guidance and known parts, of tiny networks."""

import json
import re
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from gradlog.config_error import ConfigError
from gradlog.data import DataError
from gradlog.data.dataset import from_arrays
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.notes import notes
from gradlog.experiment.run import Run
from gradlog.models import Uniform
from gradlog.sampling import Gray, KnownPixels

CONDITIONAL = {
    "model.num_classes": 10,
    "training.steps": 8,
    "training.eval_every": 8,
    "likelihood.name": "bound",
    "likelihood.samples": 4,
    "likelihood.eps": 1e-2,
    "eval.num_images": 7,
    "eval.batch_size": 4,
    "eval.second_look": 0,
    "sampling.num_samples": 4,
    "sampling.num_steps": 3,
    "sampling.batch_size": 4,
    "classifier.steps": 4,
    "classifier.batch_size": 8,
    "classifier.nf": 4,
    "classifier.hidden": 8,
}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """The workdir of a finished tiny class-conditional run: not to be changed."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    Run.open(folder, tiny.digits(**CONDITIONAL)).train()
    return folder


@pytest.fixture
def workdir(taught, tmp_path):
    return shutil.copytree(taught, tmp_path / "run")


# --- training -------------------------------------------------------------------------------


def test_the_loss_learns_what_is_told_of_the_class(taught):
    """The rows of the table: those of classes and that of none have moved, each by itself."""
    run = Run.open(taught)
    start = run.experiment.model.init(run.experiment.streams["init"], (8, 8, 1))
    tables = [params["network"]["classes"]["embedding"] for params in (run.params(), start)]
    moved = np.abs(tables[0] - tables[1]).sum(1)
    assert moved.shape == (11,)
    assert np.all(moved > 0)
    assert run.metrics()["held_out_loss"][-1] > 0


def test_an_unconditional_run_reads_nothing_of_classes():
    config = tiny.images()
    experiment = build(config, load_dataset(config))
    assert "objective.class_dropout" not in experiment.keys_read
    assert experiment.class_dropout == 0.0


def test_classes_of_the_model_must_be_those_of_the_data():
    digits = load_dataset(tiny.images())
    with pytest.raises(ConfigError, match=r"^config\.model\.num_classes = 7, but digits has 10 cl"):
        build(tiny.images(**{"model.num_classes": 7}), digits)
    points = tiny.points(**{"model.num_classes": 2})
    with pytest.raises(ConfigError, match=r"config\.model\.num_classes = .*mixture has no labels"):
        build(points, load_dataset(points))


# --- likelihoods ----------------------------------------------------------------------------


def test_classes_are_compared_on_the_same_draws(taught):
    run = Run.open(taught)
    x = run.experiment.dataset.test[:5]
    table = run.class_log_probs(x)
    assert table.shape == (5, 10)
    assert np.all(np.ptp(table, axis=1) > 0)
    np.testing.assert_allclose(run.log_prob(x, condition=3), table[:, 3], rtol=1e-5)
    labels = np.array([3, 1, 4, 1, 3])
    own = run.log_prob(x, condition=labels)
    np.testing.assert_allclose(own, table[np.arange(5), labels], rtol=1e-5)


def test_without_a_class_the_likelihood_is_that_of_no_class(taught):
    """Of index 10; the draws are those of the classes, so that equal rows give equal numbers."""
    run = Run.open(taught)
    x, params = run.experiment.dataset.test[:3], run.params()
    none_said = run.log_prob(x)
    table = np.array(params["network"]["classes"]["embedding"])
    table[4] = table[10]
    params["network"]["classes"]["embedding"] = table
    object.__setattr__(run, "params", lambda step=None: params)
    np.testing.assert_allclose(run.log_prob(x, condition=4), none_said, rtol=1e-5)
    assert np.abs(run.log_prob(x, condition=5) - none_said).max() > 1e-3


@pytest.mark.parametrize("condition", [10, -1, np.array([0, 1, 10]), 0.5])
def test_a_class_that_is_none_is_an_error(taught, condition):
    run = Run.open(taught)
    with pytest.raises(ConfigError, match="class"):
        run.log_prob(run.experiment.dataset.test[:3], condition=condition)


def test_classify_writes_what_it_finds_and_does_it_once(command, workdir):
    status, output, errors = command(f"--workdir={workdir}", "--mode=classify")
    assert (status, errors) == (0, "")
    assert "classes by likelihood" in output
    folder = workdir / "classify" / "8" / "bound"
    found = json.loads((folder / "accuracy.json").read_text())
    assert found["num_images"] == 7
    assert 0 <= found["interval"]["low"] <= found["accuracy"] <= found["interval"]["high"] <= 1
    assert not (folder / "partial").exists()
    run = Run.open(workdir)
    with np.load(folder / "per_image.npz") as images:
        np.testing.assert_array_equal(images["labels"], run.experiment.dataset.test_labels[:7])
        told = run.class_log_probs(run.experiment.dataset.test[:7])
        np.testing.assert_allclose(images["log_likelihoods"], told, rtol=1e-5)
    before = (folder / "accuracy.json").stat().st_mtime_ns
    assert "already classified" in command(f"--workdir={workdir}", "--mode=classify")[1]
    assert (folder / "accuracy.json").stat().st_mtime_ns == before
    for other in ("[]", json.dumps(found | {"standard_error": 1e-9})):
        (folder / "accuracy.json").write_text(other)
        status, _, errors = command(f"--workdir={workdir}", "--mode=classify")
        assert status == 2
        assert re.fullmatch(r"error: the result in .* is damaged .*\n", errors)


def test_a_model_that_is_told_no_class_cannot_classify(mistake, trained):
    message = mistake(f"--workdir={trained}", "--mode=classify")
    assert "config.model.num_classes" in message


# --- samples --------------------------------------------------------------------------------


def _sample(command, workdir, *settings):
    arguments = [f"--config.sampling.{setting}" for setting in settings]
    status, _, errors = command(f"--workdir={workdir}", "--mode=sample", *arguments)
    assert (status, errors) == (0, "")
    (file,) = (workdir / "samples").rglob("samples.npz")
    assert (file.parent / "grid.png").stat().st_size > 0
    return np.load(file)


def test_samples_have_the_classes_in_turn(command, workdir):
    found = _sample(command, workdir, "classes=3,5")
    assert found["classes"].tolist() == [3, 5, 3, 5]
    assert np.all(found["nfe"] == 3)


def test_the_class_and_the_weight_change_a_sample_and_its_place_does_not(taught):
    def drawn(**settings):
        changes = {f"sampling.{key}": value for key, value in settings.items()}
        run = Run.open(taught, tiny.digits(**CONDITIONAL | changes))
        model = replace(run.experiment.model, dequantizer=_AsTheyAre())
        vars(run.experiment)["model"] = model  # in the place of the part that was built
        return run.sample(None, 3)

    free = {"guidance": "classifier_free", "classes": "3"}
    plain, strong = drawn(classes="3"), drawn(**free, guidance_weight=5.0)
    assert np.all(strong.nfe == 2 * plain.nfe)
    assert np.abs(strong.x - plain.x).max() > 1e-4
    others = drawn(classes="4,3,4")
    np.testing.assert_allclose(others.x[1], plain.x[1], rtol=1e-4, atol=1e-4)
    assert np.abs(others.x[0] - plain.x[0]).max() > 1e-5


@jax.tree_util.register_static
class _AsTheyAre(Uniform):
    """A dequantizer that leaves samples as they are, not rounded to levels."""

    def __init__(self):
        super().__init__(17)

    def to_data(self, x):
        return x


def test_inpainting_keeps_what_is_not_hidden(command, workdir):
    found = _sample(command, workdir, "task=inpaint", "mask=top", "particles=2")
    np.testing.assert_array_equal(found["samples"][:, 4:], found["originals"][:, 4:])
    assert np.any(found["samples"][:, :4] != found["originals"][:, :4])
    original = Run.open(workdir).experiment.dataset.test[:4]
    np.testing.assert_array_equal(found["originals"], original)
    assert np.all(found["nfe"] == 2 * 2 + 1)  # two predictions of each particle, the mean of one


def test_a_mask_may_be_a_file(tmp_path):
    hidden = np.zeros((8, 8), bool)
    hidden[2, 3:6] = True
    np.save(tmp_path / "mask.npy", hidden)
    mask = {"sampling.task": "inpaint", "sampling.mask": str(tmp_path / "mask.npy")}
    config = tiny.digits(**mask, **{"sampling.name": "predictor_corrector"})
    projection = build(config, load_dataset(config)).conditional_sampling.projection
    assert isinstance(projection, KnownPixels)
    np.testing.assert_array_equal(np.broadcast_to(projection.known, (8, 8, 1))[..., 0], ~hidden)


def test_colorization_keeps_the_gray_of_color_images():
    """Samples have the known part exactly: tests/sampling/test_replacement.py."""
    x = np.zeros((6, 8, 8, 3), np.float32)
    config = tiny.digits(**{"sampling.task": "colorize"})
    experiment = build(config, from_arrays("colors", x, x, levels=None))
    assert isinstance(experiment.conditional_sampling.projection, Gray)


# --- the classifier -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classified(taught, tmp_path_factory):
    """The workdir of a run with a classifier, trained in one go: not to be changed."""
    folder = shutil.copytree(taught, tmp_path_factory.mktemp("classified") / "run")
    Run.open(folder).classifier.train()
    return folder


def test_a_classifier_is_asked_and_guides(command, classified, tmp_path):
    folder = shutil.copytree(classified, tmp_path / "run")
    rows = json.loads((folder / "classifier" / "accuracy.json").read_text())["held_out"]
    assert [row["noise"] for row in rows][1:] == [0.1, 0.3, 1.0, 3.0, 10.0]
    assert all(row["log_prob"] < 0 for row in rows)

    run = Run.open(folder)
    x = run.experiment.dataset.test[:5]
    features = run.classifier.features(x)
    assert features.shape == (5, 8)
    np.testing.assert_allclose(run.classifier.features(x[::-1]), features[::-1], rtol=1e-5)

    found = _sample(command, folder, "guidance=classifier", "classes=all", "guidance_weight=2")
    assert found["classes"].tolist() == [0, 1, 2, 3]


def test_a_classifier_that_was_interrupted_goes_on_as_if_it_had_not_been(
    command, mistake, workdir, classified
):
    """In between, one of other settings says which they are and what to do."""
    Run.open(workdir, tiny.digits(**CONDITIONAL | {"classifier.steps": 2})).classifier.train()
    folder = workdir / "classifier"
    before = (folder / "provenance.json").read_bytes()
    asked = [f"--workdir={workdir}", "--config.classifier.hidden=16"]
    want = (
        f"{folder} belongs to another experiment: classifier.hidden is 8 there, 16 here; "
        f"delete {folder}, or use its settings"
    )
    assert mistake(*asked, "--mode=classifier") == want
    guided = ("--config.sampling.guidance=classifier", "--config.sampling.classes=1")
    assert mistake(*asked, "--mode=sample", *guided) == want
    assert (folder / "provenance.json").read_bytes() == before

    status, output, errors = command(f"--workdir={workdir}", "--mode=classifier")
    assert (status, errors) == (0, "")
    assert "held-out accuracy by noise over signal: " in output
    whole, parts = (Run.open(each).classifier.params() for each in (classified, workdir))
    tiny.assert_bitwise_equal(whole, parts)
    assert "already trained: 4 steps" in command(f"--workdir={workdir}", "--mode=classifier")[1]


# --- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["guidance=classifier", "classes=1"],
            "there is no classifier in {workdir}/classifier: train it first, with "
            "--mode=classifier --workdir={workdir}",
        ),
        (
            ["guidance=classifier_free"],
            "config.sampling.guidance = 'classifier_free' needs classes to guide to: "
            "config.sampling.classes = 'all', or such as '3,5'",
        ),
        (
            ["classes=3,x"],
            "config.sampling.classes = '3,x' must be 'all', or classes with commas between them: "
            "there is no class 'x'; the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        ),
        (
            ["guidance=none_at_all"],
            "config.sampling.guidance = 'none_at_all' is unknown; choose one of "
            "['classifier', 'classifier_free', 'none']",
        ),
        (
            ["task=paint"],
            "config.sampling.task = 'paint' is unknown; choose one of "
            "['colorize', 'generate', 'inpaint']",
        ),
        (
            ["task=colorize"],
            "config.sampling.task = 'colorize' needs images of 3 channels; digits has the shape "
            "(8, 8, 1)",
        ),
        (
            ["task=inpaint", "name=heun"],
            "config.sampling.task = 'inpaint' needs config.sampling.name = 'predictor_corrector', "
            "got 'heun'",
        ),
        (
            ["task=inpaint", "mask=middle"],
            "config.sampling.mask = 'middle' is unknown; choose one of ['bottom', 'center', 'left',"
            " 'random', 'right', 'top'], or an .npy file that is true where the image is hidden",
        ),
    ],
)
def test_what_samples_cannot_be_is_one_line(mistake, taught, settings, message):
    arguments = [f"--config.sampling.{setting}" for setting in settings]
    found = mistake(f"--workdir={taught}", "--mode=sample", *arguments)
    assert found == message.format(workdir=taught)


def test_a_mask_that_does_not_fit_is_one_line(mistake, taught, tmp_path):
    masks = {"small": np.ones((4, 4)), "none": np.zeros((8, 8)), "empty": np.zeros(0)}
    for name, array in masks.items():
        np.save(tmp_path / f"{name}.npy", array)
    asked = lambda name: mistake(  # noqa: E731
        f"--workdir={taught}",
        "--mode=sample",
        "--config.sampling.task=inpaint",
        f"--config.sampling.mask={tmp_path / name}.npy",
    )
    assert asked("small").endswith("has the shape (4, 4), the data (8, 8, 1)")
    assert asked("empty").endswith("has the shape (0,), the data (8, 8, 1)")
    assert asked("none").endswith("hides all of it, or nothing")
    assert asked("missing") == f"config.sampling.mask: there is no file {tmp_path / 'missing.npy'}"
    np.save(tmp_path / "soft.npy", np.linspace(0, 1, 64).reshape(8, 8))
    assert "config.sampling.mask" in asked("soft")
    np.savez(tmp_path / "two.npz", a=np.ones((8, 8)), b=np.ones((8, 8)))
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    assert asked("two").endswith("two.npy holds the arrays ['a', 'b']; one is expected")


def test_a_model_without_classes_says_what_it_needs(mistake, trained):
    for settings, words in {
        "classes=1": "config.model.num_classes is 0",
        "classes=1 guidance=classifier_free": "'classifier_free'",
        "classes=1 guidance=classifier": "config.sampling.classes = '1'",
    }.items():
        arguments = [f"--config.sampling.{setting}" for setting in settings.split()]
        assert words in mistake(f"--workdir={trained}", "--mode=sample", *arguments)


def test_data_without_classes_have_no_classifier(trained):
    with pytest.raises(DataError, match="mixture has no labels"):
        Run.open(trained).classifier.train()


def test_a_classifier_that_does_not_fit_is_one_line(mistake, workdir):
    found = mistake(f"--workdir={workdir}", "--mode=classifier", "--config.classifier.nf=34")
    assert found.startswith("config.classifier does not fit data of shape (8, 8, 1): 34 channels")


# --- classes with names ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """The workdir of a tiny run on a folder of classes that has been deleted since."""
    root = tmp_path_factory.mktemp("pets")
    for kind, level in (("cat", 40), ("dog", 200), ("eel", 120)):
        (root / "data" / kind).mkdir(parents=True)
        for number in range(8):
            image = np.full((4, 4), level + number, np.uint8)
            Image.fromarray(image).save(root / "data" / kind / f"{number}.png")
    config = tiny.digits(
        **{"data.name": "folder", "data.path": str(root / "data"), "data.read_labels": True},
        **{"data.image_size": 4, "data.channels": 1, "model.num_classes": 3},
        **{"sampling.num_samples": 4, "sampling.num_steps": 3, "sampling.batch_size": 4},
    )
    run = Run.open(root / "run", config)
    run.train()
    assert run.classify()[0]["classes"] == ["cat", "dog", "eel"]
    shutil.rmtree(root / "data")
    return root / "run"


def test_subfolders_are_classes_that_keep_their_names(command, mistake, pets):
    with np.load(next(pets.glob("classify/4/*/per_image.npz"))) as images:
        assert images["classes"].tolist() == ["cat", "dog", "eel"]
    status, _, errors = command(
        f"--workdir={pets}", "--mode=sample", "--config.sampling.classes=eel,cat"
    )
    assert (status, errors) == (0, "")
    with np.load(pets / "samples" / "4" / "samples.npz") as found:
        assert found["class_names"].tolist() == ["eel", "cat", "eel", "cat"]
        assert found["classes"].tolist() == [2, 0, 2, 0]
    asked = f"--workdir={pets}", "--mode=sample", "--config.sampling.classes=cow"
    assert "config.sampling.classes = 'cow'" in mistake(*asked)


def test_a_likelihood_is_given_a_class_by_its_name(pets):
    run, x = Run.open(pets), np.full((2, 4, 4, 1), 44, np.uint8)
    by_name = run.log_prob(x, condition=np.array(["dog", "cat"]))
    table = run.class_log_probs(x)
    np.testing.assert_allclose(by_name, [table[0, 1], table[1, 0]], rtol=1e-5)
    np.testing.assert_array_equal(run.log_prob(x, condition=np.array([1, 0])), by_name)
    with pytest.raises(DataError, match="cow"):
        run.log_prob(x, condition="cow")
    renamed = {"0": 1, "2": 1, "7": 1}  # numbers stay numbers, whatever the names are
    object.__setattr__(run.experiment.dataset, "classes", renamed)
    np.testing.assert_array_equal(run.log_prob(x, condition=np.array([1, 0])), by_name)
    np.testing.assert_array_equal(run.log_prob(x, condition=np.array(["2", "0"])), by_name)


def test_classes_that_are_read_and_not_used_are_a_note(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((9, 2, 2, 1), np.uint8), y=np.arange(9) % 3)
    data = {"data.name": "files", "data.levels": 17, "data.path": str(tmp_path / "x.npz")}
    config = tiny.digits(**data, **{"data.read_labels": True})
    found = notes(build(config, load_dataset(config)))
    assert any("config.model.num_classes" in note for note in found)


def test_numbers_that_are_names_are_not_places(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((20, 2, 2, 1), np.uint8), y=np.arange(20) % 3 + 1)
    np.savez(tmp_path / "test.npz", x=np.zeros((4, 2, 2, 1), np.uint8), y=np.arange(4) + 1)
    data = {"name": "files", "levels": 17, "read_labels": True, "path": str(tmp_path / "x.npz")}
    data["test_path"] = str(tmp_path / "test.npz")
    own = {f"data.{key}": value for key, value in data.items()} | {"model.num_classes": 4}
    dataset = load_dataset(tiny.digits(**own))

    def drawn(asked):
        config = tiny.digits(**own, **{"sampling.classes": asked})
        return build(config, dataset).conditional_sampling.classes

    assert drawn("3,1") == (2, 0)
    assert drawn("all") == (0, 1, 2)  # 4 is in the test set alone
    with pytest.raises(ConfigError, match=r"config\.sampling\.classes = '0'"):
        drawn("0")


def test_an_evaluation_without_a_class_says_so(command, workdir):
    assert "given 'no class'" in command(f"--workdir={workdir}", "--mode=eval")[1]
    found = json.loads(next(workdir.glob("eval/8/*/bits_per_dim.json")).read_text())
    assert found["condition"] == "no class"
