"""Handwritten digits under a process that blurs and adds noise (arXiv:2209.05557).

The network and the optimizer are those of configs/digits.py. The process is fixed; the loss is the
whole variational bound, since its noise levels differ by frequency.

Command: python main.py --config=configs/learned/digits_blurring.py --workdir=runs/digits_blurring
Figure: not measured at its 4000 steps.
Time: not measured.
"""

from gradlog.configs.learned import digits_affine


def get_config():
    config = digits_affine.get_config()
    config.sde.update(name="blurring", blur_max=4.0)
    return config
