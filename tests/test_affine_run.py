"""A run whose linear process learns a drift and a diffusion in a learned basis."""

import numpy as np
import pytest
import tiny
from learned_runs import AFFINE, moved, train

from gradlog.config_error import ConfigError
from gradlog.data import known_spec
from gradlog.experiment.build import build, check_config
from gradlog.experiment.run import Run
from gradlog.report.page import render_page
from gradlog.report.run_folder import RunFolder

DIGITS = known_spec("digits", {}).without_examples("not needed")
BLURRING = AFFINE | {"sde.name": "blurring"}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("affine") / "run", AFFINE)


def test_every_part_of_the_process_learns(run):
    first = run.experiment.model.init(run.experiment.streams["init"], (2,))["process"]
    assert set(first) == {"inside", "ends", "gain", "vectors"}
    last = run.state(20).params["process"]
    for name, tree in first.items():
        assert moved(tree, last[name]) > 1e-4, name


def test_estimators_and_samplers_take_it(run):
    for summary in run.evaluate([20]):
        assert np.isfinite(summary["bits_per_dim"])
    assert np.isfinite(run.sample(None, 3).x).all()
    assert run.metrics()["gain"][-1] != 0


def test_encodings_are_coordinates_that_lead_back_to_the_data(run):
    x = run.experiment.dataset.test[:4]
    np.testing.assert_allclose(run.decode(run.encode(x)), x, atol=0.05)


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


def test_low_rank_needs_more_dimensions_than_rank(run):
    wrong = tiny.points(**AFFINE | {"sde.rank": 2})
    check_config(wrong)  # the dimensions are those of the data
    with pytest.raises(ConfigError, match="rank"):
        build(wrong, run.experiment.dataset).check()


def test_maps_of_the_schedule_are_drawn_and_reported(tmp_path):
    small = {"model.label": "log_rho", "training.steps": 2, "training.eval_every": 0}
    run = Run.open(tmp_path / "run", tiny.digits(**AFFINE | small))
    run.train()
    assert [path.name for path in tmp_path.glob("run/schedules/*")] == ["00000002.png"]
    assert "Gamma of each dimension" in render_page(RunFolder(run.workdir.root))
