"""Measure how much importance sampling of t reduces the variance of the likelihood-weighted loss.

python benchmarks/importance_sampling.py [--workdir=runs/digits] [--picture=FILE] [--json=FILE]

The script takes a trained run and estimates the likelihood-weighted loss of the training set from
many batches. Times are uniform in t or uniform in log rho (density proportional to g^2/sigma^2),
each with and without stratification. It prints and draws the mean and the standard deviation over
batches.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from gradlog.experiment.run import Run
from gradlog.losses import (
    Likelihood,
    ScoreMatching,
    UniformLogRho,
    UniformTime,
    example_keys,
    stratified,
)
from gradlog.storage import write_json

BATCHES = 400
PROPOSALS = {"uniform in t": UniformTime(), "importance (uniform in log rho)": UniformLogRho()}


def batch_losses(run: Run, params, objective: ScoreMatching, *, strata: bool) -> np.ndarray:
    """Return the mean loss of each of BATCHES batches, in nats per dimension."""
    size = run.experiment.training.batch_size
    train = run.experiment.dataset.train

    def one(params, x, key, position):
        time_key = example_keys(key).time
        u = stratified(position, size, time_key) if strata else jax.random.uniform(time_key)
        return objective(run.experiment.model.bind(params), x, u, key).value

    @jax.jit
    def batch(params, x, key):
        keys = jax.random.split(key, size)
        return jnp.mean(jax.vmap(one, (None, 0, 0, 0))(params, x, keys, jnp.arange(size)))

    chosen = np.random.default_rng(0).integers(len(train), size=(BATCHES, size))
    keys = jax.random.split(jax.random.key(0), BATCHES)
    return np.array([batch(params, train[i], key) for i, key in zip(chosen, keys, strict=True)])


def draw(path: Path, losses: dict[str, np.ndarray]) -> None:
    """Draw one strip of batch losses for each way of drawing times."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for row, values in enumerate(losses.values()):
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(values))
        axes.plot(values, row + jitter, ".", markersize=3, alpha=0.6)
        axes.plot([values.mean()] * 2, [row - 0.4, row + 0.4], "k", linewidth=1)
    labels = [f"{name}\ns.d. {values.std(ddof=1):.3f}" for name, values in losses.items()]
    axes.set_yticks(range(len(losses)), labels)
    axes.set_xlabel("likelihood-weighted loss of one batch (nats / dimension)")
    axes.set_xlim(0, np.quantile(np.concatenate(list(losses.values())), 0.995))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="runs/digits")
    parser.add_argument("--picture", default="docs/figures/importance_sampling.png")
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()

    run = Run.open(arguments.workdir)
    params = run.params()
    losses = {}
    for name, proposal in PROPOSALS.items():
        changes = {"weighting": Likelihood(), "proposal": proposal}
        objective = replace(run.experiment.objective, **changes)
        losses[name] = batch_losses(run, params, objective, strata=False)
        losses[f"{name}, stratified"] = batch_losses(run, params, objective, strata=True)

    rows = [
        {
            "times": name,
            "mean": float(values.mean()),
            "standard_error": float(values.std(ddof=1) / np.sqrt(BATCHES)),
            "standard_deviation": float(values.std(ddof=1)),
        }
        for name, values in losses.items()
    ]
    table = Table(title=f"likelihood-weighted loss of a batch, {arguments.workdir}")
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "times" else "right")
    for row in rows:
        table.add_row(*(v if isinstance(v, str) else f"{v:.4f}" for v in row.values()))
    Console().print(table)
    Path(arguments.picture).parent.mkdir(parents=True, exist_ok=True)
    draw(Path(arguments.picture), losses)
    if arguments.json:
        write_json(Path(arguments.json), {"rows": rows})


if __name__ == "__main__":
    main()
