r"""DDPM++ continuous with the VP SDE on CIFAR-10.

The published experiment configs/score_flow/vp/cifar10_ddpmpp_continuous.py, where its figures are.

Command: python main.py --config=configs/vp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/vp_cifar10_ddpmpp
Figure: see there.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_flow.vp import cifar10_ddpmpp_continuous


def get_config():
    return cifar10_ddpmpp_continuous.get_config()
