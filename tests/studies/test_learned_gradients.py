"""The study of gradient variances of learned schedules, in small."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.config_error import ConfigError
from gradlog.configs.theory import learned_gradients_digits
from gradlog.distributions import GaussianMixture
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sde_lib import Multivariate
from gradlog.studies.learned_gradients import draw_terms, mixture_of

LOW, HIGH = -4.0, 2.0


def _gaussian():
    return GaussianMixture(jnp.ones(1), jnp.array([[0.3, -0.2]]), jnp.array([0.5]))


def test_gap_is_that_of_the_ends_and_the_exact_score_has_no_excess():
    """For N(m, v I) the gap is ``int d(log rho) v/(v + rho^2)`` in every dimension."""
    law, process = _gaussian(), Multivariate((2,), LOW, HIGH)
    bend = jnp.array([1.5, -0.6])
    path = process.bind({"inside": process.initial().inside | {"b": bend}})
    n = 40_000
    u, keys = (jnp.arange(n) + 0.5) / n, jax.random.split(jax.random.key(0), n)
    model = BoundModel(path, lambda x, t: jnp.zeros_like(x))
    gap, excess = jax.device_get(jax.jit(lambda: draw_terms(model, law, u, keys))())
    v, ends = 0.25, np.exp([LOW, HIGH])
    expected = 0.5 * np.log(ends[1] / (v + ends[1]) * (v + ends[0]) / ends[0])
    assert abs(gap.mean() - expected) < 4 * gap.std() / np.sqrt(n)
    # With no score at all DSM is the integral of one: half the range of gamma.
    total = gap.mean() + excess.mean()
    error = (gap + excess).std() / np.sqrt(n)
    assert abs(total - 0.5 * (HIGH - LOW)) < 4 * error
    exact = model.replace(score_fn=jax.tree_util.Partial(_exact, path))
    _, excess = jax.jit(lambda: draw_terms(exact, law, u[::400], keys[::400]))()
    assert np.max(excess) < 1e-9


def _exact(path, x, t):
    alpha, sigma = path.alpha(t), path.sigma(t)
    return (alpha * jnp.array([0.3, -0.2]) - x) / (0.25 * alpha**2 + sigma**2)


def test_mixture_of_images_has_the_variance_of_the_dequantization(tmp_path):
    run = Run.open(tmp_path / "run", learned_gradients_digits.get_config())
    law = mixture_of(run)
    x0, _ = run.experiment.model.dequantizer(jax.random.key(0), run.experiment.dataset.train[:1000])
    variance = np.mean((np.asarray(x0) - np.asarray(law.means[:1000])) ** 2)
    np.testing.assert_allclose(np.asarray(law.stds[0]) ** 2, variance, rtol=0.02)
    centers = learned_gradients_digits.get_config()
    centers.objective.dequantization = "centers"
    with pytest.raises(ConfigError, match=r"objective\.dequantization"):
        mixture_of(Run.open(tmp_path / "centers", centers))
