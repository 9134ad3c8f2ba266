"""The study of learned noise, in small."""

import json

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.configs.theory import learned_noise
from gradlog.experiment.run import Run
from gradlog.studies.common import study_folder
from gradlog.studies.learned_noise import LearnedNoise, exact_model
from gradlog.studies.plane import require_mixture


def test_model_of_the_study_has_the_score_of_the_law(tmp_path):
    run = Run.open(tmp_path / "run", learned_noise.get_config())
    law, path, x = require_mixture(run), run.experiment.process, jnp.array([0.3, -0.7])
    found = jax.jit(lambda x: exact_model(path, law).score(x, 0.4))(x)
    np.testing.assert_allclose(found, law.score_fn(path)(x, 0.4), rtol=1e-4)


def test_shape_of_a_common_schedule_does_not_matter_and_f_and_g_have_a_gradient(tmp_path):
    run = Run.open(tmp_path / "run", learned_noise.get_config())
    study, law, key = LearnedNoise(samples=8000), require_mixture(run), jax.random.key(0)
    xs = jax.vmap(law.sample)(jax.random.split(key, study.samples))
    shapes = study.measure_shapes(law, xs, jax.random.key(1), np.array([2.4]))
    (common, error), (alone, own) = (
        shapes[f"{dimensions}, wrong score"] for dimensions in ("all dimensions", "the first")
    )
    assert np.all(np.abs(common) < 4 * error)
    assert np.all(np.abs(alone) > 4 * own)
    LearnedNoise(samples=64, bends=2, process_steps=10)(run)
    found = json.loads((study_folder(run) / "learned_noise.json").read_text())
    # The true score on the short path: what is above the entropy is f's and g's to remove.
    assert found["gap, f and g alone"] < found["gap, s alone"]
    assert (study_folder(run) / "learned_noise.png").is_file()
