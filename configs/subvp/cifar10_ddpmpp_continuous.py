r"""DDPM++ continuous with the sub-VP SDE on CIFAR-10.

Three files have this name. configs/subvp/ and configs/score_flow/subvp/ are the same experiment,
ScoreFlow: the likelihood weighting g^2 with importance sampling of times. configs/score_sde/subvp/
has the same network and process with the loss of score_sde: the weighting sigma^2 and uniform
times. ScoreFlow's smallest time is 1e-2, that of score_sde 1e-5.

Command: python main.py --config=configs/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/subvp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper, with variational dequantization;
    not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_flow.subvp import cifar10_ddpmpp_continuous


def get_config():
    return cifar10_ddpmpp_continuous.get_config()
