"""Measure the variance of the loss after a schedule was trained for it, beside fixed schedules.

python benchmarks/learned_variance.py WORKDIR ... [--draws=N] [--json=FILE]

Each workdir is a run of `learned_gamma`. A schedule is the density from which noise levels are
drawn. The script estimates the diffusion term of the bound, between the ends that the run learned,
from single draws of a training example, a noise level and noise. Levels are drawn from the learned
schedule and from fixed ones, which the same network evaluates: linear in log-SNR, the cosine
schedule, and that of VP. The mean is the same for all. The script prints the standard deviation of
a draw and of the mean of a batch with stratified levels, with standard errors. The last row is the
best density, proportional to the root mean square of the loss at a level.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common import show
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.sde_lib import VP, LogSNR
from gradlog.storage import write_json

CELLS, CHUNK, BATCH = 512, 256, 64


def on_line(model: BoundModel) -> BoundModel:
    """Return the model with a linear schedule between the same ends."""
    path = model.process
    line = LogSNR(path.gamma_min, path.gamma_max)
    is_path = lambda node: isinstance(node, type(path))  # noqa: E731
    return jax.tree.map(lambda node: line if is_path(node) else node, model, is_leaf=is_path)


def schedules(model: BoundModel) -> dict[str, np.ndarray]:
    """Return gamma at even times of each schedule, from end to end."""
    path, share = model.process, jnp.linspace(0, 1, CELLS + 1)
    low, high = float(path.gamma_min), float(path.gamma_max)
    angles = [np.arctan(np.exp(0.5 * end)) for end in (low, high)]
    vp = VP()
    first, last = (vp.time_of_log_rho(jnp.float32(0.5 * end)) for end in (low, high))
    found = {
        "learned": jax.vmap(path.gamma)(share),
        "linear in log-SNR": low + share * (high - low),
        "cosine": 2 * jnp.log(jnp.tan(angles[0] + share * (angles[1] - angles[0]))),
        "VP": 2 * jax.vmap(vp.log_rho)(first + share * (last - first)),
    }
    return {name: np.asarray(gamma, float) for name, gamma in found.items()}


def measure(run: Run, draws: int) -> list[dict]:
    """Return the rows of a run's table."""
    experiment = run.experiment
    model, train = experiment.model.bind(run.params()), experiment.dataset.train
    line, integrand = on_line(model), experiment.objective.integrand
    low, high = float(model.process.gamma_min), float(model.process.gamma_max)
    images = np.random.default_rng(0).integers(len(train), size=draws)

    @jax.jit
    def squares(line, x, gamma, key):
        """Return ``E||sigma s + z||^2 / d`` at a level, by one draw."""

        def one(x, gamma, key):
            data_key, key = jax.random.split(key)
            x0, _ = line.dequantize(data_key, x)
            t = (gamma - low) / (high - low)
            return 2 * jnp.mean(integrand.per_dimension(line, x0, t, key))

        return jax.vmap(one)(x, gamma, key)

    def losses(gamma: np.ndarray, seed: int) -> np.ndarray:
        """Return single draws of the diffusion term, batches of stratified levels in a row."""
        rng = np.random.default_rng(seed)
        shares = (np.arange(draws) % BATCH + rng.random(draws)) / BATCH
        levels = np.interp(shares * CELLS, np.arange(CELLS + 1), gamma)
        widths = np.diff(gamma)[np.minimum((shares * CELLS).astype(int), CELLS - 1)] * CELLS / 2
        keys = jax.random.split(jax.random.key(seed), draws)
        found = [
            squares(line, train[images[i : i + CHUNK]], jnp.float32(levels[i : i + CHUNK]), k)
            for i, k in zip(range(0, draws, CHUNK), keys.reshape(-1, CHUNK), strict=True)
        ]
        return np.concatenate(found) * widths

    known = schedules(model)
    linear = losses(known["linear in log-SNR"], 1)
    # The best density, by the draws of the linear schedule in 32 cells of log-SNR.
    square = np.mean(linear.reshape(-1, BATCH) ** 2, axis=0).reshape(32, -1).mean(axis=1)
    share = np.concatenate([[0.0], np.cumsum(np.sqrt(square))])
    edges = np.linspace(low, high, len(share))
    known["best"] = np.interp(np.linspace(0, 1, CELLS + 1), share / share[-1], edges)
    rows = []
    for name, gamma in known.items():
        found = linear if name == "linear in log-SNR" else losses(gamma, 1)
        batches = found.reshape(-1, BATCH).mean(axis=1)
        kurtosis = np.mean((found - found.mean()) ** 4) / found.var() ** 2
        rows.append(
            {
                "schedule": name,
                "mean": float(found.mean()),
                "standard_error": float(batches.std() / np.sqrt(len(batches))),
                "std_of_a_draw": float(found.std()),
                "its_standard_error": float(found.std() * np.sqrt((kurtosis - 1) / draws) / 2),
                "std_of_a_batch": float(batches.std()),
                "of_a_batch_standard_error": float(batches.std() / np.sqrt(2 * len(batches))),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--draws", type=int, default=16_384, help="a multiple of 256")
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()
    columns = {
        "schedule": "{schedule}",
        "mean nats/dim": "{mean:.4f} ± {standard_error:.4f}",
        "std of a draw": "{std_of_a_draw:.3f} ± {its_standard_error:.3f}",
        "std of a batch of 64": "{std_of_a_batch:.4f} ± {of_a_batch_standard_error:.4f}",
    }
    report = {}
    for workdir in arguments.workdirs:
        report[workdir] = measure(Run.open(workdir), arguments.draws)
        show(workdir, columns, report[workdir])
    if arguments.json:
        write_json(Path(arguments.json), report)


if __name__ == "__main__":
    main()
