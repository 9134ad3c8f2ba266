"""Tests of every step against the schedulers of diffusers (see ``golden/make_diffusers.py``)."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradlog.distributions import GaussianMixture
from gradlog.models import BoundModel
from gradlog.sampling import DDIM, Ancestral, DPMSolver2M, DPMSolver3M, DPMSolverSDE
from gradlog.sampling.grid import predict_x0
from gradlog.sde_lib import DDPM

with np.load(Path(__file__).parents[1] / "golden" / "diffusers.npz") as stored:
    GOLDEN = dict(stored)
SETTINGS = (19, 0.05)
SAMPLERS = {
    "ddim_0": DDIM(*SETTINGS),
    "ddim_0.5": DDIM(*SETTINGS, eta=0.5),
    "ddim_1": DDIM(*SETTINGS, eta=1.0),
    "dpm_2m": DPMSolver2M(*SETTINGS),
    "dpm_3m": DPMSolver3M(*SETTINGS, published_third=True),
    "dpm_sde": DPMSolverSDE(*SETTINGS),
}
PREDICTORS = {f"ancestral_{name}": Ancestral(name) for name in ("posterior", "beta")}
# They keep alpha and sigma in float32, and two of their classes the states.
TOLERANCE = 1e-5


def mixture():
    return GaussianMixture(*(jnp.asarray(GOLDEN[name]) for name in ("weights", "means", "stds")))


def walk_of(sampler, sde, score_fn, x, times, noises):
    """Return all states of a sampler at these times, and finally the predicted datum."""
    model = BoundModel(sde, score_fn)

    def step(carry, scanned):
        y, memory = sampler.step(model, *carry, *scanned)
        return (y, memory), y * sde.alpha(scanned[1])

    y = x / sde.alpha(times[0])
    carry = y, sampler.memory(y)
    (y, _), states = jax.lax.scan(step, carry, (times[:-1], times[1:], noises))
    return jnp.append(states, predict_x0(model, y, times[-1])[None], 0)


def walk_of_ancestral(predictor, sde, score_fn, x, times, noises):
    model = BoundModel(sde, score_fn)

    def step(x, scanned):
        t, t_next, z = scanned
        mean, std = predictor.mean_and_std(model, x, t, t_next)
        return mean + std * z, mean + std * z

    x, states = jax.lax.scan(step, x, (times[:-1], times[1:], noises))
    return jnp.append(states, predict_x0(model, x / sde.alpha(times[-1]), times[-1])[None], 0)


@pytest.mark.parametrize("name", [*SAMPLERS, *PREDICTORS])
def test_every_state_equals_that_of_diffusers(name):
    """Their last step goes from the last node to no noise; ours denoises there."""
    with jax.enable_x64(True):
        sde, times = DDPM(), (GOLDEN[f"{name}/timesteps"] + 1) / 1000
        walk = walk_of_ancestral if name in PREDICTORS else walk_of
        member = (PREDICTORS | SAMPLERS)[name]

        @jax.jit
        @functools.partial(jax.vmap, in_axes=(0, 1), out_axes=1)
        def states(x, noises):
            score_fn = mixture().score_fn(sde)
            return walk(member, sde, score_fn, x, times, noises[: len(times) - 1])

        got = states(GOLDEN["start"], GOLDEN["noises"])
        # With the variance beta they add noise in the last step too.
        last = -1 if name == "ancestral_beta" else None
        want = GOLDEN[f"{name}/states"][1:last]
        np.testing.assert_allclose(got[:last], want, rtol=0, atol=TOLERANCE)


def test_recorded_steps_differ_from_each_other():
    """The difference between any two cases is more than a hundred tolerances."""
    ends = [GOLDEN[f"{name}/states"][-2] for name in [*SAMPLERS, "ancestral_beta"]]
    for i, end in enumerate(ends):
        assert all(np.abs(end - other).max() > 100 * TOLERANCE for other in ends[:i])
