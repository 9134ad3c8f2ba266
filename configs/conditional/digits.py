"""Handwritten digits with their classes: draw a chosen digit, or recognize one.

The network of configs/digits.py also sees the class. Training hides the class one time in ten.

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
