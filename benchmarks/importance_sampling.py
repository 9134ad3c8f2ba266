"""Measure how much importance sampling of t reduces the variance of the likelihood-weighted loss.

python benchmarks/importance_sampling.py [--workdir=runs/digits] [--picture=FILE] [--json=FILE]

The script takes a trained run and estimates the likelihood-weighted loss of the training set from
many batches. Times are uniform in t or uniform in log rho (density proportional to g^2/sigma^2),
each with and without stratification. It prints and draws the mean and the standard deviation over
batches.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import read_flags, save, show
from gradlog.experiment.run import Run
from gradlog.losses import (
    Likelihood,
    ScoreMatching,
    UniformLogRho,
    UniformTime,
    example_keys,
    stratified,
)

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
    picture = "docs/figures/importance_sampling.png"
    flags = read_flags(__doc__ or "", workdir="runs/digits", picture=picture)
    run = Run.open(flags.workdir)
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
    columns = {
        "times": "{times}",
        "mean": "{mean:.4f}",
        "± s.e.": "{standard_error:.4f}",
        "s.d.": "{standard_deviation:.4f}",
    }
    show(f"likelihood-weighted loss of a batch, {flags.workdir}", columns, rows)
    Path(flags.picture).parent.mkdir(parents=True, exist_ok=True)
    draw(Path(flags.picture), losses)
    save(flags.json, {"rows": rows})


if __name__ == "__main__":
    main()
