"""Tokens and Gaussian noise on the digits: all of configs/discrete/digits_*.py, and the demo.

Each has the network, the number of steps and the estimator of its own file, and three seeds. All
bits are those of the stored images, so they stand in one table. docs/discrete.md has single runs.

Command: python main.py --mode=sweep --sweep=configs/sweeps/digits_worlds.py \\
    --workdir=runs/digits_worlds
Figure: not measured.
Time: not measured.
"""

from pathlib import Path
from runpy import run_path

from flax.traverse_util import flatten_dict

from gradlog.configs import digits
from gradlog.sweeps.overrides import product, seeds

ESTIMATOR = "likelihood.name"


def get_config():
    config = digits.get_config()
    config.training.sample_every = 0
    config.eval.second_look = 0
    return config


def sweep():
    """Return what each file changes in the demo; the first seed of all comes first."""
    base = flatten_dict(digits.get_config().to_dict(), sep=".")
    worlds = [{ESTIMATOR: base[ESTIMATOR]}]
    for file in sorted((Path(__file__).parents[1] / "discrete").glob("digits_*.py")):
        config = flatten_dict(run_path(str(file))["get_config"]().to_dict(), sep=".")
        changes = {key: value for key, value in config.items() if value != base[key]}
        worlds.append({ESTIMATOR: config[ESTIMATOR]} | changes)
    return product(seeds(3), worlds)
