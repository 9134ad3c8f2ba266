"""8-bit RGB patches, 16x16, by a Gaussian process with logits over the levels.

The network is that of configs/photos16.py, between a linear map and logits over the 256 levels.
configs/discrete/digits_levels.py says what its bits are.

Command: python main.py --config=configs/discrete/photos16_levels.py --workdir=runs/photos16_levels
Figure: 6.923 +- 0.042 bits/dim on the 384 test patches (mmse) after 200 steps, by
configs/sweeps/photos16_worlds.py; not measured to its end.
Time: a step takes 2.04 times the CPU time of configs/photos16.py.
"""

from gradlog.configs import photos16


def get_config():
    config = photos16.get_config()
    config.model.update(parametrization="levels", token_features=8)
    config.objective.dequantization = "centers"
    config.likelihood.update(name="mmse", samples=32)
    return config
