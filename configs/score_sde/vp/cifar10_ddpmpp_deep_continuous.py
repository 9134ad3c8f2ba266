r"""DDPM++ continuous, deep, with the VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/vp/cifar10_ddpmpp_deep_continuous.py \
    --workdir=runs/score_sde_vp_cifar10_ddpmpp_deep
Figure: FID 2.41 (table 3); by the flow FID 3.08, 3.13 bits/dim (table 2); not measured here.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.vp(published.ddpmpp(published.cifar10(), deep=True))
