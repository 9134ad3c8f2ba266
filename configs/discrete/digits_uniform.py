"""Handwritten digits as tokens with uniform noise: any level takes the place of another.

The network is that of configs/discrete/digits_masked.py, and sees the time. docs/discrete.md
compares the two processes.

Command: python main.py --config=configs/discrete/digits_uniform.py --workdir=runs/uniform
Figure: not measured to its end.
Time: about that of configs/discrete/digits_masked.py.
"""

from gradlog.configs.discrete import digits_masked


def get_config():
    config = digits_masked.get_config()
    config.sde.name = "uniform"
    config.objective.name = "score_entropy"
    config.sampling.update(name="ancestral", num_steps=250)
    return config
