"""Thirteen examples, a small model, and what is evaluated on them; importable without pytest."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.evaluation.samples import SampleDriver
from gradlog.likelihood import ODELikelihood, OneDraw, Rademacher
from gradlog.models import NETWORKS, NOISE_LABELS, DiffusionModel, Noise, Uniform
from gradlog.ode import Adaptive, LogRhoFlow
from gradlog.sampling import EulerMaruyama, Langevin, PredictorCorrector
from gradlog.sde_lib import SDES

COUNT, SHAPE = 13, (2, 2, 1)
SOURCE = np.random.default_rng(0).integers(0, 17, size=(COUNT, *SHAPE)).astype(np.uint8)
STREAM = jax.random.key(7)
# Smooth in x and t, so that a solver's tolerance says what its error is.
NETWORK = NETWORKS["mlp"](hidden=16, num_layers=1, embedding=8, init_scale=0.3)
MODEL = DiffusionModel(SDES["vp"](), NETWORK, Noise(), NOISE_LABELS["log_rho"]())
DEQUANTIZED = dataclasses.replace(MODEL, dequantizer=Uniform(17))


@functools.cache
def params():
    return MODEL.init(jax.random.key(0), SHAPE)


@functools.cache
def evaluate(batch_size=COUNT, count=COUNT, max_steps=4096, probes=2):
    solver = Adaptive(rtol=1e-6, atol=1e-6, max_steps=max_steps)
    likelihood = ODELikelihood(solver, LogRhoFlow(), Rademacher(probes), eps=1e-3)
    evaluator = LikelihoodEvaluator(OneDraw(likelihood), DEQUANTIZED, batch_size)
    return evaluator(params(), SOURCE[:count], STREAM)


@functools.cache
def sample(batch_size=COUNT, count=COUNT):
    sampler = PredictorCorrector(EulerMaruyama(), Langevin(), num_steps=10, eps=1e-3)
    driver = SampleDriver(sampler, MODEL, SHAPE, batch_size)
    return driver(params(), count, STREAM)


if __name__ == "__main__":
    # On as many devices as the environment gives this process.
    import sys

    evaluation, samples = evaluate(), sample()
    np.savez(
        sys.argv[1],
        devices=jax.device_count(),
        bits_per_dim=evaluation.account.bits_per_dim,
        standard_error=evaluation.standard_error,
        nfe=evaluation.values["nfe"],
        samples=jnp.asarray(samples.x),
    )
