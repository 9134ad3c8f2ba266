r"""NCSN++ continuous with the VP SDE on ImageNet 32x32 (the "new" version).

With ScoreFlow's likelihood weighting, importance sampling and smallest times.

Command: python main.py --config=configs/vp/imagenet32_ncsnpp_continuous.py \
    --workdir=runs/vp_imagenet32_ncsnpp
Figure: not measured here, none published for these settings.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.score_flow(published.vp(published.ncsnpp(published.imagenet32())))
