r"""NCSN++ continuous with the VP SDE on CIFAR-10.

It trains with the likelihood weighting, the importance sampling of times and the smallest times of
ScoreFlow. Neither paper has this experiment.

Command: python main.py --config=configs/vp/cifar10_ncsnpp_continuous.py \
    --workdir=runs/vp_cifar10_ncsnpp
Figure: not measured here, and none is published for these settings.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.vp(published.ncsnpp(published.cifar10())))
