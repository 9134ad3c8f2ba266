r"""VDM on ImageNet 32x32 (Kingma et al. 2021, arXiv:2107.00630).

The published figure is for the "old" version of the data: --config.data.version=old.

Command: python main.py --config=configs/vdm/imagenet32.py \
    --workdir=runs/vdm_imagenet32
Figure: 3.72 bits/dim (table 1), by the variational bound with a learned noise schedule, which
    is what --mode=eval computes; not measured here.
Time: 10 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.vdm("imagenet32", channels=256)
