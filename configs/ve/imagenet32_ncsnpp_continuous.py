r"""NCSN++ continuous with the VE SDE on ImageNet 32x32 (the "new" version).

Command: python main.py --config=configs/ve/imagenet32_ncsnpp_continuous.py \
    --workdir=runs/ve_imagenet32_ncsnpp
Figure: not measured here, and none is published for these settings.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ve(published.ncsnpp(published.imagenet32()))
