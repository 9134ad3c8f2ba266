"""Handwritten digits with a learned noise schedule for each pixel, the same for all digits (MuLAN).

The network and the optimizer are those of configs/digits.py. The network sees the map of noise
levels as a second channel. The loss is the whole variational bound, which depends on the way of the
schedules.

Command: python main.py --config=configs/learned/digits_per_pixel.py --workdir=runs/digits_per_pixel
Figure: not measured at its 4000 steps.
Time: not measured.
"""

from gradlog.configs.learned import digits_gamma


def get_config():
    config = digits_gamma.get_config()
    config.sde.update(name="multivariate", learn_ends=False)
    config.likelihood.variable = "t"
    config.sampling.variable = "t"
    return config
