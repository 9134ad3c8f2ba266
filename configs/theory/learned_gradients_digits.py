"""Gradient variance, and the gap of DSM to ESM, of a fixed and two learned schedules: digits.

The law is a mixture of a Gaussian around each training digit. The network is an MLP.

Command: python main.py --config=configs/theory/learned_gradients_digits.py --workdir=runs/gaps \\
    --mode=study
Figure: the gap is 0.867 +- 0.019 (fixed), 0.868 +- 0.011 (variance-trained) and 0.866 +- 0.018
    nats/dim (per dimension). The variance of a gradient is 427 +- 13, 283 +- 3 and 624 +- 18.
Time: six minutes of CPU time.
"""

from gradlog.configs.theory import learned_gradients


def get_config():
    config = learned_gradients.get_config()
    config.data.name = "digits"
    config.model.hidden = 128
    config.study.draws = 512
    return config
