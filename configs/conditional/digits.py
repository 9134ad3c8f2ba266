"""Handwritten digits with their classes: draws a wanted digit, and tells which one it is shown.

The network of configs/digits.py, told the class, or one time in ten that there is none.

Command: python main.py --config=configs/conditional/digits.py --workdir=runs/classes
         python main.py --workdir=runs/classes --mode=classify
Figure: 99.3 +- 0.5 % of the 297 test digits by the likelihoods of their classes (32 times each).
Time: three minutes of training, one to classify, on two CPU cores.
"""

from gradlog.configs import digits


def get_config():
    config = digits.get_config()
    config.model.num_classes = 10
    config.likelihood.update(name="bound", samples=32)
    return config
