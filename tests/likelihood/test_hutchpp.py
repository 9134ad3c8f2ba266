"""Tests of Hutch++ on matrices of known range and spectrum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.likelihood import HutchPP, Rademacher

DIMS, MANY = 24, 20_000
RNG = np.random.default_rng(0)
BASIS = np.linalg.qr(RNG.normal(size=(DIMS, DIMS)))[0]
DECAYING = ((BASIS * 2.0 ** -np.arange(DIMS)) @ BASIS.T).astype(np.float32)
DENSE = RNG.normal(size=(DIMS, DIMS)).astype(np.float32)
X = jnp.ones(DIMS)


def draws_of(divergence, matrix, seed=0):
    def run(matrix, key):
        return divergence(lambda x: matrix @ x, X, divergence.draw(key, X.shape))[1]

    return np.asarray(jax.jit(run)(matrix, jax.random.key(seed)), np.float64)


@pytest.mark.parametrize("rank", [3, 5, DIMS])
@pytest.mark.parametrize("symmetric", [True, False])
def test_trace_is_exact_if_the_sketch_contains_the_range(rank, symmetric):
    """Also if it contains more than the range, so that the factorization is rank deficient."""
    left = RNG.normal(size=(DIMS, 3))
    right = left if symmetric else RNG.normal(size=(DIMS, 3))
    matrix = (left @ right.T).astype(np.float32)
    draws = draws_of(HutchPP(probes=4, rank=rank), matrix)
    # Rounding of float32 in products of matrices of norm 30.
    np.testing.assert_allclose(draws, np.trace(matrix), rtol=0, atol=2e-4)


def test_zero_jacobian_has_zero_trace():
    np.testing.assert_array_equal(draws_of(HutchPP(probes=2), np.zeros((DIMS, DIMS))), 0)


@pytest.mark.parametrize("matrix", [DENSE, DECAYING], ids=["dense", "decaying"])
def test_estimate_for_a_fixed_sketch_is_unbiased_with_the_stated_variance(matrix):
    divergence = HutchPP(probes=MANY, rank=4)
    draws = draws_of(divergence, matrix)
    sketch = np.asarray(divergence.draw(jax.random.key(0), X.shape)[0], np.float64)
    Q = np.linalg.qr(matrix @ sketch.T)[0]
    rest = np.eye(DIMS) - Q @ Q.T
    residual = rest @ (matrix + matrix.T) / 2 @ rest
    want = 2 * np.sum((residual - np.diag(np.diag(residual))) ** 2)
    deviation = draws - draws.mean()
    variance = np.mean(deviation**2)
    assert abs(draws.mean() - np.trace(matrix)) < 4 * np.sqrt(variance / MANY)
    error = np.sqrt((np.mean(deviation**4) - variance**2) / MANY)
    assert abs(variance - want) < 4 * error


def test_estimate_beats_random_signs_if_the_spectrum_decays():
    """With 17 products each: a sketch of rank 8 and one probe, against 17 independent probes."""
    divergence = HutchPP(probes=1, rank=8)

    def one(key):
        return divergence(lambda x: DECAYING @ x, X, divergence.draw(key, X.shape))[1][0]

    keys = jax.random.split(jax.random.key(1), 2000)
    draws = np.asarray(jax.jit(jax.vmap(one))(keys), np.float64)
    assert abs(draws.mean() - np.trace(DECAYING)) < 4 * draws.std() / np.sqrt(len(draws))
    # A sketch of k + p = 6 + 2 columns leaves a squared norm of at most (1 + k/(p - 1)) times that
    # of all but the first k (Halko et al. 2011, theorem 10.5). Measured: a 25th of that.
    bound = 2 * 7 * np.sum(4.0 ** -np.arange(6, DIMS))
    assert draws.var() < bound
    independent = draws_of(Rademacher(MANY), DECAYING).var() / divergence.products(DIMS)
    assert draws.var() < independent / 100


def test_mean_gradient_is_that_of_the_trace():
    """The derivative of the trace of ``c A`` in c is tr A, also for a rank deficient sketch."""
    divergence = HutchPP(probes=MANY, rank=4)

    def estimate(scale, matrix):
        probes = divergence.draw(jax.random.key(0), X.shape)
        draws = divergence(lambda x: scale * (matrix @ x), X, probes)[1]
        return jnp.mean(draws), jnp.std(draws) / np.sqrt(MANY)

    slope, error = jax.jit(jax.grad(estimate, has_aux=True))(1.0, DENSE)
    assert abs(slope - np.trace(DENSE)) < 4 * error
    low_rank = DENSE.copy()
    low_rank[2:] = 0
    slope, _ = jax.jit(jax.grad(estimate, has_aux=True))(1.0, low_rank)
    np.testing.assert_allclose(slope, np.trace(low_rank), rtol=0, atol=1e-3)


def test_sketch_larger_than_the_data_raises():
    with pytest.raises(ValueError, match=r"needs rank <= 2, the dimensions .* got rank = 8"):
        HutchPP().draw(jax.random.key(0), (2,))
