"""Handwritten digits as tokens with a learned rate of masking for each level (GenMD4).

The network is that of configs/discrete/digits_masked.py, and sees the time. docs/discrete.md
compares the processes.

Command: python main.py --config=configs/discrete/digits_rates.py --workdir=runs/rates
Figure: 1.746 +- 0.013 bits/dim on the 297 test digits (bound) after 1,610 steps, one seed, by
configs/sweeps/digits_worlds.py; not measured to its end.
Time: a step takes 1.8 times the CPU time of configs/discrete/digits_masked.py.
"""

from gradlog.configs.discrete import digits_masked


def get_config():
    config = digits_masked.get_config()
    config.sde.name = "learned_masking"
    config.sampling.name = "ancestral"
    return config
