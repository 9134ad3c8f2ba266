r"""DDPM++ continuous, deep, with the sub-VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/subvp/cifar10_ddpmpp_deep_continuous.py \
    --workdir=runs/score_sde_subvp_cifar10_ddpmpp_deep
Figure: FID 2.41 (table 3); by the flow FID 2.92, 2.99 bits/dim (table 2); not measured here.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.subvp(published.ddpmpp(published.cifar10(), deep=True))
