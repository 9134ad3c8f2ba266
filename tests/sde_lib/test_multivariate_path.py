"""Tests of noise levels for each dimension, and of the sets that choose them."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.sde_lib import LatentPath, Multivariate, PixelGammaPath
from gradlog.sde_lib.learned_gamma import MonotonePolynomial
from gradlog.sde_lib.multivariate import draw_set, kl_of_draw, kl_of_sets, log_prob_of_set

LOGITS = jnp.array([0.3, -1.0, 2.0, 0.1, 0.0, -0.4])
SIZE, ONES = len(LOGITS), 2


def path(**settings) -> PixelGammaPath:
    process = Multivariate((2, 3), **settings)
    params, keys = process.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 3)
    inside = {name: jax.random.normal(key, (2, 3)) for name, key in zip("abc", keys, strict=True)}
    return process.bind(params | {"inside": inside})


def test_gamma_of_each_dimension_is_its_own_polynomial_between_the_ends():
    found, t = path(), jnp.linspace(0, 1, 101)
    gamma = jax.vmap(found.gamma)(t)
    np.testing.assert_allclose(gamma[0], -13.3, rtol=1e-6)
    np.testing.assert_allclose(gamma[-1], 5.0, rtol=1e-6)
    assert np.all(np.diff(gamma, axis=0) > 0)
    alone = jax.tree.map(lambda leaf: leaf[1, 2], found.inside)
    of_one = PixelGammaPath(-13.3, 5.0, inside=alone, schedule=MonotonePolynomial())
    np.testing.assert_allclose(gamma[:, 1, 2], jax.vmap(of_one.gamma)(t), rtol=1e-5)
    assert np.ptp(gamma[50]) > 1


def test_drift_and_diffusion_are_the_derivatives_of_the_marginals():
    with jax.enable_x64(True):
        found = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), path())
        f, g2 = found.drift_and_diffusion(0.4)
        step = 1e-5
        rate = lambda function: (function(0.4 + step) - function(0.4 - step)) / (2 * step)  # noqa: E731
        np.testing.assert_allclose(f, rate(found.log_alpha), rtol=1e-7)
        variance = rate(lambda t: found.sigma(t) ** 2)
        np.testing.assert_allclose(g2, variance - 2 * f * found.sigma(0.4) ** 2, rtol=1e-7)


def test_only_fixed_ends_are_known_before_training():
    assert Multivariate((2,)).is_fixed_at(0.0)
    assert not Multivariate((2,)).is_fixed_at(1e-3)
    assert not Multivariate((2,), learn_ends=True).is_fixed_at(0.0)


# --- sets ---------------------------------------------------------------------------------------


def sets_by_orders(logits, ones: int = ONES) -> dict[tuple[int, ...], float]:
    """Return the probability of each set: the sum over the orders in which it can be drawn."""
    weights, found = np.exp(np.float64(logits)), {}
    for order in itertools.permutations(range(len(weights)), ones):
        left, probability = weights.sum(), 1.0
        for i in order:
            probability *= weights[i] / left
            left -= weights[i]
        members = tuple(sorted(order))
        found[members] = found.get(members, 0.0) + probability
    return found


def as_array(members) -> jax.Array:
    return jnp.zeros(SIZE).at[jnp.array(members)].set(1.0)


@pytest.mark.parametrize("ones", [ONES, 5])  # by orders, and by an integral
@pytest.mark.parametrize("scale", [0.3, 1.0, 8.0])
def test_kl_is_that_of_the_set_by_enumeration(scale, ones):
    q = np.array(list(sets_by_orders(scale * LOGITS, ones).values()))
    want = np.sum(q * np.log(q)) + math.log(math.comb(SIZE, ones))
    found = float(jax.jit(kl_of_sets, static_argnums=1)(scale * LOGITS, ones))
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    if ones != ONES:
        return
    one = np.asarray(jax.nn.softmax(scale * LOGITS), np.float64)
    categorical = np.sum(one * np.log(one)) + math.log(SIZE)
    assert found > categorical  # a set of two says more than one element
    if scale == 0.3:
        assert 1.5 < found / categorical < 2.5


def test_log_probability_is_that_over_all_orders():
    for members, probability in sets_by_orders(LOGITS).items():
        log_q = log_prob_of_set(LOGITS, as_array(members))
        np.testing.assert_allclose(log_q, math.log(probability), atol=2e-5)


def test_draws_have_these_probabilities():
    count = 20_000
    draws = jax.jit(jax.vmap(lambda key: draw_set(LOGITS, ONES, key)))(
        jax.random.split(jax.random.key(0), count)
    )
    members, frequencies = np.unique(np.asarray(draws), axis=0, return_counts=True)
    wanted = sets_by_orders(LOGITS)
    assert len(members) == len(wanted)
    for row, frequency in zip(members, frequencies, strict=True):
        p = wanted[tuple(np.flatnonzero(row))]
        assert abs(frequency / count - p) < 5 * math.sqrt(p * (1 - p) / count)


def test_kl_of_a_draw_has_the_same_mean_and_gradient():
    keys = jax.random.split(jax.random.key(2), 20_000)

    def drawn(logits, key):
        return kl_of_draw(logits, ONES, draw_set(logits, ONES, key))

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(drawn), (None, 0)))(LOGITS, keys)
    wanted, slope = jax.value_and_grad(kl_of_sets)(LOGITS, ONES)
    for found, want in ((values, wanted), (slopes, slope)):
        error = np.std(found, axis=0) / math.sqrt(len(keys))
        assert np.all(np.abs(np.mean(found, axis=0) - want) < 4 * error)


def test_gamma_sees_the_datum_only_through_the_latent():
    process = Multivariate((2, 3), latents=SIZE, latent_ones=ONES)
    params = process.init(jax.random.key(0))
    kernel = params["map"]["layers_2"]["kernel"]
    params["map"]["layers_2"]["kernel"] = jax.random.normal(jax.random.key(1), kernel.shape)
    bound = process.bind(params)
    assert isinstance(bound, LatentPath)
    seen = {}
    for seed in range(8):
        x = jax.random.normal(jax.random.key(seed), (2, 3))
        z, _ = bound.encode(x, jax.random.key(seed))
        assert np.sum(z) == ONES
        gamma = np.asarray(bound.given(z).gamma(0.5))
        np.testing.assert_array_equal(seen.setdefault(tuple(np.asarray(z)), gamma), gamma)
    assert len({gamma.tobytes() for gamma in seen.values()}) == len(seen) > 1
    assert np.sum(bound.draw(jax.random.key(9))) == ONES


@pytest.mark.parametrize(
    ("wrong", "name"), [({"gamma_min": 6.0}, "gamma_min"), ({"latents": 2}, "latent_ones")]
)
def test_wrong_settings_raise(wrong, name):
    with pytest.raises(ValueError, match=name):
        Multivariate((2,), **wrong)
