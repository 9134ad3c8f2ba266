r"""NCSN++ on a ladder of 1000 levels, CelebA at 64x64 (Song et al. 2021, arXiv:2011.13456).

The data are the images of CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA) as files, in one folder or
in folders train/ and test/. score_sde resizes the central 140x140 pixels; this loader resizes the
largest central square.

Command: python main.py --config=configs/score_sde/ve/celeba_ncsnpp.py \
    --workdir=runs/score_sde_ve_celeba_ncsnpp --config.data.path=IMAGES
Figure: the paper tabulates none; not measured here.
Time: 1.3 million steps at batch 128 (not measured here).
"""

from gradlog.configs import published


def get_config():
    return published.smld(published.ncsnpp(published.celeba()))
