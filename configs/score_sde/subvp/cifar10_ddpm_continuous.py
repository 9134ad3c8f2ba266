r"""The network of DDPM with the sub-VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/subvp/cifar10_ddpm_continuous.py \
    --workdir=runs/score_sde_subvp_cifar10_ddpm
Figure: by the flow FID 3.56, 3.05 bits/dim (table 2); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.subvp(published.ddpm(published.cifar10()))
