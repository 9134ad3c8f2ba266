"""Every study runs in small and writes its pictures and numbers."""

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
# The first configuration of each study on each data set.
KINDS = {(config.study.name, config.data.name): file for file, config in reversed(FILES.items())}
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


def few_examples(config):
    """Load the data, of digits a few."""
    dataset = load_dataset(config)
    if config.data.name != "digits":
        return dataset
    parts = (np.asarray(part[np.arange(64)]) for part in (dataset.train, dataset.test))
    return from_arrays("digits", *parts, levels=dataset.levels)


def run_study(file, folder):
    """Run a study in small; return its folder."""
    config = FILES[file].copy_and_resolve_references()
    config.update_from_flattened_dict(SMALL)
    run = Run.open(folder / "run", config, load=few_examples)
    choose_study(run.config)[0](run)
    return study_folder(run)


def test_every_study_has_a_configuration():
    assert {config.study.name for config in FILES.values()} == set(STUDIES)


@pytest.mark.parametrize("file", KINDS.values())
def test_a_study_writes_pictures_with_contents_and_finite_numbers(file, tmp_path):
    folder = run_study(file, tmp_path)
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
