r"""ScoreFlow: DDPM++, deep, with the sub-VP SDE on CIFAR-10 (arXiv:2101.09258).

Training mirrors images at random, as the official file does. The paper's best figures are without
mirroring: --config.data.random_flip=False.

Command: python main.py --config=configs/score_flow/subvp/cifar10_ddpmpp_deep_continuous.py \
    --workdir=runs/score_flow_subvp_cifar10_ddpmpp_deep
Figure: 2.83 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here are with uniform dequantization; `score_flow` in configs/published.py has the
    command for the variational one. Not measured here.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    network = published.ddpmpp(published.cifar10(), deep=True)
    return published.score_flow(published.subvp(network))
