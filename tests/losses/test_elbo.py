"""Tests of the bound as an objective: its value, and its gradient by f, g and s."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from jax.tree_util import Partial
from making import MIXTURE, wrong_score

from gradlog.distributions import Gaussian
from gradlog.losses import ELBO_FORMS, EvidenceBound, UniformLogRho, UniformTime
from gradlog.losses.stored_bound import RECONSTRUCTIONS
from gradlog.losses.variance import replace_inside
from gradlog.models import BoundModel
from gradlog.models.dequantizers import Uniform
from gradlog.sde_lib import VE, VP, LearnedGamma, LearnedNumbers

LAW = Gaussian(jnp.array([0.3, -0.5]), jnp.array([0.4, 0.8]))
X = jnp.array([0.7, -0.1])
GAMMA = LearnedGamma(-8.0, 4.0, learn_ends=True)
LOG_2PI = math.log(2 * math.pi)


def bent(key: int = 1) -> dict[str, Any]:
    """Return parameters of a schedule that is no straight line."""
    params = GAMMA.init(jax.random.key(0))
    bias = params["inside"]["bias"]
    inside = params["inside"] | {"l3": 2.0 * jax.nn.sigmoid(bias), "l1": jnp.float32(0.3)}
    return params | {"inside": inside}


PATHS = {"vp": (VP(), 1e-2), "ve": (VE(), 1e-2), "gamma": (GAMMA.bind(bent()), 0.0)}


def elbo(form: str = "dsm", proposal=None, eps: float = 0.0, **settings) -> EvidenceBound:
    integrand, offset = ELBO_FORMS[form]
    return EvidenceBound(integrand(), offset, proposal or UniformTime(), eps, **settings)


def gaussian_model(process, gain: float = 1.0) -> BoundModel:
    """Return the model with ``gain`` times the exact score; it is a function of x and log rho."""
    score = lambda process, gain, x, t: gain * LAW.score_fn(process)(x, t)  # noqa: E731
    return BoundModel(process, Partial(score, process, gain))


@jax.jit
def numbers_of(process, eps):
    """Return log rho at both ends, then alpha and sigma at the last, and the prior's std."""
    t_max = process.t_max
    log_rho = process.log_rho(eps), process.log_rho(t_max)
    return *log_rho, process.alpha(t_max), process.sigma(t_max), process.prior_std


def closed_bound(process, eps: float, x, gain: float = 1.0, nodes: int = 2000) -> np.ndarray:
    """Return the expectation of the bound at x in nats per dimension, by quadrature in log rho."""
    mean, variance = (np.asarray(a, np.float64) for a in (LAW.mean, LAW.std**2))
    x, d = np.asarray(x, np.float64), np.shape(x)[-1]
    low, high, alpha, sigma, prior_std = map(float, numbers_of(process, eps))

    def square(log_rho):
        """``E||sigma s + z||^2``, where ``sigma s = -gain rho (y - mean) / (variance + rho^2)``."""
        rho = np.exp(log_rho)[..., None]
        pull = gain * rho / (variance + rho**2)
        off = (x - mean)[..., None, :]
        return np.sum((pull * off) ** 2 + (1 - pull * rho) ** 2, axis=-1)

    levels = low + (np.arange(nodes) + 0.5) / nodes * (high - low)
    diffusion = np.mean(square(levels), axis=-1) * (high - low)
    scaled = np.array([alpha, sigma]) / prior_std
    prior = 0.5 * np.sum((scaled[0] * x) ** 2 + scaled[1] ** 2 - 1 - 2 * np.log(scaled[1]), axis=-1)
    reconstruction = 0.5 * square(np.array([low]))[..., 0] + d * (low + 0.5 * LOG_2PI)
    return (prior + diffusion + reconstruction) / d


@functools.partial(tiny.optimized, static_argnums=0)
def losses(objective: EvidenceBound, model: BoundModel, x, keys):
    """Return losses of one point with stratified times."""
    u = (jnp.arange(len(keys)) + 0.5) / len(keys)
    return jax.vmap(lambda u, key: objective(model, x, u, key))(u, keys)


# --- the value --------------------------------------------------------------------------------


# That the other form has the same mean, the next test shows.
@pytest.mark.parametrize("name", PATHS)
def test_mean_is_the_closed_form(name):
    process, eps = PATHS[name]
    proposal = UniformTime() if name == "gamma" else UniformLogRho()
    found = losses(
        elbo(proposal=proposal, eps=eps),
        gaussian_model(process, 0.8),
        X,
        jax.random.split(jax.random.key(0), 20_000),
    ).value
    error = np.std(found) / math.sqrt(len(found))  # stratification only makes it smaller
    assert abs(np.mean(found) - closed_bound(process, eps, X, 0.8)) < 4 * error
    assert error < 0.06


def test_forms_agree_for_a_score_that_is_not_linear():
    """The score is wrong, and its Jacobian is not symmetric in the data's law."""
    model = BoundModel(VP(), wrong_score(VP(), 0.5))
    keys = jax.random.split(jax.random.key(1), 20_000)
    xs = jax.vmap(MIXTURE.sample)(jax.random.split(jax.random.key(2), len(keys)))

    dsm, ssm = (elbo(form, UniformLogRho(), 1e-2) for form in ("dsm", "ssm"))
    both = lambda *row: dsm(model, *row).value - ssm(model, *row).value  # noqa: E731
    u = (jnp.arange(len(keys)) + 0.5) / len(keys)
    difference = tiny.optimized(jax.vmap(both))(xs, u, keys)
    assert abs(np.mean(difference)) < 3 * np.std(difference) / math.sqrt(len(keys))


def test_stored_levels_are_counted_in_nats_of_their_probability():
    """Uniform data have ``log levels`` nats per level, of which a good model pays little more."""
    levels, keys = 4, jax.random.split(jax.random.key(3), 4000)
    law = Gaussian(jnp.zeros(1), jnp.full(1, 0.577))  # variance 1/3, that of [-1, 1]
    process = LearnedGamma(-8.0, 4.0).initial()
    model = BoundModel(process, law.score_fn(process), Uniform(levels))
    x = jax.random.randint(jax.random.key(4), (len(keys), 1), 0, levels)
    u = (jnp.arange(len(keys)) + 0.5) / len(keys)
    found = tiny.optimized(jax.vmap(lambda *row: elbo()(model, *row).value))(x, u, keys)
    # The cross-entropy of the two laws over [-1, 1], and the bits of the four levels.
    gaussian = 0.5 * math.log(2 * math.pi / 3) + 0.5
    wanted = gaussian + math.log(levels / 2)
    assert abs(np.mean(found) - wanted) < 4 * np.std(found) / math.sqrt(len(keys)) + 0.005
    assert wanted > math.log(levels)


# --- the gradient by the schedule ---------------------------------------------------------------


@tiny.optimized
@jax.grad
def gradient_of_the_mean(params, x, told):
    """Return the gradient by the process of the mean over times, with one noise."""
    u, key = (jnp.arange(2048) + 0.5) / 2048, jax.random.key(5)
    process = GAMMA.bind(params)
    exact = gaussian_model(process).score_fn

    def score(x, t):
        return (1 - told) * exact(x, t) - told * x * (1 - 0.5 * t)

    model, objective = BoundModel(process, score), elbo(variance_training=False)
    return jnp.mean(jax.vmap(lambda u: objective(model, x, u, key).value)(u))


def gradient(params, told_the_time: float):
    """Return it in float64, for the exact score, or for one that does not follow the schedule."""
    with jax.enable_x64(True):
        params, x = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), (params, X))
        return jax.device_get(gradient_of_the_mean(params, x, told_the_time))


def test_bound_does_not_depend_on_the_inside_of_the_schedule():
    """The sum of the gradients of all u is that of an integral along gamma, for each noise."""
    found = gradient(bent(), 0.0)
    for leaf in jax.tree.leaves(found["inside"]):
        np.testing.assert_allclose(leaf, 0, atol=1e-4)
    assert all(abs(leaf) > 1e-2 for leaf in found["ends"].values())


def test_bound_depends_on_the_inside_if_the_score_is_told_the_time():
    found = gradient(bent(), 1.0)
    assert max(np.abs(leaf).max() for leaf in found["inside"].values()) > 5e-3


def test_gradient_by_the_ends_is_that_of_the_closed_form():
    """Averaged over noises; both ends are charged. So narrow a range leaves much to gain."""
    ends = {"gamma_min": jnp.float32(-2.0), "log_range": jnp.float32(math.log(3.0))}
    params, step = bent() | {"ends": ends}, 1e-2
    keys = jax.random.split(jax.random.key(6), 10_000)

    @tiny.optimized
    def by_ends(keys):
        u = (jnp.arange(len(keys)) + 0.5) / len(keys)

        def one(ends, u, key):
            model = gaussian_model(GAMMA.bind(params | {"ends": ends}))
            return elbo()(model, X, u, key).value

        return jax.vmap(jax.grad(one), (None, 0, 0))(params["ends"], u, keys)

    def closed(name, shift):
        ends = params["ends"] | {name: params["ends"][name] + shift}
        return closed_bound(GAMMA.bind(params | {"ends": ends}), 0.0, X)

    for name, found in by_ends(keys).items():
        slope = (closed(name, step) - closed(name, -step)) / (2 * step)
        error = np.std(found) / math.sqrt(len(found))
        assert abs(np.mean(found) - slope) < 4 * error + 1e-3
        assert abs(slope) > 4 * error


def test_inside_gets_twice_the_loss_times_its_gradient_and_nothing_else_does():
    params, key, u = bent(), jax.random.key(7), jnp.float32(0.4)

    @jax.jit
    def by_all(params, gain):
        def value(params, gain, trains):
            model = gaussian_model(GAMMA.bind(params), gain)
            found = elbo(variance_training=trains)(model, X, u, key)
            return found.value, found.metrics["diffusion"]

        return [jax.grad(value, (0, 1), has_aux=True)(params, gain, v) for v in (False, True)]

    ((plain, by_gain), _), ((found, by_gain_too), loss) = by_all(params, 0.9)
    loss *= 1 - RECONSTRUCTIONS  # of the draw itself
    wanted = plain | {"inside": jax.tree.map(lambda leaf: 2 * loss * leaf, plain["inside"])}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, wanted)
    np.testing.assert_allclose(by_gain, by_gain_too, rtol=1e-5)


def test_inside_of_every_process_in_a_tree_is_replaced():
    model = dataclasses.replace(gaussian_model(GAMMA.bind(bent())), condition=3)
    inside = jax.tree.map(lambda leaf: 2 * leaf, model.process.inside)
    found = replace_inside(model, {"inside": inside})
    assert found.condition == 3
    assert found.process.gamma_max == model.process.gamma_max
    for process in (found.process, found.score_fn.args[0]):
        np.testing.assert_allclose(process.inside["l1"], 0.6, rtol=1e-6)


def descend(loss, params, rate: float, steps: int):
    """Return the last parameters and the metrics of all steps of Adam on ``loss(params, key)``."""
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def advance(carry, key):
        params, state = carry
        grads, metrics = jax.grad(loss, has_aux=True)(params, key)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), metrics

    keys = jax.random.split(jax.random.key(8), steps)
    run = tiny.optimized(lambda start: jax.lax.scan(advance, start, keys))
    (params, _), metrics = run((params, optimizer.init(params)))
    return params, np.asarray(metrics)


def losses_of_a_batch(model: BoundModel, law: Gaussian, key, batch: int = 256):
    """Return the losses of data of a law at stratified times."""
    data_keys, keys = jax.random.split(key, (2, batch))
    u = (jnp.arange(batch) + jax.random.uniform(key, (batch,))) / batch
    xs = jax.vmap(law.sample)(data_keys)
    return jax.vmap(lambda *row: elbo()(model, *row))(xs, u, keys)


def test_variance_training_finds_the_best_density_of_noise_levels():
    """It is proportional to ``sqrt(E[l^2 | log rho])``, l being the loss per log rho.

    For one dimension and the exact score, ``sigma s + z`` is Gaussian with the variance ``w = v /
    (v + rho^2)`` over data and noise, so the density is proportional to w, and its cumulative has a
    closed form.
    """
    variance, low, high = 0.3, -4.0, 1.0
    law = Gaussian(jnp.zeros(1), jnp.full(1, math.sqrt(variance)))
    process = LearnedGamma(low, high, schedule_features=16)

    def loss(params, key):
        path = process.bind(params)
        score = Partial(lambda path, x, t: law.score_fn(path)(x, t), path)
        found = losses_of_a_batch(BoundModel(path, score), law, key)
        draws = found.metrics["diffusion"][int(RECONSTRUCTIONS * 256) :]
        return jnp.mean(found.value), jnp.var((1 - RECONSTRUCTIONS) * draws)

    params, variances = descend(loss, process.init(jax.random.key(0)), 0.1, 150)

    def cumulative(gamma):
        """``int w d(log rho) = log rho - 1/2 log(v + rho^2)``."""
        return 0.5 * gamma - 0.5 * np.log(variance + np.exp(gamma))

    t = np.linspace(0, 1, 21)
    gamma = np.asarray(jax.vmap(process.bind(params).gamma)(jnp.asarray(t, jnp.float32)))
    total = cumulative(high) - cumulative(low)
    np.testing.assert_allclose((cumulative(gamma) - cumulative(low)) / total, t, atol=0.05)
    straight = (cumulative(low + t * (high - low)) - cumulative(low)) / total
    assert np.max(np.abs(straight - t)) > 0.2
    # The mean is ``int w``, and ``E[l^2]`` of the best density three times its square. The variance
    # of 50 batches has an error of some 3 %; an even density has 5.26 in place of 3.78.
    np.testing.assert_allclose(np.mean(variances[-50:]), 2 * total**2, rtol=0.1)


# --- f, g and s together -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ELBO_FORMS)
def test_gradient_by_f_g_and_s_is_the_closed_one_of_a_linear_model(form):
    """``beta_max`` moves drift and diffusion of VP; the gain is the score's."""
    learned, eps, keys = LearnedNumbers(VP(), ("beta_max",)), 1e-2, 10_000

    def one(log_beta_max, gain, u, key):
        process = learned.bind({"log_beta_max": log_beta_max})
        return elbo(form, UniformLogRho(), eps)(gaussian_model(process, gain), X, u, key).value

    at, gain, step = math.log(1.0), 0.8, 1e-2
    u = (jnp.arange(keys) + 0.5) / keys
    each = tiny.optimized(jax.vmap(jax.grad(one, (0, 1)), (None, None, 0, 0)))
    found = each(at, gain, u, jax.random.split(jax.random.key(9), keys))

    def closed(shift, gain_shift):
        process = VP(beta_max=math.exp(at + shift))
        return closed_bound(process, eps, X, gain + gain_shift)

    wanted = (
        (closed(step, 0) - closed(-step, 0)) / (2 * step),
        (closed(0, step) - closed(0, -step)) / (2 * step),
    )
    for draws, slope in zip(found, wanted, strict=True):
        error = np.std(draws) / math.sqrt(keys)
        assert abs(np.mean(draws) - slope) < 4 * error + 1e-3
        assert abs(slope) > 4 * error


def test_joint_training_reaches_the_entropy_and_a_fixed_process_cannot():
    """The process is so short that its prior does not hold, and so noisy at its start."""
    process = LearnedGamma(-3.0, 0.0, schedule_features=4, learn_ends=True)
    entropy = float(np.mean(0.5 * np.log(2 * np.pi * np.e * np.asarray(LAW.std) ** 2)))

    def loss(params, key):
        def score_fn(path, score, x, t):
            return Gaussian(score["mean"], jnp.exp(score["log_std"])).score_fn(path)(x, t)

        path = process.bind(params["process"])
        model = BoundModel(path, Partial(score_fn, path, params["score"]))
        value = jnp.mean(losses_of_a_batch(model, LAW, key).value)
        return value, value

    score = {"mean": jnp.zeros(2), "log_std": jnp.zeros(2)}
    first = {"process": process.init(jax.random.key(0)), "score": score}
    _, values = descend(loss, first, 0.1, 200)
    # The mean of 50 batches of 256 stratified draws has an error below 0.01.
    assert abs(np.mean(values[-50:]) - entropy) < 0.04
    # With a fixed process, the best score is the exact one.
    xs = jax.vmap(LAW.sample)(jax.random.split(jax.random.key(1), 500))
    fixed = closed_bound(process.initial(), 0.0, xs, nodes=200)
    above = fixed + np.asarray(jax.vmap(LAW.log_density)(xs)) / 2  # mean: the gap
    assert np.mean(above) - 4 * np.std(above) / math.sqrt(500) > 0.05
