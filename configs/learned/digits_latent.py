"""Handwritten digits whose noise schedules per pixel are chosen by a latent of the digit (MuLAN).

The latent is a set of two of sixteen elements: 120 sets, whose KL from the prior is exact. The rest
is that of configs/learned/digits_per_pixel.py.

Command: python main.py --config=configs/learned/digits_latent.py --workdir=runs/digits_latent
Figure: not measured at its 4000 steps.
Time: not measured.
"""

from gradlog.configs.learned import digits_per_pixel


def get_config():
    config = digits_per_pixel.get_config()
    config.sde.update(latents=16, latent_ones=2)
    return config
