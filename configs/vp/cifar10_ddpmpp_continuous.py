r"""DDPM++ continuous with the VP SDE on CIFAR-10.

Command: python main.py --config=configs/vp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/vp_cifar10_ddpmpp
Figure: not measured here; the same network trained with sigma^2 weighting has 3.16 bits/dim
    (Song et al. 2021, table 2: DDPM++ cont., VP).
Time: 1.3 million steps at batch 128, days on eight accelerators (not measured here).
"""

from configs import published


def get_config():
    return published.vp("cifar10", "ddpmpp")
