"""Runs of learned processes on points of the plane, and their training on two devices."""

import os

import jax
import numpy as np
import tiny

from gradlog.data import BatchStream
from gradlog.evaluation import score_training
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.run import Run

SCALAR = {
    "sde.name": "learned_gamma",
    "sde.gamma_min": -8.0,
    "sde.schedule_features": 8,
    "sde.learn_ends": True,
    "objective.name": "elbo",
    "objective.importance_sampling": False,
    "objective.eps": 0.0,
    "optimizer.process_rate": 10.0,
    "optimizer.process_ema_decay": 0.5,
    "training.eval_every": 10,
    "likelihood.eps": 0.0,
    "sampling.eps": 0.0,
}
BY_DIMENSION = SCALAR | {
    "eval.estimators": ("bound", "ode"),
    "likelihood.samples": 16,
    "likelihood.variable": "t",
    "sampling.variable": "t",
}
LATENT = BY_DIMENSION | {"sde.name": "multivariate", "sde.latents": 4, "sde.latent_hidden": 4}
AFFINE = BY_DIMENSION | {
    "sde.name": "learned_affine",
    "sde.coordinates": "low_rank",
    "sde.rank": 1,
}


def train(folder, settings, steps=20, **overrides) -> Run:
    config = tiny.points(**settings | {"training.steps": steps} | overrides)
    Run.open(folder, config).train()
    return Run.open(folder)


def moved(before, after) -> float:
    """Return the largest change of a tree of parameters."""
    differences = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), before, after)
    return max(jax.tree.leaves(differences))


def difference_on_two_devices(settings, leaf: str) -> float:
    """Return the largest difference of parameters after steps of pmap and of fsdp.

    The leaf of the process with this path is wide enough to be divided; see `test_parallel` for
    Adam's eps.
    """
    config = tiny.points(**settings | {"optimizer.adam_eps": 1e-5})
    experiment = build(config, load_dataset(config))
    stream = BatchStream(experiment.dataset.train, 16, 0)
    first, states = jax.device_get(score_training.initial_state(experiment)), []
    for mapping in ("pmap", "fsdp"):
        with config.unlocked():
            config.training.parallel = mapping
        mapped = score_training.parallel_step(build(config, experiment.dataset))
        state = mapped.place(first)
        for step in range(4):
            state, _ = mapped(state, stream[step], step + 1)
        states.append(mapped.fetch(state).params)
    found = state.params["process"]
    for name in leaf.split("."):
        found = found[name]
    assert not found.sharding.is_fully_replicated
    return moved(*states)


def assert_division_changes_nothing(settings: str, leaf: str) -> None:
    """Compare pmap and fsdp in a process of its own, with two devices."""
    devices = {"XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"}
    call = f"print(r.difference_on_two_devices({settings}, {leaf!r}))"
    share = "import conftest, shared_programs, learned_runs as r; shared_programs.share()"
    code = f"{share}; {call}"
    assert float(tiny.python("-c", code, environment=devices)[-1]) < 1e-5
