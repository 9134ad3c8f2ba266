r"""ScoreFlow: DDPM++ with the sub-VP SDE on CIFAR-10 (arXiv:2101.09258).

Training mirrors images at random, as the official file does. The paper's best figures are without
mirroring: --config.data.random_flip=False.

configs/subvp/ and configs/score_flow/subvp/ have the same experiment under this name, with the
loss and the smallest time of ScoreFlow, 1e-2; configs/score_sde/subvp/ has the weighting sigma^2,
uniform times and 1e-5.

Command: python main.py --config=configs/score_flow/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_flow_subvp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here are with uniform dequantization; `score_flow` in configs/published.py has the
    command for the variational one. Not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ddpmpp(published.cifar10())))
