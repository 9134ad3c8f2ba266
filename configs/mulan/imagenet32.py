r"""MuLAN on ImageNet 32x32 (Sahoo et al. 2024, arXiv:2312.13236).

The published figure is for the "old" version of the data: --config.data.version=old.

Command: python main.py --config=configs/mulan/imagenet32.py \
    --workdir=runs/mulan_imagenet32
Figure: 3.67 bits/dim, by the flow with truncated normal noise and 20 importance samples, which is
    what --mode=eval computes; not measured here.
Time: 2 million steps at batch 512 (not measured here).
"""

from gradlog.configs import published


def get_config():
    config = published.mulan("imagenet32", channels=256, parametrization="noise")
    config.training.update(steps=2_000_000, batch_size=512)
    return config
