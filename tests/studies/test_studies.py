"""Every study runs once in small, writes its pictures and numbers, and shows what it claims."""

import importlib
import json

import numpy as np
import pytest
import tiny
from PIL import Image

from gradlog.cli.modes import choose_study
from gradlog.data.dataset import from_arrays
from gradlog.experiment.build import load_dataset
from gradlog.experiment.loading import load_config
from gradlog.experiment.run import Run
from gradlog.studies import STUDIES
from gradlog.studies.common import open_variant, study_folder

FILES = {
    str(path.relative_to(tiny.ROOT)): config
    for path in sorted((tiny.ROOT / "configs").rglob("*.py"))
    if path.parent.name in ("toy", "theory") and (config := load_config(str(path))).study.name
}
# One configuration of each study: of images, if there is one.
KINDS = {config.study.name: file for file, config in FILES.items()}
SMALL = {"model.name": "mlp", "model.hidden": 8, "model.num_layers": 1, "model.embedding": 8}
SMALL |= {"training.steps": 12, "training.batch_size": 16, "training.log_every": 2}
SMALL |= {"training.checkpoint_every": 6, "optimizer.warmup": 2}
SMALL |= {"data.num_train": 64, "data.num_test": 32}
SMALL |= {"study.samples": 64, "study.times": 3, "study.window": 3, "study.chains": 4}
SMALL |= {"study.frames": 3, "study.points": 12, "study.gains": 3, "study.cells": 40}
# Three levels: a curve is then no pair of a total and its error.
SMALL |= {"study.noise_levels": 3, "study.draws": 8, "study.generator_steps": 4}
SMALL |= {"study.images": 12, "eval.num_images": 6, "likelihood.samples": 4}
SMALL |= {"study.bends": 2, "study.process_steps": 10}
SMALL |= {"study.measurements": 2, "sampling.steps_per_level": 5, "sampling.num_steps": 8}
SMALL |= {"sampling.batch_size": 64, "likelihood.rtol": 1e-3, "likelihood.atol": 1e-3}
RATES = {"study.samples": 2000, "study.times": 25}
OWN = {
    "energy": {"study.points": 61},  # as many as on the line through the modes: one program
    "entropy": RATES,
    "few_steps": {"study.times": 2},
    "kl_rates": RATES,
    "langevin": {"study.samples": 1000, "study.chains": 20, "study.frames": 4}
    | {"model.num_scales": 10, "sampling.steps_per_level": 40},
    "learned_noise": {"study.samples": 4000},
    "manifold": {"study.window": 15},  # longer than the log
}
# Members of which a study makes one program each; those that are left out are tested elsewhere.
FEWER = {
    ("contrastive_divergence", "_CHAINS"): (2,),
    ("gradient_variance", "INTEGRANDS"): ("dsm", "esm", "fsm"),
    ("learned_gradients", "_SCHEDULES"): ("fixed", "per dimension"),
}


def few_examples(config):
    """Load the data, of digits a few."""
    dataset = load_dataset(config)
    if config.data.name != "digits":
        return dataset
    parts = (np.asarray(part[np.arange(64)]) for part in (dataset.train, dataset.test))
    return from_arrays("digits", *parts, levels=dataset.levels)


def run_study(name, folder):
    """Run a study in small; return its run."""
    config = FILES[KINDS[name]].copy_and_resolve_references()
    config.update_from_flattened_dict(SMALL | OWN.get(name, {}))
    run = Run.open(folder / "run", config, load=few_examples)
    with pytest.MonkeyPatch.context() as patch:
        for (study, members), chosen in FEWER.items():
            module = importlib.import_module(f"gradlog.studies.{study}")
            every = getattr(module, members)
            if isinstance(every, dict):
                chosen = {each: every[each] for each in chosen}
            patch.setattr(module, members, chosen)
        choose_study(run.config)[0](run)
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a function from the name of a study to its finished run, not to be changed."""
    runs = {}

    def find(name):
        if name not in runs:
            runs[name] = run_study(name, tmp_path_factory.mktemp(name))
        return runs[name]

    return find


def numbers_of(run):
    """Return the numbers of a study of the plane."""
    return json.loads((study_folder(run) / f"{run.config.study.name}.json").read_text())


def test_every_study_has_a_configuration():
    assert {config.study.name for config in FILES.values()} == set(STUDIES)


@pytest.mark.parametrize("name", KINDS)
def test_a_study_writes_pictures_with_contents_and_finite_numbers(name, finished):
    folder = study_folder(finished(name))
    pictures = [path for path in folder.iterdir() if path.suffix in (".png", ".gif")]
    numbers = list(folder.glob("*.json"))
    assert pictures
    assert numbers
    for path in pictures:
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    for path in numbers:
        assert_complete(json.loads(path.read_text(), parse_constant=pytest.fail))


def assert_complete(value, place="json"):
    """Fail on null, which stands for a number that is not finite, and on errors of other shapes."""
    assert value is not None, place
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for key, part in parts:
        assert_complete(part, f"{place}.{key}")
        errors = f"{key}_standard_error"
        if isinstance(value, dict) and errors in value:
            assert np.shape(part) == np.shape(value[errors]), f"{place}.{key}"


def integral(rho, rate, error):
    """Return the integral over log rho by the trapezoidal rule, and its standard error."""
    step = np.log(rho[1] / rho[0])
    ends = np.ones(len(rho))
    ends[[0, -1]] = 0.5
    return step * ends @ rate, step * np.sqrt(ends**2 @ np.square(error))


def test_the_entropys_gain_is_the_integral_of_its_rates(finished):
    found = numbers_of(finished("entropy"))
    known = found["entropy_standard_error"]
    for by in ("rate_by_scores", "rate_by_itself"):
        gain, error = integral(found["rho"], found[by], found[f"{by}_standard_error"])
        assert abs(gain - found["gain"]) < 4 * np.hypot(error, known[0] + known[-1])
        assert error < 0.05 * found["gain"]
    by_study = found["gain_by_scores"], found["gain_by_scores_standard_error"]
    assert abs(by_study[0] - found["gain"]) < 4 * np.hypot(by_study[1], known[0] + known[-1])


def test_the_fall_of_kl_is_the_integral_of_its_rates(finished):
    found = numbers_of(finished("kl_rates"))
    fall = found["kl"][0] - found["kl"][-1]
    known = found["kl_standard_error"]
    for by in ("fall_by_scores", "fall_by_itself"):
        by_rate, error = integral(found["rho"], found[by], found[f"{by}_standard_error"])
        assert abs(by_rate - fall) < 4 * np.hypot(error, known[0] + known[-1])
        assert error < 0.1 * fall


def test_the_langevin_study_finds_wrong_and_right_weights_and_draws_them(finished):
    run = finished("langevin")
    found = numbers_of(run)
    # Four standard errors; with 40 steps a level the annealed chain's share is 0.235.
    assert abs(found["exact"] - 0.2) < 4 * np.sqrt(0.16 / 1000)
    assert abs(found["langevin"] - 0.494) < 4 * np.sqrt(0.25 / 1000)
    assert abs(found["annealed_langevin"] - 0.235) < 4 * np.sqrt(0.18 / 1000)
    assert found["langevin_samples"] == found["annealed_langevin_samples"] == 1000
    assert found["langevin_diverged"] == found["annealed_langevin_diverged"] == 0
    for name in ("langevin.gif", "annealed_langevin.gif"):
        with Image.open(study_folder(run) / name) as picture:
            assert picture.n_frames == 4
    assert not run.workdir.checkpoints.is_dir()  # the exact score needs no training


def test_shape_of_a_common_schedule_does_not_matter_and_f_and_g_have_a_gradient(finished):
    found = numbers_of(finished("learned_noise"))
    for dimensions, matters in (("all dimensions", False), ("the first", True)):
        name = f"{dimensions}, wrong score"
        most, error = (found[key][-1] for key in (name, f"{name}_standard_error"))
        assert (abs(most) > 4 * error) == matters
    # The true score on the short path: what is above the entropy is f's and g's to remove.
    assert found["gap, f and g alone"] < found["gap, s alone"]


def test_a_window_longer_than_the_log_covers_all_of_it(finished):
    run = finished("manifold")
    logged = json.loads((study_folder(run) / "manifold_digits.json").read_text())
    assert len(logged["with_noise"]["loss"]) < run.config.study.window


@pytest.mark.parametrize("file", FILES)
def test_the_head_of_a_configuration_has_the_command_of_its_study(file):
    head = (tiny.ROOT / file).read_text()
    assert f"python main.py --config={file} --workdir=runs/" in head
    assert " --mode=study\n" in head


def test_a_variant_is_a_separate_run_with_changed_keys(tmp_path):
    run = Run.open(tmp_path / "run", tiny.points())
    other = open_variant(run, "other", {"sde.beta_max": 7.0})
    assert other.workdir.root == tmp_path / "run" / "other"
    assert [each.experiment.process.beta_max for each in (other, run)] == [7.0, 20.0]
