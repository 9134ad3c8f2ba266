"""Samplers of masks with few steps, on a Markov chain whose conditionals are exact.

The chain has 32 tokens of 4 kinds; each is the one before it with probability 0.8. The data set of
the configuration is not used.

Command: python main.py --config=configs/theory/few_steps.py --workdir=runs/few_steps --mode=study
Figure: total variation of two neighbors with 32 evaluations: first_hitting 0.003 (the noise of the
    20,000 samples), ancestral 0.017, remdm 0.027, confidence 0.074; with one, 0.550 for all.
Time: half a minute on two busy CPU cores.
"""

from gradlog.configs.discrete import digits_masked


def get_config():
    config = digits_masked.get_config()
    config.study.update(name="few_steps", samples=20_000, times=6)
    return config
