r"""DDPM++ continuous with the VP SDE on CIFAR-10.

configs/vp/ and configs/score_flow/vp/ have the same experiment under this name, with the loss
of ScoreFlow; configs/score_sde/vp/ has the weighting sigma^2 and uniform times.

Command: python main.py --config=configs/vp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/vp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper, with variational dequantization;
    not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_flow.vp import cifar10_ddpmpp_continuous


def get_config():
    return cifar10_ddpmpp_continuous.get_config()
