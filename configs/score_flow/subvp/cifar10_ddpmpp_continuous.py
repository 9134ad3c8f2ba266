r"""ScoreFlow: DDPM++ with the sub-VP SDE on CIFAR-10 (arXiv:2101.09258).

Training mirrors images at random, as the official file does. The paper's best figures are without
mirroring: --config.data.random_flip=False.

Three files have this name. configs/subvp/ and configs/score_flow/subvp/ are the same experiment,
ScoreFlow: the likelihood weighting g^2 with importance sampling of times. configs/score_sde/subvp/
has the same network and process with the loss of score_sde: the weighting sigma^2 and uniform
times. ScoreFlow's smallest time is 1e-2, that of score_sde 1e-5.

Command: python main.py --config=configs/score_flow/subvp/cifar10_ddpmpp_continuous.py \
    --workdir=runs/score_flow_subvp_cifar10_ddpmpp
Figure: 2.83 bits/dim at best in the paper (abstract, table 2), with variational dequantization.
    Likelihoods here have uniform dequantization, as other columns of the table do. For the
    variational columns train a flow after the score, in a workdir of its own, with
    --config.training.start_from=WORKDIR --config.optimizer.frozen=network
    --config.objective.name=elbo --config.objective.dequantization=variational
    --config.likelihood.dequantization=variational. Not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ddpmpp(published.cifar10())))
