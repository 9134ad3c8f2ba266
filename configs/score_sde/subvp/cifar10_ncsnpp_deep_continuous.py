r"""NCSN++ continuous, deep, with the sub-VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/subvp/cifar10_ncsnpp_deep_continuous.py \
    --workdir=runs/score_sde_subvp_cifar10_ncsnpp_deep
Figure: not measured here, and none is published.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.subvp(published.ncsnpp(published.cifar10(), deep=True))
