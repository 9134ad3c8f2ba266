r"""MuLAN on CIFAR-10 (Sahoo et al. 2024, arXiv:2312.13236).

Command: python main.py --config=configs/mulan/cifar10.py \
    --workdir=runs/mulan_cifar10
Figure: 2.55 bits/dim, by the flow with truncated normal noise and 20 importance samples, which is
    what --mode=eval computes; not measured here.
Time: 10 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.mulan("cifar10", channels=128, parametrization="velocity")
