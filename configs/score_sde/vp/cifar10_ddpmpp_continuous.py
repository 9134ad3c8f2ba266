r"""DDPM++ continuous with the VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

configs/vp/ and configs/score_flow/vp/ have the same experiment under this name, with the loss
of ScoreFlow; configs/score_sde/vp/ has the weighting sigma^2 and uniform times.

Command: python main.py --config=configs/score_sde/vp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_sde_vp_cifar10_ddpmpp
Figure: FID 2.55 (table 3); by the flow FID 3.93, 3.16 bits/dim (table 2); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.vp(published.ddpmpp(published.cifar10()))
