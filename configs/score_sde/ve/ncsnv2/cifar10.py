r"""NCSNv2 on CIFAR-10 (Song & Ermon 2020, arXiv:2006.09011), as in score_sde.

Command: python main.py --config=configs/score_sde/ve/ncsnv2/cifar10.py \
    --workdir=runs/score_sde_ve_ncsnv2_cifar10
Figure: FID 10.87 in its paper (table 1); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ncsnv2(published.cifar10(), scales=232, steps=5, snr=0.176)
