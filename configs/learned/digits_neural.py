"""Handwritten digits with a path that is learned as a whole: NFDM (arXiv:2404.12940).

Mean and standard deviation of the path are networks of the image, and its diffusion is one of the
time. The network and the optimizer are those of configs/digits.py; the network estimates the image.

Command: python main.py --config=configs/learned/digits_neural.py --workdir=runs/digits_neural
Figure: not measured at its 4000 steps. After 300 steps of a schedule of 300 the held-out bound was
2.36 bits/dim, one draw for each test digit.
Time: 2.3 steps in a second on two CPU cores that other jobs shared.
"""

from gradlog.configs import digits


def get_config():
    config = digits.get_config()
    config.sde.name = "neural"
    config.objective.name = "elbo"
    config.optimizer.process_rate = 0.25
    config.likelihood.name = "bound"
    config.sampling.name = "neural_reverse"
    return config
