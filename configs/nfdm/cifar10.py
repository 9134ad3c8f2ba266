r"""NFDM on CIFAR-10 (Bartosh et al. 2024, arXiv:2404.12940).

Command: python main.py --config=configs/nfdm/cifar10.py \
    --workdir=runs/nfdm_cifar10
Figure: 2.48 bits/dim, with the network of the paper; not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.nfdm("cifar10")
