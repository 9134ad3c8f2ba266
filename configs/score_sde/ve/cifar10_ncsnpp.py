r"""NCSN++ on a ladder of 1000 levels, CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/ve/cifar10_ncsnpp.py \
    --workdir=runs/score_sde_ve_cifar10_ncsnpp
Figure: FID 2.45 (table 3); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.smld(published.ncsnpp(published.cifar10()))
