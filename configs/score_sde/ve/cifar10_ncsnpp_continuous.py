r"""NCSN++ continuous with the VE SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/ve/cifar10_ncsnpp_continuous.py \
    --workdir=runs/score_sde_ve_cifar10_ncsnpp
Figure: FID 2.38 (table 3); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ve(published.ncsnpp(published.cifar10()))
