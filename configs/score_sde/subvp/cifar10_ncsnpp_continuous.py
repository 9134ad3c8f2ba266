r"""NCSN++ continuous with the sub-VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/subvp/cifar10_ncsnpp_continuous.py \
    --workdir=runs/score_sde_subvp_cifar10_ncsnpp
Figure: not measured here, and none is published.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.subvp(published.ncsnpp(published.cifar10()))
