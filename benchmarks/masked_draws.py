"""The variance of the loss of a model of tokens by what is drawn: a count of tokens, or the time.

    python benchmarks/masked_draws.py --workdir=runs/masked [--batches=N] [--json=FILE]

The count is that of masks or, with uniform noise, of replaced tokens. With masks, "step" is the
cross-entropy of one step of the chain that masks one position at a time, with 16 steps for each
position. All losses have one mean, the bound; what stays visible at the end of the chain costs less
than 1e-6 of it. Batches have the same images in another order each, and cost the same number of
evaluations. "Spread" means that u is stratified over the batch, as in training; "free" that each u
is drawn by itself. The variance of B batches is known to a share of sqrt(2 / (B - 1)).
"""

import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common import read_flags, save, show
from gradlog import Run
from gradlog.losses import DRAWS, MaskedCrossEntropy, example_keys, stratified
from gradlog.sde_lib import Absorbing, OnePosition

STEP = "step"
STEPS_PER_POSITION = 16


def main() -> None:
    """Print the variance of the mean loss of a batch for each case, and its ratio to the first."""
    options = read_flags(__doc__ or "", workdir="runs/masked", batches=100, batch_size=64)
    run = Run.open(options.workdir)
    model = run.experiment.model.in_float32().bind(run.params())
    x = jnp.asarray(run.experiment.dataset.test[np.arange(options.batch_size)])
    chain = OnePosition(model.process.levels, STEPS_PER_POSITION * x[0].size)

    @partial(jax.jit, static_argnums=(0, 1))
    def batch(draws, spread, model, key):
        def one(x, place, key):
            u_key = example_keys(key).time
            u = stratified(place, len(rows), u_key) if spread else jax.random.uniform(u_key)
            if draws == STEP:
                return MaskedCrossEntropy("time")(model.replace(process=chain), x, u, key).value
            objective = replace(run.experiment.objective, draws=draws)
            return objective(model, x, u, key).value

        rows, (order, key) = jnp.arange(len(x)), jax.random.split(key)
        shuffled = jax.random.permutation(order, x)
        return jnp.mean(jax.vmap(one)(shuffled, rows, jax.random.split(key, len(x))))

    kinds = [*DRAWS, STEP] if isinstance(model.process, Absorbing) else DRAWS
    rows = []
    for draws, spread in product(kinds, (True, False)):
        keys = jax.random.split(jax.random.key(0), options.batches)
        losses = np.array([float(batch(draws, spread, model, key)) for key in keys])
        variance = float(np.var(losses, ddof=1))
        first = rows[0]["variance"] if rows else variance
        rows.append(
            {
                "draws": draws,
                "u": "spread" if spread else "free",
                "mean": float(losses.mean()),
                "error": float(np.sqrt(variance / len(losses))),
                "variance": variance,
                "ratio": variance / first,
            }
        )
    columns = {
        "draws": "{draws}",
        "u": "{u}",
        "mean, nats/dim": "{mean:.4f} ± {error:.4f}",
        "variance": "{variance:.3g}",
        "ratio": "{ratio:.2f}",
    }
    show(f"loss of {options.batches} batches of {options.batch_size}", columns, rows)
    save(options.json, {"step": run.steps()[-1], "batch_size": options.batch_size, "rows": rows})


if __name__ == "__main__":
    main()
