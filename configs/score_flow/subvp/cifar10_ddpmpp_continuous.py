r"""ScoreFlow: DDPM++ with the sub-VP SDE on CIFAR-10 (arXiv:2101.09258).

Flipped as in the official file; the paper's best figures are of images that are not:
--config.data.random_flip=False.

Command: python main.py --config=configs/score_flow/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_flow_subvp_cifar10_ddpmpp
Figure: 2.83 bits/dim is the best of the paper (abstract, table 2), with variational dequantization,
    which is not here: what is evaluated here corresponds to its columns of uniform dequantization.
    Not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ddpmpp(published.cifar10())))
