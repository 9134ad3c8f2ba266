r"""DDPM on CIFAR-10 (Ho et al. 2020, arXiv:2006.11239), as in score_sde.

Command: python main.py --config=configs/score_sde/vp/ddpm/cifar10.py \
    --workdir=runs/score_sde_vp_ddpm_cifar10
Figure: FID 3.17 in the paper (table 1), 3.24 of score_sde's checkpoint; by the flow FID 3.37, 3.28
    bits/dim (arXiv:2011.13456, table 2); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.chain(published.ddpm(published.cifar10()))
