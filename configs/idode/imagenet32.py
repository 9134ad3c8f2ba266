r"""i-DODE on ImageNet 32x32 (Zheng et al. 2023, arXiv:2305.03935).

For the "old" version of the data: --config.data.version=old.

Command: python main.py --config=configs/idode/imagenet32.py \
    --workdir=runs/idode_imagenet32
Figure: 3.43 bits/dim ("new" data), 3.69 ("old" data), by the flow with truncated normal noise,
    which is what --mode=eval computes; not measured here.
Time: as long as VDM (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.idode("imagenet32", channels=256)
