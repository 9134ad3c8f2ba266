"""The model of the study of learned noise."""

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.configs.theory import learned_noise
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.sde_lib import VP
from gradlog.studies.learned_noise import exact_model
from gradlog.studies.plane import require_mixture


def test_model_of_the_study_has_the_score_of_the_law(tmp_path):
    run = Run.open(tmp_path / "run", learned_noise.get_config())
    law, path, x = require_mixture(run), run.experiment.process, jnp.array([0.3, -0.7])
    found = jax.jit(lambda x: exact_model(path, law).score(x, 0.4))(x)
    np.testing.assert_allclose(found, law.score_fn(path)(x, 0.4), rtol=1e-4)


def test_data_may_have_the_shape_of_an_image():
    means = jnp.linspace(-1, 1, 12).reshape(3, 2, 2, 1)
    stds, weights, path = jnp.array([0.2, 0.3, 0.5]), jnp.array([0.2, 0.3, 0.5]), VP()
    flat = GaussianMixture(weights, means.reshape(3, 4), stds)
    x = jnp.array([0.3, -0.7, 0.1, 0.4])

    @jax.jit
    def both(x):
        model = exact_model(path, GaussianMixture(weights, means, stds))
        return model.score(x.reshape(2, 2, 1), 0.4), flat.score_fn(path)(x, 0.4)

    found, want = both(x)
    np.testing.assert_allclose(found.ravel(), want, rtol=1e-4)
