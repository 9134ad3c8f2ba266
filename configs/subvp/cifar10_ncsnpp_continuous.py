r"""NCSN++ continuous with the sub-VP SDE on CIFAR-10.

Command: python main.py --config=configs/subvp/cifar10_ncsnpp_continuous.py \
    --workdir=runs/subvp_cifar10_ncsnpp
Figure: not measured here, none published for these settings.
Time: 1.3 million steps at batch 128, days on eight accelerators (not measured here).
"""

from configs import published


def get_config():
    return published.subvp("cifar10", "ncsnpp")
