r"""The network of DDPM with the VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

Command: python main.py --config=configs/score_sde/vp/ddpm/cifar10_continuous.py \
    --workdir=runs/score_sde_vp_ddpm_cifar10
Figure: by the flow FID 3.69, 3.21 bits/dim (table 2); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.vp(published.ddpm(published.cifar10()))
