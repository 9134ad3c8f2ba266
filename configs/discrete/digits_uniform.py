"""Handwritten digits as tokens with uniform noise: any level takes the place of another.

The network is that of configs/discrete/digits_masked.py, and sees the time. docs/discrete.md
compares the two processes.

Command: python main.py --config=configs/discrete/digits_uniform.py --workdir=runs/uniform
Figure: 1.787 +- 0.013 bits/dim on the 297 test digits (bound) after 2,860 steps, three seeds, by
configs/sweeps/digits_worlds.py; not measured to its end.
Time: that of configs/discrete/digits_masked.py; a step takes 1.04 times its CPU time.
"""

from gradlog.configs.discrete import digits_masked


def get_config():
    config = digits_masked.get_config()
    config.sde.name = "uniform"
    config.objective.name = "score_entropy"
    config.sampling.update(name="ancestral", num_steps=250)
    return config
