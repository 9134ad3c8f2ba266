"""Handwritten digits by a Gaussian process with logits over the levels, without dequantization.

The network is that of configs/digits.py, between a linear map and logits over the 17 levels of each
pixel. Its denoised image is the mean over the levels. Half the integral of its squared errors over
all signal-to-noise ratios is a bound on the bits of the stored image, with no other term.
docs/discrete.md explains it.

Command: python main.py --config=configs/discrete/digits_levels.py --workdir=runs/levels
Figure: 1.689 +- 0.015 bits/dim on the 297 test digits (mmse), one seed.
Time: 10 minutes of training on two CPU cores that were busy with other work; evaluation one.
"""

from gradlog.configs import digits


def get_config():
    config = digits.get_config()
    config.model.update(parametrization="levels", token_features=16)
    config.objective.dequantization = "centers"
    config.likelihood.update(name="mmse", samples=128)
    return config
