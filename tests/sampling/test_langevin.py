"""Tests of Langevin dynamics, plain and annealed: the published rule, and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.distributions import Gaussian, GaussianMixture
from gradlog.models import BoundModel
from gradlog.sampling import SAMPLERS, AnnealedLangevin, FromData, LangevinDynamics
from gradlog.sampling.langevin import FromUniform
from gradlog.sde_lib import SDES, VE, VP

EPS = 1e-6
LADDER_20_TO_1 = VE(sigma_min=1.0, sigma_max=20.0)
MIXTURE = GaussianMixture(
    weights=jnp.array([0.2, 0.8]),
    means=jnp.array([[-5.0, -5.0], [5.0, 5.0]]),
    stds=jnp.ones(2),
)
GAUSSIAN = Gaussian(mean=jnp.array([-1.0, 0.0, 2.0]), std=jnp.array([0.5, 1.0, 1.5]))
ANNEALED = AnnealedLangevin(EPS, denoise=False, num_scales=10, step_size=0.1)
PLAIN = LangevinDynamics(EPS, denoise=False, step_size=0.1)


@functools.cache
def compiled(sampler, sde, law):
    """Return a function of keys that samples from prior draws."""

    def one(key):
        prior_key, path_key = jax.random.split(key)
        return sampler(
            BoundModel(sde, law.score_fn(sde)), sde.prior_sample(prior_key, law.shape), path_key
        )

    return tiny.optimized(jax.vmap(one))


def draw(sampler, sde, law, count):
    # The arrays of a law cannot be hashed: a cache knows the law by its identity.
    return drawn(sampler, sde, Hashed(law), count)


@functools.cache
def drawn(sampler, sde, law, count):
    keys = jax.random.split(jax.random.key(0), count)
    return jax.device_get(compiled(sampler, sde, law)(keys))


class Hashed:
    """A distribution that is hashed by identity."""

    def __init__(self, law):
        self.shape, self.score_fn, self._law = law.shape, law.score_fn, law

    def __hash__(self):
        return id(self._law)

    def __eq__(self, other):
        return self._law is other._law


# --- the rule -------------------------------------------------------------------------------


def annealed_by_hand(score, x, sigmas, step, noises):
    """Algorithm 1 of Song & Ermon 2019, line by line; ``noises[i, t]`` is its z_t."""
    for i, sigma in enumerate(sigmas):
        size = step * sigma**2 / sigmas[-1] ** 2
        for z in noises[i]:
            x = x + size / 2 * score(x, sigma) + np.sqrt(size) * z
    return x


def mixture_score(x, sigma):
    """Return the score of the mixture plus noise, in NumPy."""
    offsets = np.asarray(MIXTURE.means) - x
    joint = np.asarray(MIXTURE.weights) * np.exp(-0.5 * (offsets**2).sum(1) / (1 + sigma**2))
    return joint @ offsets / joint.sum() / (1 + sigma**2)


def test_annealed_langevin_on_ve_is_algorithm_1_of_song_and_ermon():
    with jax.enable_x64(True):
        sde, key, z = VE(1.0, 20.0), jax.random.key(3), jnp.array([3.0, -8.0])
        sampler = AnnealedLangevin(1e-9, False, num_scales=5, step_size=0.1, steps_per_level=3)
        got = jax.jit(lambda z: sampler(BoundModel(sde, MIXTURE.score_fn(sde)), z, key).x)(z)
        noises = [jax.random.normal(k, (2,)) for k in jax.random.split(key, 15)]
    want = annealed_by_hand(
        mixture_score, np.asarray(z), np.geomspace(20, 1, 5), 0.1, np.reshape(noises, (5, 3, 2))
    )
    # VE's sigma at eps is 1 + 3e-9; the oracle's arrays are float32 of exact numbers.
    np.testing.assert_allclose(got, want, rtol=1e-7)


def test_plain_langevin_equals_the_last_level_of_annealed_langevin():
    with jax.enable_x64(True):
        sde, key, z = VE(1.0, 20.0), jax.random.key(3), jnp.array([3.0, -8.0])
        sampler = LangevinDynamics(1e-9, False, step_size=0.1, langevin_steps=7)
        got = jax.jit(lambda z: sampler(BoundModel(sde, MIXTURE.score_fn(sde)), z, key).x)(z)
        noises = [jax.random.normal(k, (2,)) for k in jax.random.split(key, 7)]
    want = annealed_by_hand(mixture_score, np.asarray(z), [1.0], 0.1, np.asarray(noises)[None])
    np.testing.assert_allclose(got, want, rtol=1e-7)


# A step knows the process by alpha and rho alone: a path that keeps the variance, and another.
@pytest.mark.parametrize("name", ["subvp", "vp"])
def test_chain_on_any_path_equals_that_of_ve_in_x_over_alpha(name):
    """``y = x/alpha`` is data plus noise of std rho: a VE path with the same range of sigma."""
    with jax.enable_x64(True):
        sde, eps, key, y = SDES[name](), 1e-2, jax.random.key(1), jnp.array([40.0, -90.0])
        ve = VE(*(jnp.exp(sde.log_rho(jnp.float64(t))) for t in (eps, sde.t_max)))
        step = 0.3 * float(ve.sigma_min) ** 2
        options = {"num_scales": 6, "steps_per_level": 4, "step_size": step}

        @jax.jit
        def both(y):
            theirs = AnnealedLangevin(eps, **options).path(
                BoundModel(sde, MIXTURE.score_fn(sde)), sde.alpha(sde.t_max) * y, key, 25
            )
            # VE reaches sigma_min at t = 0 only.
            ours = AnnealedLangevin(1e-12, **options).path(
                BoundModel(ve, MIXTURE.score_fn(ve)), y, key, 25
            )
            return theirs, ours

        np.testing.assert_allclose(*both(y), rtol=1e-7)


# --- laws in closed form --------------------------------------------------------------------


def moments_of_the_chain(sampler, sde):
    """Return the exact mean and variance of ``x/alpha`` after all steps on a Gaussian."""
    mean, std = np.float64(GAUSSIAN.mean), np.float64(GAUSSIAN.std)
    m, v = 0.0 * mean, (sde.prior_std / np.float64(sde.alpha(sde.t_max))) ** 2 + 0 * mean
    for t, a in zip(*map(np.asarray, jax.jit(sampler.schedule)(sde)), strict=True):
        pull = 0.5 * np.float64(a) / (std**2 + np.exp(2 * np.float64(sde.log_rho(t))))
        m, v = m + pull * (mean - m), (1 - pull) ** 2 * v + np.float64(a)
    return m, v


LINEAR_CASES = [
    (LangevinDynamics(EPS, False, step_size=1.0, langevin_steps=60), LADDER_20_TO_1),
    (AnnealedLangevin(0.3, False, 5, step_size=0.7, steps_per_level=6), VP()),
    (AnnealedLangevin(0.3, True, 5, step_size=0.7, steps_per_level=6), SDES["straight"]()),
]


@pytest.mark.parametrize(("sampler", "sde"), LINEAR_CASES)
def test_samples_of_a_gaussian_have_the_mean_and_variance_of_the_linear_chain(sampler, sde):
    count = 5000
    got = draw(sampler, sde, GAUSSIAN, count)
    assert got.ok.all()
    m, v = moments_of_the_chain(sampler, sde)
    alpha, rho = float(sde.alpha(sampler.eps)), float(jnp.exp(sde.log_rho(sampler.eps)))
    if sampler.denoise:
        gain = np.square(GAUSSIAN.std) / (np.square(GAUSSIAN.std) + rho**2)
        m, v = np.asarray(GAUSSIAN.mean) + gain * (m - np.asarray(GAUSSIAN.mean)), gain**2 * v
    else:
        m, v = alpha * m, alpha**2 * v
    # Four standard errors, of three means and three variances.
    np.testing.assert_array_less(np.abs(got.x.mean(axis=0) - m), 4 * np.sqrt(v / count))
    np.testing.assert_allclose(got.x.var(axis=0), v, rtol=4 * np.sqrt(2 / count))


def test_variance_of_unadjusted_langevin_is_too_large_by_the_published_factor():
    """The factor is ``1/(1 - a/(4v))``; the chain's own recursion converges to it in 200 steps."""
    sampler = LangevinDynamics(EPS, False, step_size=1.0, langevin_steps=200)
    variance = np.square(np.float64(GAUSSIAN.std)) + 1
    _, v = moments_of_the_chain(sampler, LADDER_20_TO_1)
    # sigma(eps) is 1 + 3e-6.
    np.testing.assert_allclose(v, variance / (1 - 1 / (4 * variance)), rtol=2e-5)


# --- the mixture of Song and Ermon ----------------------------------------------------------


def share_of_the_small_mode(x):
    return np.mean(x.sum(axis=1) < 0)


def test_annealed_langevin_recovers_the_weights_of_far_modes_within_0_03():
    """Ladder 20 to 1, step 0.1, 100 steps per level; the standard error of a weight is 0.0063."""
    got = draw(ANNEALED, LADDER_20_TO_1, MIXTURE, 4000)
    assert got.ok.all()
    assert abs(share_of_the_small_mode(got.x) - 0.2) < 0.03


def test_plain_langevin_misses_the_weights_by_more_than_0_2():
    """Half of the symmetric starts are nearer to the small mode, and stay there."""
    got = draw(PLAIN, LADDER_20_TO_1, MIXTURE, 4000)
    assert got.ok.all()
    error = share_of_the_small_mode(got.x) - 0.2
    assert error > 0.2
    assert abs(error - 0.3) < 4 * np.sqrt(0.25 / 4000) + 0.01  # some cross: 0.294 of 200,000


def test_annealed_langevin_has_the_variance_of_the_last_level_in_each_mode():
    x = draw(ANNEALED, LADDER_20_TO_1, MIXTURE, 4000).x
    for mode in (x[x.sum(axis=1) < 0] + 5, x[x.sum(axis=1) > 0] - 5):
        # Modes ten apart overlap by nothing: v = 2, of the step v/(1 - 0.1/(4 v)).
        np.testing.assert_allclose(
            np.mean(mode**2), 2 / (1 - 0.1 / 8), rtol=4 * np.sqrt(2 / mode.size)
        )


def test_diverging_chain_is_not_ok():
    """On the ladder from 10 to 0.1 with the same step, 10 sigma^2 is more than four variances."""
    got = draw(ANNEALED, VE(sigma_min=0.1, sigma_max=10.0), MIXTURE, 50)
    assert not got.ok.any()


# --- promises of a sampler ------------------------------------------------------------------

SMALL = {
    "annealed_langevin": AnnealedLangevin(EPS, False, 3, step_size=0.5, steps_per_level=4),
    "langevin": LangevinDynamics(EPS, False, step_size=0.5, langevin_steps=12),
}


def test_sample_does_not_depend_on_its_position_or_batch_mates():
    run = compiled(SMALL["annealed_langevin"], LADDER_20_TO_1, Hashed(MIXTURE))
    keys = jax.random.split(jax.random.key(0), 64)
    together = run(keys).x
    np.testing.assert_array_equal(run(keys[::-1]).x[::-1], together)
    mates = jax.random.split(jax.random.key(5), 64)
    np.testing.assert_array_equal(run(mates.at[7].set(keys[7])).x[7], together[7])


def test_both_chains_are_samplers_of_the_registry():
    assert {name: SAMPLERS[name] for name in SMALL} == {k: type(v) for k, v in SMALL.items()}


def test_annealed_chain_with_one_level_raises():
    with pytest.raises(ValueError, match="num_scales must be at least 2, got 1"):
        AnnealedLangevin(EPS, num_scales=1)


@pytest.mark.parametrize("denoise", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_score_evaluations_are_counted(name, denoise):
    sampler = type(SMALL[name])(**vars(SMALL[name]) | {"denoise": denoise})
    evaluations = []

    def score_fn(x, t):
        jax.debug.callback(lambda _: evaluations.append(1), t)
        return -x

    got = sampler(BoundModel(LADDER_20_TO_1, score_fn), jnp.ones(2), jax.random.key(0))
    jax.effects_barrier()
    assert int(got.nfe) == len(evaluations) == 12 + denoise


@pytest.mark.parametrize("name", SMALL)
def test_path_starts_at_the_latent_and_ends_at_the_sample(name):
    sampler, sde, z, key = SMALL[name], LADDER_20_TO_1, jnp.array([20.0, -3.0]), jax.random.key(2)
    path = functools.partial(sampler.path, BoundModel(sde, MIXTURE.score_fn(sde)), z, key)
    every, some = path(13), path(4)
    np.testing.assert_array_equal(every[0], z)
    np.testing.assert_array_equal(some, every[::4])
    sample = sampler(BoundModel(sde, MIXTURE.score_fn(sde)), z, key).x
    np.testing.assert_allclose(sample, every[-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("start", "want"),
    [(FromUniform(3.0), 3.0), (FromData(lambda key: jnp.full(2, 0.25)), 0.25)],
)
def test_a_chain_begins_at_its_start(start, want):
    """The cube is filled to its sides, and a datum is taken as it is."""
    sampler = LangevinDynamics(0.3, False, step_size=1e-8, langevin_steps=1, start=start)
    model = BoundModel(VP(), lambda x, t: -x)
    keys = jax.random.split(jax.random.key(0), 500)
    x = jax.vmap(lambda key: sampler(model, jnp.full(2, 9.0), key).x)(keys) / VP().alpha(0.3)
    np.testing.assert_allclose(np.abs(x).max(), want, rtol=0.01)
    if isinstance(start, FromUniform):
        np.testing.assert_allclose(np.std(x), 3 / np.sqrt(3), rtol=0.1)
