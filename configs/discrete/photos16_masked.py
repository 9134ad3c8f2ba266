"""8-bit RGB patches, 16x16, as tokens: masked diffusion on the 256 levels, without dequantization.

The network is that of configs/photos16.py, between an embedding of the levels and logits.

Command: python main.py --config=configs/discrete/photos16_masked.py --workdir=runs/photos16_masked
Figure: 7.243 +- 0.027 bits/dim on the 384 test patches (bound) after 210 steps, by
configs/sweeps/photos16_worlds.py; not measured to its end.
Time: a step takes 1.92 times the CPU time of configs/photos16.py.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.sde.name = "masking"
    config.model.token_features = 8
    config.objective.name = "masked"
    config.optimizer.grad_clip = 1.0
    config.likelihood.update(name="bound", samples=32)
    config.sampling.update(name="first_hitting", group_size=4)
    return config
