"""Records steps of diffusers' schedulers on a noise function in closed form: ``diffusers.npz``.

    python -m venv /tmp/diffusers
    /tmp/diffusers/bin/pip install torch diffusers numpy
    /tmp/diffusers/bin/python tests/golden/make_diffusers.py

Not a part of the tests, which have neither package. The noise is that of a mixture of two Gaussians
in the plane at the chain's own alpha and sigma, in float64; the schedulers keep their coefficients
in float32. All begin at the same ``start``. An array ``<case>/states`` has the state before each
step and after the last; ``<case>/timesteps`` counts the chain's nodes from 0, as they do.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddpm

BETAS = {"beta_start": 1e-4, "beta_end": 2e-2, "beta_schedule": "linear"}
WEIGHTS = np.array([0.3, 0.7])
MEANS = np.array([[-1.0, 0.5], [0.6, -0.4]])
STDS = np.array([0.2, 0.4])
STEPS, COUNT = 20, 3
# No thresholding or clipping; the last step goes to no noise at all, and is of first order.
SINGLE = {"clip_sample": False, "prediction_type": "epsilon", "timestep_spacing": "trailing"}
MULTI = {"timestep_spacing": "linspace", "final_sigmas_type": "zero", "lower_order_final": False}

CASES = {
    "ddim_0": (DDIMScheduler(**BETAS, **SINGLE, set_alpha_to_one=True), {"eta": 0.0}),
    "ddim_0.5": (DDIMScheduler(**BETAS, **SINGLE, set_alpha_to_one=True), {"eta": 0.5}),
    "ddim_1": (DDIMScheduler(**BETAS, **SINGLE, set_alpha_to_one=True), {"eta": 1.0}),
    "ancestral_posterior": (DDPMScheduler(**BETAS, **SINGLE, variance_type="fixed_small"), {}),
    "ancestral_beta": (DDPMScheduler(**BETAS, **SINGLE, variance_type="fixed_large"), {}),
    "dpm_2m": (DPMSolverMultistepScheduler(**BETAS, **MULTI, solver_order=2), {}),
    # The second of its steps, which is of second order, is midpoint or heun: ours is heun.
    "dpm_3m": (
        DPMSolverMultistepScheduler(**BETAS, **MULTI, solver_order=3, solver_type="heun"),
        {},
    ),
    "dpm_sde": (
        DPMSolverMultistepScheduler(
            **BETAS, **MULTI, solver_order=2, algorithm_type="sde-dpmsolver++"
        ),
        {},
    ),
}


def predicted_noise(x, timestep):
    """``-sigma`` times the score of the mixture at a node of the chain."""
    betas = np.linspace(BETAS["beta_start"], BETAS["beta_end"], 1000)
    alpha2 = np.cumprod(1 - betas)[timestep]
    variances = alpha2 * STDS**2 + 1 - alpha2
    offsets = np.sqrt(alpha2) * MEANS - x[:, None]
    logits = np.log(WEIGHTS / variances) - 0.5 * np.sum(offsets**2, axis=-1) / variances
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    score = np.sum(shares[..., None] * offsets / variances[:, None], axis=1)
    return -np.sqrt(1 - alpha2) * score


def record(scheduler, options, start, noises):
    """The states of the chain, and where it stands at each."""
    scheduler.set_timesteps(STEPS)
    timesteps, states = scheduler.timesteps.numpy(), [start]
    for timestep, noise in zip(timesteps, noises, strict=True):
        x, z = states[-1], torch.from_numpy(noise)
        scheduling_ddpm.randn_tensor = lambda *_, z=z, **__: z  # DDPM's is given no noise
        given = {} if isinstance(scheduler, DDPMScheduler) else {"variance_noise": z}
        if options.get("eta") == 0:
            given = {}
        eps = torch.from_numpy(predicted_noise(x, timestep))
        moved = scheduler.step(eps, int(timestep), torch.from_numpy(x), **options, **given)
        states.append(moved.prev_sample.double().numpy())
    return {"timesteps": timesteps, "states": np.stack(states)}


def main():
    generator = np.random.default_rng(0)
    start = generator.standard_normal((COUNT, 2))
    noises = generator.standard_normal((STEPS, COUNT, 2))
    arrays = {"start": start, "noises": noises}
    for name, (scheduler, options) in CASES.items():
        found = record(scheduler, options, start, noises)
        arrays |= {f"{name}/{key}": value for key, value in found.items()}
        settings = {k: v for k, v in scheduler.config.items() if not k.startswith("_")}
        arrays[f"{name}/settings"] = repr(settings)
    versions = {name: version(name) for name in ("diffusers", "torch", "numpy")}
    arrays |= {"weights": WEIGHTS, "means": MEANS, "stds": STDS, "versions": repr(versions)}
    np.savez_compressed(Path(__file__).with_name("diffusers.npz"), **arrays)


if __name__ == "__main__":
    main()
