r"""DDPM++ continuous with the sub-VP SDE on CIFAR-10.

configs/subvp/ and configs/score_flow/subvp/ have the same experiment under this name, with the
loss and the smallest time of ScoreFlow, 1e-2; configs/score_sde/subvp/ has the weighting sigma^2,
uniform times and 1e-5.

Command: python main.py --config=configs/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/subvp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper, with variational dequantization;
    not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_flow.subvp import cifar10_ddpmpp_continuous


def get_config():
    return cifar10_ddpmpp_continuous.get_config()
