r"""NCSN++ continuous with the sub-VP SDE on ImageNet 32x32 (the "new" version).

It trains with the likelihood weighting, the importance sampling of times and the smallest times of
ScoreFlow. Neither paper has this experiment.

Command: python main.py --config=configs/subvp/imagenet32_ncsnpp_continuous.py \
    --workdir=runs/subvp_imagenet32_ncsnpp
Figure: not measured here, and none is published for these settings.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ncsnpp(published.imagenet32())))
