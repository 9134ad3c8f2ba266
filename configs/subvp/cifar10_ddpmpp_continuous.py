r"""DDPM++ continuous with the sub-VP SDE on CIFAR-10.

Command: python main.py --config=configs/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/subvp_cifar10_ddpmpp
Figure: not measured here; the same network trained with sigma^2 weighting has 3.02 bits/dim
    (Song et al. 2021, table 2: DDPM++ cont., sub-VP).
Time: 1.3 million steps at batch 128, days on eight accelerators (not measured here).
"""

from configs import published


def get_config():
    return published.subvp("cifar10", "ddpmpp")
