"""Handwritten digits with a learned drift and diffusion for each frequency of the cosine transform.

The network and the optimizer are those of configs/digits.py. The network sees images and the mean
noise level. `--config.sde.coordinates=low_rank` learns a space of a few dimensions instead.

Command: python main.py --config=configs/learned/digits_affine.py --workdir=runs/digits_affine
Figure: not measured at its 4000 steps.
Time: not measured.
"""

from gradlog.configs.learned import digits_gamma


def get_config():
    config = digits_gamma.get_config()
    config.sde.name = "learned_affine"
    config.likelihood.variable = "t"
    config.sampling.variable = "t"
    return config
