r"""MD4 on CIFAR-10 as 3,072 tokens of 256 levels (Shi et al. 2024, arXiv:2406.04329).

Command: python main.py --config=configs/md4/cifar10.py \
    --workdir=runs/md4_cifar10
Figure: 2.75 bits/dim (table 4) with 28 million parameters, by the bound; not measured here.
Time: not measured here.
"""

from gradlog.configs import published


def get_config():
    return published.md4("cifar10")
