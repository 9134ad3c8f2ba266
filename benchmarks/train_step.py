"""Compare the training step with a bare one: forward, backward and Adam of the same network.

python benchmarks/train_step.py [--config=FILE] [--against=FILE] [--steps=N] [--json=FILE]

Both run on the same data in one process, in turn, block by block. The bare step is one jitted
function without clipping and averages: network, mean square, gradient and Adam for a fixed noised
batch. The framework's step adds what training needs: reading the batch, dequantization, times,
noise, clipping, the moving average, and the mean over devices. The script prints the median of each
over blocks, and the median ratio. ``--against`` takes the training step of another configuration in
place of the bare one, such as that of a learned process against a fixed one.
"""

import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.common import read_flags, save, show, take_turns
from gradlog.data import BatchStream
from gradlog.evaluation.score_training import initial_state, parallel_step
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.loading import load_config


def load_experiment(file: str) -> Experiment:
    """Return the experiment of a configuration, with its data."""
    config = load_config(file)
    return build(config, load_dataset(config))


def framework_step(experiment: Experiment, batch_size: int):
    """Return a function that reads the next batch and does a step of training."""
    mapped = parallel_step(experiment)
    stream = BatchStream(experiment.dataset.train, batch_size, 0)
    state = mapped.place(initial_state(experiment))
    position = 0

    def run() -> Any:
        nonlocal state, position
        position += 1
        state, metrics = mapped(state, stream[position - 1], position)
        return metrics

    return run


def bare_step(experiment: Experiment, batch_size: int):
    """Return a function that does a step: forward, backward and Adam on one noised batch."""
    network, shape = experiment.model.network, experiment.dataset.shape
    x = jax.random.normal(jax.random.key(1), (batch_size, *shape))
    label = jnp.linspace(-1.0, 1.0, batch_size)
    init = jax.jit(experiment.model.init, static_argnums=1)
    params = init(experiment.streams["init"], shape)["network"]
    optimizer = optax.adam(1e-4)
    state = (params, optimizer.init(params))

    def loss(params, key):
        keys = jax.random.split(key, batch_size)

        def apply(x, label, key) -> Any:
            return network.apply({"params": params}, x, label, train=True, rngs={"dropout": key})

        return jnp.mean((jax.vmap(apply)(x, label, keys) - x) ** 2)

    @partial(jax.jit, donate_argnums=(0,))
    def step(state, key):
        params, opt_state = state
        grads = jax.grad(loss)(params, key)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state

    key = jax.random.key(0)

    def run() -> Any:
        nonlocal state
        state = step(state, key)
        return state[1][0].count  # pyright: ignore

    return run


def main() -> None:
    flags = read_flags(__doc__ or "", config="configs/digits.py", against="", steps=40, blocks=7)
    if jax.device_count() > 1:
        raise SystemExit("the bare step runs on one device: make one visible, not more")
    experiment = load_experiment(flags.config)
    batch_size = experiment.training.batch_size
    if flags.against:
        other = load_experiment(flags.against)
        if other.training.batch_size != batch_size:
            raise SystemExit("--against must have the batch size of --config")
        reference, step = flags.against, framework_step(other, batch_size)
    else:
        reference, step = "bare", bare_step(experiment, batch_size)
    runs = {reference: step, "framework": framework_step(experiment, batch_size)}
    seconds = take_turns(runs, flags.blocks, flags.steps)
    ratios = np.array(seconds["framework"]) / np.array(seconds[reference])
    rows = [
        {
            "step": name,
            "milliseconds": 1e3 * statistics.median(times),
            "images_per_second": batch_size / statistics.median(times),
        }
        for name, times in seconds.items()
    ]
    low, high = float(ratios.min()), float(ratios.max())
    columns = {"step": "{step}", "ms": "{milliseconds:.2f}", "images/s": "{images_per_second:.0f}"}
    show(f"{flags.config}, batch {batch_size}", columns, rows)
    ratio = float(np.median(ratios))
    print(f"ratio framework / {reference}: {ratio:.3f} (blocks {low:.3f} .. {high:.3f})")
    about = {"config": flags.config, "reference": reference, "batch_size": batch_size}
    save(flags.json, {**about, "rows": rows, "ratio": ratio, "ratio_range": [low, high]})


if __name__ == "__main__":
    main()
