"""Codecs of laws that are known: every image comes back, and the bits are those of the law."""

import jax
import numpy as np
import pytest
import tokens

from gradlog.codec import (
    BitsBack,
    Categorical,
    Even,
    GridNormal,
    MaskedTokens,
    NotFiniteError,
    Stack,
)

RNG = np.random.default_rng(0)
LEVELS = 9
CENTERS = (2 * np.arange(LEVELS) + 1) / LEVELS - 1


def quiet(done):
    del done


def bits(blocks):
    """Return the bits that images added to the stacks."""
    return sum(32 * (len(block.words) - block.initial) for block in blocks)


LAWS = {
    "categorical": (Categorical(RNG.dirichlet(np.ones(5), 40)), 0, 4),
    "even": (Even(np.arange(2, 42)), 0, 1),
    "normal": (GridNormal(RNG.uniform(-300, 300, 40), 8.0, -500, 500), -500, 500),
    "short normal": (GridNormal(RNG.uniform(-20, 20, 40), 8.0, -60, 60), -60, 60),
}


@pytest.mark.parametrize("name", LAWS)
def test_push_and_pop_undo_each_other(name):
    """Also at the ends of the range, and for words that no symbol would have written."""
    law, low, high = LAWS[name]
    for symbols in (RNG.integers(low, high + 1, 40), np.full(40, low), np.full(40, high)):
        stack = Stack()
        stack.push(symbols, law)
        np.testing.assert_array_equal(stack.pop(law), symbols)
        assert len(stack.words()) == 0
    for words in (np.zeros(90), np.full(90, 2**32 - 1), RNG.integers(0, 2**32, 90)):
        start = np.append(words, 1).astype(np.uint32)
        stack = Stack(start)
        symbols = stack.pop(law)
        assert low <= symbols.min()
        stack.push(symbols, law)
        np.testing.assert_array_equal(stack.words(), start)


@pytest.mark.parametrize("name", LAWS)
def test_the_stack_grows_by_the_bits_of_the_law(name):
    law, *_ = LAWS[name]
    random = np.append(RNG.integers(0, 2**32, 99), 1).astype(np.uint32)
    stack = Stack(random, counts=True)
    symbols = [stack.pop(law) for _ in range(3)]
    assert stack.mass_bits < 0
    for each in reversed(symbols):
        stack.push(each, law)
    np.testing.assert_allclose(stack.mass_bits, 0, atol=1e-6)
    for _ in range(100):
        stack.push(symbols[0], law)
    np.testing.assert_allclose(32 * (len(stack.words()) - 100), stack.mass_bits, atol=33)


def test_a_latent_is_popped_from_far_away_as_rarely_as_by_its_law():
    """Beyond seven standard deviations, 2^-39: each such latent costs hundreds of bits later on."""
    law = GridNormal(np.zeros(100), 4.0, -500, 500)
    for symbols in (np.full(100, 40), np.full(100, -40)):
        stack = Stack()
        stack.push(symbols, law)
        assert 32 * len(stack.words()) > 39 * 100


def markov(length, rows, group):
    """Return a codec with the exact conditionals of a Markov chain of three tokens."""
    chain = tokens.chain(length, 3)
    logits = jax.jit(jax.vmap(chain.logits))

    def probs(visible, places):
        every = np.exp(np.asarray(logits(visible)))
        return np.take_along_axis(every, places[..., None], axis=1)

    return chain, MaskedTokens(probs, rows, length, 3, group)


def test_a_markov_chain_takes_its_log_probability():
    chain, codec = markov(length=6, rows=150, group=1)
    x = np.asarray(jax.vmap(chain.sample)(jax.random.split(jax.random.key(0), 400)))
    blocks = codec.encode(x, quiet)
    assert [block.images for block in blocks] == [150, 150, 100]
    np.testing.assert_array_equal(np.concatenate(codec.decode(blocks, quiet)), x)
    truth = -float(jax.vmap(chain.log_prob)(x).sum()) / np.log(2)
    np.testing.assert_allclose(sum(block.mass_bits for block in blocks), truth, rtol=1e-4)
    np.testing.assert_allclose(bits(blocks), truth, atol=48 * len(blocks))


def test_groups_come_back_and_cost_bits():
    """Six positions in groups of four: the last group is short."""
    chain, one = markov(length=6, rows=40, group=1)
    _, four = markov(length=6, rows=40, group=4)
    x = np.asarray(jax.vmap(chain.sample)(jax.random.split(jax.random.key(1), 40)))
    blocks = four.encode(x, quiet)
    np.testing.assert_array_equal(np.concatenate(four.decode(blocks, quiet)), x)
    assert blocks[0].mass_bits > one.encode(x, quiet)[0].mass_bits + 1


# --- a chain of Gaussian latents ----------------------------------------------------------------

RHOS = np.geomspace(0.04, 20, 41)
PRIOR_STD = np.sqrt(1 + RHOS[-1] ** 2)


def support(uniform):
    """Return points that stand for a datum that is even in its space: levels, or all between."""
    return (2 * np.arange(LEVELS * 12) + 1) / (LEVELS * 12) - 1 if uniform else CENTERS


def denoise(y, i, uniform):
    points = support(uniform)
    logits = -0.5 * ((np.asarray(y, float)[..., None] - points) / RHOS[i]) ** 2
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights @ points / weights.sum(axis=-1)


def bound(uniform, fitted):
    """Return the variational bound of the chain in bits/dim, by sums over a grid.

    Its steps are ``r_i/2``, ``r_i = (rho_i^2 / rho_{i-1}^2 - 1) mmse_i / rho_i^2`` (Kingma et al.
    2021, eq. 14), or ``log(1 + r_i)/2`` with the best variance (Bao et al. 2022, theorem 1).
    """
    points = support(uniform)

    def mean_over_y(function, i):
        z = np.linspace(-6, 6, 121)
        weights = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
        return np.mean([weights @ function(x, x + RHOS[i] * z) for x in points])

    def mmse(i):
        return mean_over_y(lambda x, y: (denoise(y, i, uniform) - x) ** 2, i)

    errors = np.array([mmse(i) / RHOS[i] ** 2 for i in range(1, len(RHOS))])
    steps = (RHOS[1:] ** 2 / RHOS[:-1] ** 2 - 1) * errors
    nats = 0.5 * (np.log1p(steps) if fitted else steps).sum()
    ratio = RHOS[-1] / PRIOR_STD
    end = np.mean(points**2) / PRIOR_STD**2
    nats += 0.5 * (ratio**2 + end - 1) - np.log(ratio)
    if uniform:
        level = CENTERS[1] - CENTERS[0]
        last = mmse(0) / RHOS[0] ** 2 + np.log(2 * np.pi * RHOS[0] ** 2)
        return (nats + 0.5 * last - np.log(level)) / np.log(2)

    def surprise(x, y):
        logits = -0.5 * ((y[:, None] - CENTERS) / RHOS[0]) ** 2
        return np.log(np.exp(logits).sum(axis=1)) + 0.5 * ((y - x) / RHOS[0]) ** 2

    return (nats + mean_over_y(surprise, 0)) / np.log(2)


@pytest.mark.parametrize(
    ("uniform", "knots"), [(False, 40), (True, 0)], ids=["decoder, fitted", "uniform, even"]
)
def test_a_chain_takes_its_variational_bound(uniform, knots):
    """The last block is shorter, and one row of the second batch is idle."""
    codec = BitsBack(
        *(lambda y, i: denoise(y, i, uniform), RHOS, PRIOR_STD, CENTERS, uniform),
        **{"images": 30, "rows": 2, "length": 16, "knots": knots},
    )
    x = RNG.integers(0, LEVELS, (75, 16))
    blocks = codec.encode(x, quiet)
    assert [block.images for block in blocks] == [30, 30, 15]
    np.testing.assert_array_equal(np.concatenate(codec.decode(blocks, quiet)), x)
    mass = sum(block.mass_bits for block in blocks)
    # A path costs about sqrt(2 gap) nats more or less, with a gap of 0.4 nats/dim to the entropy.
    error = np.sqrt(2 * 0.4 / x.size) / np.log(2)
    stored = 8 * knots * len(blocks)
    expected = bound(uniform, knots > 0)
    np.testing.assert_allclose((mass - stored) / x.size, expected, rtol=0, atol=4 * error)
    np.testing.assert_allclose(bits(blocks), mass, rtol=0, atol=48 * len(blocks))


def test_levels_of_a_mixture_take_their_entropy():
    """To 1 % in a hundred steps, beside the initial bits."""
    levels = 17
    centers = (2 * np.arange(levels) + 1) / levels - 1
    weights = np.exp(-0.5 * ((centers[:, None] - [-0.45, 0.45]) / 0.25) ** 2).sum(axis=1)
    probs, rhos = weights / weights.sum(), np.geomspace(0.03, 4, 101)

    def mean(y, i):
        logits = np.log(probs) - 0.5 * ((np.asarray(y, float)[..., None] - centers) / rhos[i]) ** 2
        posterior = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return posterior @ centers / posterior.sum(axis=-1)

    prior_std = np.sqrt(probs @ centers**2 + rhos[-1] ** 2)
    codec = BitsBack(mean, rhos, prior_std, centers, False, images=16, rows=1, length=1024, knots=9)
    x = RNG.choice(levels, (16, 1024), p=probs)
    blocks = codec.encode(x, quiet)
    np.testing.assert_array_equal(codec.decode(blocks, quiet)[0], x)
    truth = -np.log2(probs[x]).sum()
    assert truth < bits(blocks) < 1.01 * truth


@pytest.mark.parametrize("knots", [0, 3])
def test_a_network_that_is_not_finite_is_refused(knots):
    codec = BitsBack(
        *(lambda y, i: y * np.nan, np.geomspace(0.02, 5, 4), 5.1, CENTERS, False),
        **{"images": 2, "rows": 1, "length": 16, "knots": knots},
    )
    with pytest.raises(NotFiniteError):
        codec.encode(np.zeros((2, 16), int), quiet)


def test_a_latent_far_from_its_mean_costs_an_escape_and_no_error():
    """A network that denoises to the wrong side."""
    codec = BitsBack(
        *(lambda y, i: -np.sign(y), np.geomspace(0.02, 5, 4), 5.1, CENTERS, False),
        **{"images": 9, "rows": 1, "length": 16},
    )
    x = RNG.integers(0, LEVELS, (9, 16))
    np.testing.assert_array_equal(codec.decode(codec.encode(x, quiet), quiet)[0], x)
