"""Networks, points and probes of score_flow's own likelihoods, stored in ``tests/golden``."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.likelihood import LogProb, account, scipy_ode
from gradlog.models import DiffusionModel, Uniform
from gradlog.models.noise_labels import ScaledTime
from gradlog.models.parametrizations import Noise
from gradlog.sde_lib import SDES
from tests.models.official import GOLDEN, load_golden

EPS = 1e-5


@functools.cache
def stored(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a process."""
    return load_golden(GOLDEN / f"likelihood_{name}.npz")[2]


@functools.cache
def network(name: str):
    """Return the trained model of a process."""
    net, params, golden = load_golden(GOLDEN / f"likelihood_{name}.npz")
    assert golden["eps_time"] == EPS
    model = DiffusionModel(SDES[name](), net, Noise(), ScaledTime())
    return model.bind({"network": jax.tree.map(jnp.asarray, params)})


def bits_per_dim(found: LogProb) -> np.ndarray:
    """Return bits/dim of each image of 256 levels in [-1, 1], with the published 7 bits added."""
    return account(
        jax.device_get(found.parts), Uniform(256).log_scale, found.latent[0].size
    ).bits_per_dim


def give_probes(monkeypatch, probes: np.ndarray) -> None:
    """Replace the probes of every batch by these."""
    monkeypatch.setattr(scipy_ode, "random_signs", lambda keys, xs: jnp.asarray(probes, xs.dtype))


def keys(count: int):
    return jax.random.split(jax.random.key(0), count)
