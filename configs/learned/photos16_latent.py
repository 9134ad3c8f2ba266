"""8-bit RGB patches, 16x16, with noise schedules that a latent chooses (MuLAN).

The network and the optimizer are those of configs/photos16.py.

Command: python main.py --config=configs/learned/photos16_latent.py --workdir=runs/photos16_latent
Figure: not measured.
Time: not measured.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.update(name="multivariate", gamma_min=-13.3, gamma_max=5.0)
    config.sde.update(latents=16, latent_ones=2)
    config.objective.update(name="elbo", importance_sampling=False, eps=0.0)
    config.likelihood.eps = 0.0
    config.sampling.eps = 0.0
    config.likelihood.variable = "t"
    config.sampling.variable = "t"
    return config
