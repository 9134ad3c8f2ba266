r"""DDPM++ continuous with the sub-VP SDE on CIFAR-10 (Song et al. 2021, arXiv:2011.13456).

configs/subvp/ and configs/score_flow/subvp/ have the same experiment under this name, with the
loss and the smallest time of ScoreFlow, 1e-2; configs/score_sde/subvp/ has the weighting sigma^2,
uniform times and 1e-5.

Command: python main.py --config=configs/score_sde/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_sde_subvp_cifar10_ddpmpp
Figure: FID 2.61 (table 3); by the flow FID 3.16, 3.02 bits/dim (table 2); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.subvp(published.ddpmpp(published.cifar10()))
