r"""NCSNv2 on CelebA at 64x64 (Song & Ermon 2020, arXiv:2006.09011), as in score_sde.

The data are the images of CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA) as files, in one folder or
in folders train/ and test/. score_sde resizes the central 140x140 pixels; this loader resizes the
largest central square.

Command: python main.py --config=configs/score_sde/ve/ncsnv2/celeba.py \
    --workdir=runs/score_sde_ve_ncsnv2_celeba --config.data.path=IMAGES
Figure: FID 10.23 in its paper (table 1); not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.ncsnv2(published.celeba(), scales=500, steps=5, snr=0.128)
