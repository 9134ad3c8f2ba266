"""Tests of a bound model: a pytree of a process and its score, whose numbers can be trained."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gradlog.distributions import Gaussian
from gradlog.experiment.build import check_config
from gradlog.likelihood import LIKELIHOODS, ImportanceWeighted, make_bound
from gradlog.losses import Loss, example_keys
from gradlog.models import BoundModel, DiffusionModel, Noise, QuarterLogRho, Uniform
from gradlog.models.networks import MLP
from gradlog.sampling import DDIM, SAMPLERS
from gradlog.sde_lib import VE, VP, LearnedNumbers, Process, check_process
from gradlog.training import ParameterGroup, ScoreModelTraining, TrainStep, init_state

SHAPE = (2,)
LAW = Gaussian(jnp.array([2.0, -2.0]), jnp.array([0.3, 0.3]))


def network_model(process=VP()):  # noqa: B008
    network = MLP(hidden=16, num_layers=1, embedding=8, dropout=0.0, init_scale=0.1)
    return DiffusionModel(process, network, Noise(), QuarterLogRho())


def test_bound_model_can_be_an_argument_of_a_jitted_function():
    traces = []

    @jax.jit
    def score(model, x):
        traces.append(model)
        return model.score(x, 0.5)

    model, x = network_model(), jnp.array([0.3, -1.0])
    first, second = (tiny.init(model, SHAPE, seed) for seed in (0, 1))
    found = [score(model.bind(params), x) for params in (first, second)]
    assert len(traces) == 1
    assert not np.allclose(*found)
    np.testing.assert_allclose(found[0], model.bind(first).score(x, 0.5), rtol=1e-5)


def test_process_that_is_no_pytree_is_refused_by_name():
    class Undecorated(VP):
        pass

    model = network_model(Undecorated())
    with pytest.raises(TypeError, match="Undecorated"):
        model.bind(model.init(jax.random.key(0), SHAPE))


def test_a_program_that_calls_a_score_several_times_traces_the_network_once():
    traces = []

    class Counted(Noise):
        def __call__(self, process, network_fn):
            traces.append(network_fn)
            return super().__call__(process, network_fn)

    model = replace(network_model(), parametrization=Counted())
    bound = model.bind(tiny.init(model, SHAPE))

    @jax.jit
    def twice_with_a_derivative(x, t):
        score = lambda x: bound.score(x, t)  # noqa: E731
        return bound.score(x, 0.5), jax.jvp(score, (x,), (x,))

    twice_with_a_derivative(jnp.array([0.3, -1.0]), 0.7)
    assert len(traces) == 1


def test_known_distribution_is_a_model_too():
    model = BoundModel(VP(), LAW.score_fn(VP()), Uniform(4))
    x = jnp.array([0.3, -1.0])
    np.testing.assert_array_equal(model.score(x, 0.5), LAW.score_fn(VP())(x, 0.5))
    x0, log_q = model.dequantize(jax.random.key(0), jnp.array([0, 3]))
    np.testing.assert_array_equal(model.to_data(x0), [0, 3])
    assert log_q == 0
    assert model.log_scale == pytest.approx(np.log(2))


def test_parameters_come_in_groups_and_empty_groups_vanish():
    assert tiny.init(network_model(), SHAPE).keys() == {"network"}
    learned = network_model(LearnedNumbers(VP(), ("beta_max",)))
    params = tiny.init(learned, SHAPE)
    assert params.keys() == {"network", "process"}
    process = learned.bind(params).process
    assert isinstance(process, VP)
    assert process.beta_max == pytest.approx(20.0)


@pytest.mark.parametrize("name", ["beta_mx", "prior_std"])
def test_only_positive_numbers_of_the_process_can_be_learned(name):
    process = VE(sigma_max=-1.0) if name == "prior_std" else VP()
    with pytest.raises(ValueError, match=name):
        LearnedNumbers(process, (name,))


def test_process_of_another_kind_raises_in_one_line():
    check_process(DDIM(10, 1e-3), VP())
    with pytest.raises(ValueError, match=r"DDIM .* GaussianPath, got Process"):
        check_process(DDIM(10, 1e-3), Process())


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_refuses_a_process_without_a_score(name):
    made = check_config(tiny.points(**{"sampling.name": name})).sampler
    check_process(made, LearnedNumbers(VP(), ("beta_max",)))
    with pytest.raises(ValueError, match=f"^{type(made).__name__} .*got Process"):
        check_process(made, Process())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_estimator_refuses_a_process_without_a_score(name):
    stored = check_config(tiny.points(**{"likelihood.name": name})).estimators[name].likelihood
    for made in (stored, stored.likelihood, ImportanceWeighted(stored.likelihood)):
        check_process(made, LearnedNumbers(VP(), ("beta_max",)))
        with pytest.raises(ValueError, match=f"^{type(made).__name__} .*got Process"):
            check_process(made, Process())


def test_a_strategy_that_names_no_process_accepts_every_one():
    check_process(lambda model, xs, keys: None, Process())


# --- a process with a trained number --------------------------------------------------------

BOUND = make_bound(8, 1e-3)


@dataclass(frozen=True)
class NegativeBound:
    """Minus the variational bound with all its parts, in nats per dimension."""

    def __call__(self, model, x, u, key, condition=None):
        del u, condition
        keys = example_keys(key)
        x0, log_q = model.dequantize(keys.dequantization, x)
        found = BOUND(model, x0[None], keys.integrand[None])
        return Loss((log_q - found.nats[0]) / x0.size, {})


def test_bound_has_a_gradient_in_the_numbers_of_the_process():
    """Compared with central differences, with the same draws."""
    learned = network_model(LearnedNumbers(VP(beta_max=2.0), ("beta_max",)))
    params = tiny.init(learned, SHAPE)
    x, key = LAW.sample(jax.random.key(1)), jax.random.key(2)

    @jax.jit
    def loss(log_beta_max):
        moved = params | {"process": {"log_beta_max": log_beta_max}}
        return NegativeBound()(learned.bind(moved), x, None, key).value

    at, step = params["process"]["log_beta_max"], 1e-2
    slope = (loss(at + step) - loss(at - step)) / (2 * step)
    # Differences of float32 numbers of order one, over 2e-2; the second-order term is h^2.
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(at), slope, rtol=1e-2, atol=1e-3)
    assert abs(slope) > 0.01


def train(rate, steps=300, batch=16):
    """Return the first and last beta_max, and the mean loss over the last steps."""
    model = network_model(LearnedNumbers(VP(beta_max=1.0), ("beta_max",)))
    trainable = ScoreModelTraining(model, NegativeBound(), SHAPE)
    adam = {"network": optax.adam(3e-3), "process": optax.adam(rate)}
    groups = {name: ParameterGroup(optimizer) for name, optimizer in adam.items()}
    step = TrainStep(trainable, groups, batch)
    first = init_state(trainable.init(jax.random.key(0)), groups)
    data = jax.vmap(LAW.sample)(jax.random.split(jax.random.key(1), steps * batch))

    def advance(state, rows):
        loss, grads = step.loss_and_grads(jax.random.key(2), state, rows, jnp.arange(batch))
        state, metrics = step.update(state, loss, grads, state.step + 1)
        return state, metrics["loss"]

    last, losses = jax.lax.scan(advance, first, data.reshape(steps, batch, *SHAPE))
    logs = jnp.stack([each.params["process"]["log_beta_max"] for each in (first, last)])
    return jnp.exp(logs), losses[-50:].mean()


def test_learned_beta_max_grows_and_lowers_the_bound():
    """Compared with the same training at the rate zero."""
    train_both = jax.jit(jax.vmap(train))
    (learned, fixed), (lower, higher) = train_both(jnp.array([3e-2, 0.0]))
    assert learned[1] > 2 * learned[0]
    assert fixed[1] == fixed[0] == learned[0]
    assert lower < higher - 0.02  # nats per dimension
