"""Compare the training step with a bare one: forward, backward and Adam of the same network.

python benchmarks/train_step.py [--config=FILE,FILE] [--against=FILE] [--steps=N] [--json=FILE]

All run on the same data in one process, in turn, block by block. The bare step is one jitted
function without clipping and averages: network, mean square, gradient and Adam for a fixed noised
batch. The framework's step adds what training needs: reading the batch, dequantization, times,
noise, clipping, the moving average, and the mean over devices. The script prints the median of each
over blocks, and the median ratio, in time and in CPU time, which other processes change less.
``--against`` takes the training step of another configuration in place of the bare one, such as
that of a fixed process against those of learned ones.
"""

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
    flags = read_flags(__doc__ or "", config=("configs/digits.py",), against="", steps=40, blocks=7)
    if jax.device_count() > 1:
        raise SystemExit("the bare step runs on one device: make one visible, not more")
    reference = flags.against or "bare"
    files = [flags.against] * bool(flags.against) + list(flags.config)
    experiments = {file: load_experiment(file) for file in files}
    first = next(iter(experiments.values()))
    batch_size = first.training.batch_size
    if any(each.training.batch_size != batch_size for each in experiments.values()):
        raise SystemExit("all configurations must have the same batch size")
    runs = {} if flags.against else {"bare": bare_step(first, batch_size)}
    runs |= {file: framework_step(each, batch_size) for file, each in experiments.items()}
    seconds = take_turns(runs, flags.blocks, flags.steps)
    rows = []
    for name, blocks in seconds.items():
        wall, cpu = np.median(blocks, axis=0)
        ratios = blocks / seconds[reference]
        rows.append(
            {
                "step": name,
                "milliseconds": 1e3 * float(wall),
                "cpu_milliseconds": 1e3 * float(cpu),
                "images_per_second": batch_size / float(wall),
                "ratio": float(np.median(ratios[:, 0])),
                "ratio_low": float(ratios[:, 0].min()),
                "ratio_high": float(ratios[:, 0].max()),
                "cpu_ratio": float(np.median(ratios[:, 1])),
            }
        )
    columns = {
        "step": "{step}",
        "ms": "{milliseconds:.2f}",
        "CPU ms": "{cpu_milliseconds:.2f}",
        "images/s": "{images_per_second:.0f}",
        "ratio": "{ratio:.3f}",
        "blocks": "{ratio_low:.3f} .. {ratio_high:.3f}",
        "CPU ratio": "{cpu_ratio:.3f}",
    }
    show(f"batch {batch_size}; ratios to {reference}", columns, rows)
    save(flags.json, {"reference": reference, "batch_size": batch_size, "rows": rows})


if __name__ == "__main__":
    main()
