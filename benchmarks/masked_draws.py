"""The variance of the loss of a model of tokens by what is drawn: a count of tokens, or the time.

    python benchmarks/masked_draws.py --workdir=runs/masked

The count is that of masks or, with uniform noise, of replaced tokens. With masks, "step" is the
cross-entropy of one step of the chain that masks one position at a time, with 16 steps for each
position. All losses have one mean, the bound; what stays visible at the end of the chain costs less
than 1e-6 of it. Batches have the same images in another order each, and cost the same number of
evaluations. "Spread" means that u is stratified over the batch, as in training; "free" that each u
is drawn by itself.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from gradlog import Run
from gradlog.losses import DRAWS, MaskedCrossEntropy, example_keys, stratified
from gradlog.sde_lib import Absorbing, OnePosition

STEP = "step"
STEPS_PER_POSITION = 16


def main() -> None:
    """Print the variance of the mean loss of a batch for each case, and its ratio to the first."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="of a trained model of tokens")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--batch_size", type=int, default=64)
    options = parser.parse_args()
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

    first = None
    print("draws  u       mean, nats/dim      variance   ratio")
    kinds = [*DRAWS, STEP] if isinstance(model.process, Absorbing) else DRAWS
    for draws, spread in product(kinds, (True, False)):
        keys = jax.random.split(jax.random.key(0), options.batches)
        losses = np.array([float(batch(draws, spread, model, key)) for key in keys])
        variance = np.var(losses, ddof=1)
        first = first or variance
        error = np.sqrt(variance / len(losses))
        name = "spread" if spread else "free"
        print(
            f"{draws:5}  {name:6}  {losses.mean():.4f} +- {error:.4f}  {variance:.3g}  "
            f"{variance / first:.2f}"
        )


if __name__ == "__main__":
    main()
