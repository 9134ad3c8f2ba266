"""A run whose linear process learns a drift and a diffusion in a learned basis."""

import numpy as np
import pytest
import tiny
from learned_runs import AFFINE, moved

from gradlog.config_error import ConfigError
from gradlog.data import known_spec
from gradlog.experiment.build import build, check_config, load_dataset
from gradlog.experiment.run import Run
from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder

DIGITS = known_spec("digits", {}).without_examples("not needed")
BLURRING = AFFINE | {"sde.name": "blurring"}


SMALL = {
    "model.label": "log_rho",
    "training.steps": 4,
    "training.eval_every": 0,
    "likelihood.rtol": 1e-3,
    "likelihood.atol": 1e-3,
    "eval.batch_size": 6,
    "sampling.num_steps": 4,
    "sampling.batch_size": 4,
    "sampling.rtol": 1e-4,
    "sampling.atol": 1e-4,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Of images, whose maps are drawn."""
    folder = tmp_path_factory.mktemp("affine") / "run"
    Run.open(folder, tiny.digits(**AFFINE | SMALL)).train()
    return Run.open(folder)


def test_every_part_of_the_process_learns(run):
    first = run.experiment.model.init(run.experiment.streams["init"], (8, 8, 1))["process"]
    assert set(first) == {"inside", "ends", "gain", "vectors"}
    last = run.state(4).params["process"]
    for name, tree in first.items():
        assert moved(tree, last[name]) > 1e-4, name


def test_estimators_and_samplers_take_it(run):
    for summary in run.evaluate([4]):
        assert np.isfinite(summary["bits_per_dim"])
    assert np.isfinite(run.sample(None, 3).x).all()
    assert run.metrics()["gain"][-1] != 0


def test_encodings_are_coordinates_that_lead_back_to_the_data(run):
    there = run.encodings.encode(run.params(), run.experiment.dataset.test[:4])
    assert np.abs(there.end - there.start).max() > 0.1
    back = run.encodings.decode(run.params(), there.end)
    np.testing.assert_allclose(back.end, there.start, atol=0.01)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"model.parametrization": "velocity"}, r"model\.parametrization"),
        ({"objective.dequantization": "centers"}, r"objective\.dequantization"),
        ({"likelihood.dequantization": "decoder"}, r"likelihood\.dequantization"),
        ({"likelihood.dequantization": "truncated_normal"}, r"likelihood\.dequantization"),
        ({"likelihood.variable": "log_rho"}, r"likelihood\.name"),
        ({"sampling.name": "dpm_2m"}, r"sampling\.name"),
        ({"sampling.task": "inpaint"}, r"sampling\.task"),
        ({"objective.name": "dsm"}, r"objective\.name"),
    ],
)
@pytest.mark.parametrize("settings", [AFFINE, BLURRING], ids=["affine", "blurring"])
def test_what_needs_entries_or_one_noise_level_is_refused(settings, wrong, key):
    with pytest.raises(ConfigError, match=key):
        build(tiny.digits(**settings | {"model.label": "log_rho"} | wrong), DIGITS).check()


def test_low_rank_needs_more_dimensions_than_rank():
    wrong = tiny.points(**AFFINE | {"sde.rank": 2})
    check_config(wrong)  # the dimensions are those of the data
    with pytest.raises(ConfigError, match="rank"):
        build(wrong, load_dataset(wrong)).check()


def test_maps_of_the_schedule_are_drawn_and_reported(run):
    maps = (run.workdir.root / "schedules").iterdir()
    assert [path.name for path in maps] == ["00000004.png"]
    assert "Gamma of each dimension" in render_page(RunFolder(run.workdir.root))
