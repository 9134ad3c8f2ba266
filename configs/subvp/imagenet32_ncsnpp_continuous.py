r"""NCSN++ continuous with the sub-VP SDE on ImageNet 32x32 (the "new" version).

With ScoreFlow's likelihood weighting, importance sampling and smallest times.

Command: python main.py --config=configs/subvp/imagenet32_ncsnpp_continuous.py \
    --workdir=runs/subvp_imagenet32_ncsnpp
Figure: not measured here, none published for these settings.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.subvp(published.ncsnpp(published.imagenet32())))
