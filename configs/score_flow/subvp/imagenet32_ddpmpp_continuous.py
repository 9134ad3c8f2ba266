r"""ScoreFlow: DDPM++ with the sub-VP SDE on ImageNet 32x32 (arXiv:2101.09258).

The published figures are for the "old" version of the data: --config.data.version=old.

Command: python main.py --config=configs/score_flow/subvp/imagenet32_ddpmpp_continuous.py \
    --workdir=runs/score_flow_subvp_imagenet32_ddpmpp
Figure: 3.76 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here are with uniform dequantization; `score_flow` in configs/published.py has the
    command for the variational one. Not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ddpmpp(published.imagenet32())))
