"""8-bit RGB patches, 16x16, with VDM's learned noise schedule.

The network and the optimizer are those of configs/photos16.py.

Command: python main.py --config=configs/learned/photos16_gamma.py --workdir=runs/photos16_gamma
Figure: 4.664 +- 0.072 bits/dim on the 384 test patches (bound) after 375 steps, by
configs/sweeps/photos16_processes.py; not measured to its end.
Time: a step takes 1.60 times the CPU time of configs/photos16.py.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.update(name="learned_gamma", gamma_min=-13.3, gamma_max=5.0, learn_ends=True)
    config.objective.update(name="elbo", importance_sampling=False, eps=0.0)
    config.likelihood.eps = 0.0
    config.sampling.eps = 0.0
    return config
