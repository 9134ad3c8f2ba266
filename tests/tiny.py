"""Experiments small enough to train inside a test."""

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from gradlog.configs import default
from gradlog.configs.toy import mixture
from gradlog.storage import Checkpoints

ROOT = Path(__file__).parents[1]

# Tests are compiled without optimizations (conftest.py). A program that runs longer than it takes
# to compile has its own ``jit``: of the first level, which brings nearly all that the others do.
optimized = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})


def init(model, shape: tuple[int, ...], seed: int = 0):
    """Return new parameters of a model of data of this shape, by one program for equal models.

    Without ``jit`` each operation would be compiled by itself.
    """
    return _init(model, jax.random.key(seed), shape)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _init(model, key, shape):
    return model.init(key, shape)


def newest_intact(checkpoints: Checkpoints) -> int | None:
    """Return the newest step without damage."""
    steps = reversed(checkpoints.steps())
    return next((step for step in steps if not checkpoints.verify(step)), None)


def base() -> ConfigDict:
    """What ``points`` changes: the configuration of a file."""
    return mixture.get_config()


def points(**overrides) -> ConfigDict:
    """An MLP of some hundred parameters on points of the plane; overrides by dotted key."""
    config = base()
    config.data.update(num_train=200, num_test=12)
    config.model.update(hidden=8, num_layers=1, embedding=8, dropout=0.1)
    config.optimizer.update(warmup=4)
    config.training.update(steps=20, batch_size=16, log_every=5, checkpoint_every=10, eval_every=10)
    config.eval.batch_size = 6
    config.likelihood.update(eps=1e-2, rtol=1e-3, atol=1e-3)
    config.sampling.update(name="predictor_corrector", num_steps=4, eps=1e-2)
    config.sampling.update(num_samples=6, batch_size=4)
    return with_overrides(config, overrides)


def images(**overrides) -> ConfigDict:
    """A U-Net of four channels on the digits."""
    config = default.get_config()
    config.model.update(nf=4, ch_mult=(1,), num_res_blocks=1, attn_resolutions=(), dropout=0.1)
    config.optimizer.update(warmup=4, learning_rate=2e-3)
    config.training.update(steps=8, batch_size=8, log_every=2, checkpoint_every=4, eval_every=0)
    return with_overrides(config, overrides)


def digits(**overrides) -> ConfigDict:
    """An MLP on the digits, with the bound of the first six: data with levels, soon compiled."""
    config = images()
    config.model.update(name="mlp", hidden=8, num_layers=1)
    config.training.update(steps=4, checkpoint_every=4)
    config.eval.update(num_images=6, second_look=0)
    config.likelihood.update(name="bound", samples=4, eps=1e-3)
    return with_overrides(config, overrides)


def with_overrides(config: ConfigDict, overrides: dict) -> ConfigDict:
    """The config with ``{"section.key": value}`` applied; an unknown key is an error."""
    config.lock()
    config.update_from_flattened_dict(overrides)
    return config


def only_line(status: int, errors: str) -> str:
    """Return the one line of a command's mistake, without 'error: '."""
    assert status == 2, errors
    assert re.fullmatch(r"error: [^\n]+\n", errors), errors
    return errors.removeprefix("error: ").rstrip("\n")


def assert_bitwise_equal(a, b) -> None:
    """Both trees have one structure and the same bits."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    paths = jax.tree_util.tree_leaves_with_path(a)
    for (path, x), y in zip(paths, jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape) == (y.dtype, y.shape), path
        assert x.tobytes() == y.tobytes(), path


def flags_of(config: ConfigDict, base: ConfigDict) -> list[str]:
    """``--config.key=value`` for every key that differs from the base."""
    theirs = dict(_flat(base.to_dict()))
    return [
        f"--config.{key}={value}"
        for key, value in _flat(config.to_dict())
        if theirs.get(key) != value
    ]


def _flat(tree: dict, prefix: str = ""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def python(*arguments: str, environment: dict[str, str] | None = None) -> list[str]:
    """Runs Python in the repository's root and gives its lines of output; it must succeed."""
    own = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | (environment or {})
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def trainable():
    """Return the training of an MLP of some hundred parameters on points of the plane."""
    from gradlog.losses import DenoisingScoreMatching, Likelihood, ScoreMatching, UniformLogRho
    from gradlog.models import DiffusionModel, Noise, ScaledTime
    from gradlog.models.networks import MLP
    from gradlog.sde_lib import VP
    from gradlog.training import ScoreModelTraining

    network = MLP(hidden=8, num_layers=1, embedding=8, dropout=0.1)
    model = DiffusionModel(VP(), network, Noise(), ScaledTime())
    objective = ScoreMatching(DenoisingScoreMatching(), Likelihood(), UniformLogRho(), 1e-2)
    return ScoreModelTraining(model, objective, (2,))
