r"""DDPM++ continuous with the sub-VP SDE on ImageNet 32x32 (the "new" version).

It is the same experiment as configs/score_flow/subvp/imagenet32_ddpmpp_continuous.py.

Command: python main.py --config=configs/subvp/imagenet32_ddpmpp_continuous.py \
    --workdir=runs/subvp_imagenet32_ddpmpp
Figure: 3.76 bits/dim at best in the paper, on the "old" version with variational
    dequantization; not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs.score_flow.subvp import imagenet32_ddpmpp_continuous


def get_config():
    return imagenet32_ddpmpp_continuous.get_config()
