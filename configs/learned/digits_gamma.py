"""Handwritten digits with a learned noise schedule: VDM's gamma(t), with both its ends.

The network and the optimizer are those of configs/digits.py. The whole variational bound is the
loss: it decides the ends of the schedule, and its variance decides the inside.

Command: python main.py --config=configs/learned/digits_gamma.py --workdir=runs/digits_gamma
Figure: not measured at its 4000 steps. After 200 steps of a schedule of 200 it had 2.57 +- 0.04
bits/dim on 32 test digits (bound), 2.65 +- 0.05 (ode).
Time: not measured.
"""

from gradlog.configs import digits


def get_config():
    config = digits.get_config()
    config.sde.update(name="learned_gamma", gamma_min=-11.0, gamma_max=5.0, learn_ends=True)
    config.objective.update(name="elbo", importance_sampling=False, eps=0.0)
    config.likelihood.eps = 0.0
    config.sampling.eps = 0.0
    return config
