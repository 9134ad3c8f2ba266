r"""NCSN++ continuous, deep, with the VE SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/ve/cifar10_ncsnpp_deep_continuous.py \
    --workdir=runs/score_sde_ve_cifar10_ncsnpp_deep
Figure: FID 2.20 (table 3), the best of the paper; not measured here.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ve(published.ncsnpp(published.cifar10(), deep=True))
