"""Tokens and Gaussian noise on the digits: all of configs/discrete/digits_*.py, and the demo.

All are trained for equal CPU time, that of the demo's 4,000 steps. A world whose step costs more
has fewer steps (`COST`). Network, optimizer and estimator are those of each file, with three seeds.
All bits are those of the stored images, so they stand in one table. docs/discrete.md has it, and
says what each number is.

Command: python main.py --mode=sweep --sweep=configs/sweeps/digits_worlds.py \\
    --workdir=runs/digits_worlds
Figure: 1.692 (levels), 1.735 (masked), 1.746 (rates), 1.787 (uniform), 1.824 bits/dim (the demo),
+- 0.014 each, with three seeds, rates with one.
Time: four to six minutes a run on one core, and one of evaluation.
"""

from pathlib import Path
from runpy import run_path

from flax.traverse_util import flatten_dict

from gradlog.configs import digits
from gradlog.sweeps.overrides import product, seeds

ESTIMATOR = "likelihood.name"
DEMO_STEPS = 4000
# CPU time of a training step, in those of the demo: benchmarks/train_step.py.
COST = {"digits_levels": 1.12, "digits_masked": 1.35, "digits_rates": 2.48, "digits_uniform": 1.40}


def get_config():
    config = digits.get_config()
    config.training.update(eval_every=0, checkpoint_every=0, sample_every=0, keep=1)
    config.eval.second_look = 0
    return config


def worlds(module, cost, steps):
    """Return a label and changes for an experiment and its files in configs/discrete.

    Args:
      module: the experiment, with Gaussian noise on dequantized images.
      cost: CPU time of a training step of each file, in those of the experiment.
      steps: the number of steps of the experiment; each file has the number that costs the same.
    """
    name = module.__name__.rpartition(".")[2]
    base = flatten_dict(module.get_config().to_dict(), sep=".")
    found = [{"label": name, ESTIMATOR: base[ESTIMATOR]} | _steps(steps)]
    for file in sorted((Path(__file__).parents[1] / "discrete").glob(f"{name}_*.py")):
        config = flatten_dict(run_path(str(file))["get_config"]().to_dict(), sep=".")
        changes = {key: value for key, value in config.items() if value != base[key]}
        own = {"label": file.stem, ESTIMATOR: config[ESTIMATOR]}
        found.append(own | changes | _steps(steps / cost[file.stem]))
    return found


def _steps(count):
    count = 10 * round(count / 10)
    return {"training.steps": count, "optimizer.decay_steps": count}


def sweep():
    """Return what each file changes in the demo; the first seed of all comes first."""
    return product(seeds(3), worlds(digits, COST, DEMO_STEPS))
