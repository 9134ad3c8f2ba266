"""Tests of five training steps against score_sde's own step function (float32)."""

import functools
from dataclasses import dataclass, fields, replace

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.configs import default
from gradlog.data.dataset import from_arrays
from gradlog.experiment.build import build
from gradlog.losses import denoising_integrand
from gradlog.models.networks import NCSNpp
from gradlog.training import ScoreModelTraining, TrainStep, init_state
from tests.models.official import GOLDEN, SHARED, network_of

# Some of the parameters after the steps, and, where it is there, all of them.
FILES = [folder / "optim_5steps.npz" for folder in (GOLDEN, SHARED)]
BATCH = 8


@dataclass(frozen=True)
class GivenTimes:
    """The stored time of the row whose cell of eight contains u."""

    ts: jax.Array

    def __call__(self, sde, eps, u):
        return self.ts[jnp.floor(u * BATCH).astype(int)], jnp.ones(())


@dataclass(frozen=True)
class GivenNoise:
    """Denoising score matching at the stored noise of the row with this time."""

    ts: jax.Array
    zs: jax.Array

    def __call__(self, model, x0, t, key):
        return denoising_integrand(model, x0, t, self.zs[jnp.argmin(jnp.abs(self.ts - t))])


def _tree(arrays, name):
    """Return by path the arrays whose keys begin with a name; those of GroupNorm are flattened."""
    return {
        key.removeprefix(f"{name}/"): value.reshape(-1) if "GroupNorm" in key else value
        for key, value in arrays.items()
        if key.startswith(f"{name}/")
    }


def _experiment(golden):
    """Return our experiment of the official configuration."""
    config = default.get_config()
    network = network_of(str(golden["config"]))
    assert isinstance(network, NCSNpp)
    names = {field.name for field in fields(network)} & set(config.model) - {"name"}
    config.model.update({name: getattr(network, name) for name in names - {"fourier_scale"}})
    config.objective.update(weighting="sigma2", importance_sampling=False, scaling="score_flow")
    scalars = ("grad_clip", "beta1", "beta2", "adam_eps")
    config.optimizer.update({name: float(golden[name]) for name in scalars})
    config.optimizer.update(
        learning_rate=float(golden["lr"]),
        warmup=int(golden["warmup"]),
        ema_decay=float(golden["ema_rate"]),
        ema_warmup=False,
    )
    images = golden["images"].reshape(-1, 8, 8, 1)
    return build(config, from_arrays("images", images, images, levels=None))


@functools.cache
def _run(path):
    """Return the arrays of the file, the metrics of our steps, and the state after them."""
    with np.load(path) as file:
        golden = dict(file)
    experiment = _experiment(golden)

    @jax.jit
    def advance(state, images, ts, zs, number):
        given = replace(experiment.objective, proposal=GivenTimes(ts), integrand=GivenNoise(ts, zs))
        trainable = ScoreModelTraining(experiment.model, given, experiment.dataset.shape)
        step = TrainStep(trainable, experiment.groups, BATCH)
        loss, grads = step.loss_and_grads(jax.random.key(0), state, images, jnp.arange(BATCH))
        return step.update(state, loss, grads, number)

    params = flax.traverse_util.unflatten_dict(_tree(golden, "init"), sep="/")
    state = init_state({"network": jax.tree.map(jnp.asarray, params)}, experiment.groups)
    metrics = []
    steps = zip(golden["images"], golden["t"], golden["z"], strict=True)
    for number, (images, ts, zs) in enumerate(steps, start=1):
        state, found = advance(state, images, ts, zs, number)
        metrics.append(jax.device_get(found))
    return golden, metrics, jax.device_get(state)


@pytest.fixture(params=FILES, ids=["some", "all"])
def run(request):
    if not request.param.exists():
        pytest.skip("the whole set of golden arrays is not here")
    return _run(request.param)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_losses_and_norms_equal_the_official_ones(run, name):
    golden, metrics, _ = run
    found = [step[name] for step in metrics]
    np.testing.assert_allclose(found, golden[name], rtol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [("params", "target"), ("ema", "params_ema")])
def test_parameters_and_their_average_equal_the_official_ones(run, ours, theirs):
    golden, _, state = run
    found = flax.traverse_util.flatten_dict(getattr(state, ours)["network"], sep="/")
    for name, want in _tree(golden, theirs).items():
        error = np.max(np.abs(found[name] - want))
        assert error < 1e-4 * np.max(np.abs(want)), name
        # The biases of an attention's keys have no gradient: Adam steps by the sign of rounding.
        if not name.endswith("NIN_1/b"):
            moved = np.max(np.abs(want - _tree(golden, "init")[name]))
            assert error < 1e-3 * moved, name
