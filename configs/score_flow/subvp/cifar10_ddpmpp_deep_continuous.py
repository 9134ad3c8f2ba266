r"""ScoreFlow: DDPM++, deep, with the sub-VP SDE on CIFAR-10 (arXiv:2101.09258).

Training mirrors images at random, as the official file does. The paper's best figures are without
mirroring: --config.data.random_flip=False.

Command: python main.py --config=configs/score_flow/subvp/cifar10_ddpmpp_deep_continuous.py \
    --workdir=runs/score_flow_subvp_cifar10_ddpmpp_deep
Figure: 2.83 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here have uniform dequantization, as other columns of the table do. For the
    variational columns train a flow after the score, in a workdir of its own, with
    --config.training.start_from=WORKDIR --config.optimizer.frozen=network
    --config.objective.name=elbo --config.objective.dequantization=variational
    --config.likelihood.dequantization=variational. Not measured here.
Time: 950,000 steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    network = published.ddpmpp(published.cifar10(), deep=True)
    return published.score_flow(published.subvp(network))
