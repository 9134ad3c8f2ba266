r"""NCSN++ continuous with the VE SDE on CIFAR-10.

Command: python main.py --config=configs/ve/cifar10_ncsnpp_continuous.py \
    --workdir=runs/ve_cifar10_ncsnpp
Figure: not measured here, none published in bits/dim.
Time: 1.3 million steps at batch 128, days on eight accelerators (not measured here).
"""

from configs import published


def get_config():
    return published.ve("cifar10", "ncsnpp")
