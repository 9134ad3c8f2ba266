"""Gradient variance, and the gap of DSM to ESM, of a fixed and two learned schedules: digits.

The law is a mixture of a Gaussian around each training digit. The network is an MLP.

Command: python main.py --config=configs/theory/learned_gradients_digits.py --workdir=runs/gaps \\
    --mode=study
Figure: not measured.
Time: not measured.
"""

from gradlog.configs.theory import learned_gradients


def get_config():
    config = learned_gradients.get_config()
    config.data.name = "digits"
    config.model.hidden = 128
    config.study.draws = 512
    return config
