"""8-bit RGB patches, 16x16, with a learned noise schedule for each pixel and channel (MuLAN).

The network and the optimizer are those of configs/photos16.py.

Command: python main.py --config=configs/learned/photos16_per_pixel.py \\
    --workdir=runs/photos16_per_pixel
Figure: 3.959 +- 0.088 bits/dim on the 384 test patches (bound) after 565 steps, three seeds, by
configs/sweeps/photos16_processes.py; not measured to its end.
Time: a step takes 1.06 times the CPU time of configs/photos16.py.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.update(name="multivariate", gamma_min=-13.3, gamma_max=5.0)
    config.objective.update(name="elbo", importance_sampling=False, eps=0.0)
    config.likelihood.eps = 0.0
    config.sampling.eps = 0.0
    config.likelihood.variable = "t"
    config.sampling.variable = "t"
    return config
