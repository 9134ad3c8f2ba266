r"""ScoreFlow: DDPM++ with the VP SDE on CIFAR-10 (arXiv:2101.09258).

Training mirrors images at random, as the official file does. The paper's best figures are without
mirroring: --config.data.random_flip=False.

configs/vp/ and configs/score_flow/vp/ have the same experiment under this name, with the loss
of ScoreFlow; configs/score_sde/vp/ has the weighting sigma^2 and uniform times.

Command: python main.py --config=configs/score_flow/vp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_flow_vp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here are with uniform dequantization; `score_flow` in configs/published.py has the
    command for the variational one. Not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.vp(published.ddpmpp(published.cifar10())))
